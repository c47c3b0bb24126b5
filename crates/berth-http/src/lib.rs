//! The HTTP face of the registry: the transport, the distribution API, and what operators ask.
//!
//! [`Api`] answers the requests of clients and knows no sockets; [`server`] moves bytes and knows no registry.

mod api;
mod manage;
mod search;
mod setup;
mod token;
mod v2;

mod answer;
mod body;
mod credentials;
mod error;
mod headers;
mod identity;
mod mirrored;
mod origin;
mod pages;
mod paging;
mod query;
mod range;
mod rfc3339;

mod access_log;
pub mod control;
pub mod health;
pub mod metrics;
pub mod server;

pub use api::Api;
pub use manage::openapi;
pub use origin::AddressOptions;
pub use pages::{PageRequest, Pages, Paging};
