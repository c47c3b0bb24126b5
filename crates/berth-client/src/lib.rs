//! A client of the distribution API: typed questions to one registry, with everything between them and the wire.
//!
//! [`Client`] finds out by itself how to sign in (none, Basic, Bearer), keeps tokens, tries again what may pass, rests
//! when the registry says so or is away, and follows redirects to storage without taking credentials along. Bytes of
//! blobs are a stream that goes on by itself after a cut; whoever reads it checks the digest while reading. An
//! [`Upload`] goes on after a cut as well, and in smaller pieces if it has to. [`copy()`] takes whole images from any
//! [`Source`] to any [`Sink`]. The README has an example of each.
//!
//! Credentials belong to one origin. They are sent to that origin, and to hosts for tokens that the operator named:
//! never to where the registry merely points.

mod auth;
mod blob;
mod catalog;
mod challenge;
mod client;
mod content;
mod copy;
mod credentials;
mod error;
mod fault;
mod health;
mod known;
mod manifest;
mod pages;
mod place;
mod push;
mod rate;
mod removal;
mod retry;
mod scope;
mod security;
mod sign_in;
mod tags;
mod token;
mod upload;

#[cfg(test)]
mod tests;

/// The examples of the README, which have to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use berth_egress::{
    EgressError, Forbidden, Limits, Link, Origin, OriginError, Proxies, ProxyError, Reach, RootsError,
    TlsTrouble,
};
pub use berth_oci::{Digest, Reference, Secret};
pub use blob::Download;
pub use catalog::{CatalogPage, Found};
pub use challenge::Challenge;
pub use client::{Client, ClientOptions, Realms};
pub use content::{Content, FileContent, Pieces};
pub use copy::{
    Copied, CopyError, CopyOptions, EndError, PlatformError, PlatformName, Repository, Sink, Source, Step,
    Tally, Watch, copy, copy_all,
};
pub use credentials::Credentials;
pub use error::ClientError;
pub use health::Health;
pub use known::{KNOWN, Known, known};
pub use manifest::{FetchedManifest, ManifestHead};
pub use pages::Pages;
pub use push::PushedManifest;
pub use rate::RateLimit;
pub use removal::Removal;
pub use retry::Patience;
pub use security::{FindError, Security};
pub use sign_in::SignIn;
pub use tags::TagPage;
pub use upload::{Progress, Upload, Uploaded};
