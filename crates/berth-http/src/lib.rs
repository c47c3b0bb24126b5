//! The HTTP face of the registry: the transport, the distribution API, and what operators ask.

mod access_log;
pub mod health;
pub mod metrics;
pub mod server;
