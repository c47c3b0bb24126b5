//! A mirror between a real registry and upstreams of a few lines that answer over real connections.

mod blobs;
mod caches;
mod fake;
mod manifests;
mod names;
mod rights;
mod settings;
mod world;
