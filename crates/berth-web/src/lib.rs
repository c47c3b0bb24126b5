//! The page for people: browse, search, look inside, delete and restore, administer; rendered here, without scripts if
//! need be.
//!
//! [`Web::answer`] takes a [`Visit`] and gives a response of bytes. Everything that comes out of an image or from another
//! person is text: templates escape it, and the policy in the header lets no script run but ours.

mod assets;
mod error;
mod format;
mod layout;
mod links;
mod markdown;
mod openid;
mod pages;
mod reply;
mod session;
mod texts;
mod visit;

pub use openid::OpenId;
pub use session::cookie as session_cookie;
pub use visit::{Visit, is_from_here};

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use berth_auth::Accounts;
use berth_mirror::Mirror;
use berth_registry::Registry;
use bytes::Bytes;
use http::Response;
use serde_json::Value;

/// What the operator decided about the page, and what other parts tell it.
pub struct Options {
    /// The path below which a proxy serves it, such as `/berth`; empty at the root.
    pub root: String,
    /// The version of the program.
    pub version: &'static str,
    /// Where people may sign in instead of with a password.
    pub openid: Option<OpenId>,
    /// The description of the API (OpenAPI), for the page that explains it.
    pub api: Value,
    /// The configuration without its secrets, for diagnostics.
    pub configuration: Value,
    /// What the server counts, as Prometheus reads it.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// The page. Clones share everything.
#[derive(Clone)]
pub struct Web {
    pub(crate) registry: Registry,
    pub(crate) accounts: Accounts,
    pub(crate) mirror: Option<Mirror>,
    pub(crate) options: Arc<Options>,
}

/// An answer that is under way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>>;

impl Web {
    /// The page of a registry and its accounts.
    pub fn new(registry: Registry, accounts: Accounts, options: Options) -> Web {
        Web { registry, accounts, mirror: None, options: Arc::new(options) }
    }

    /// Shows what is mirrored as well.
    pub fn with_mirror(mut self, mirror: Mirror) -> Web {
        self.mirror = Some(mirror);
        self
    }

    /// Answers a request. Errors are pages too.
    pub fn answer(&self, visit: Visit) -> Answering<'_> {
        Box::pin(pages::answer(self, visit))
    }
}
