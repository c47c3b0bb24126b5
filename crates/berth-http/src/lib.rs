//! The HTTP face of the registry: the transport, the distribution API, and what operators ask.
//!
//! [`Api`] answers the requests of clients and knows no sockets; [`server`] moves bytes and knows no registry.

mod api;
mod v2;

mod answer;
mod error;
mod headers;
mod identity;
mod paging;
mod query;
mod range;

mod access_log;
pub mod health;
pub mod metrics;
pub mod server;

pub use api::Api;
