//! Sign-in at an OpenID provider: who somebody is, in the words of a provider that the operator trusts.
//!
//! [`Provider::begin`] says where to send a browser, and gives a [`Pending`] that the caller keeps for that browser.
//! The browser comes back with a [`Callback`], and [`Provider::finish`] turns both into an [`Identity`] — or into an
//! error, and there is nothing between the two. It is the authorization code flow (OpenID Connect Core 1.0, section
//! 3.1) with PKCE (RFC 7636), a state, a nonce, and the issuer in the callback (RFC 9207). What an identity may do is
//! not known here: that is the business of accounts.

// What is told, asked and answered.
mod callback;
mod error;
mod identity;
mod options;
mod pending;
mod provider;

// What a provider says, and why it is believed.
mod claims;
mod discovery;
mod keys;
mod known;
mod signature;
mod token;

// The way to it.
mod endpoint;
mod form;
mod http;

pub use berth_egress::{EgressError, Forbidden, RootsError};
pub use callback::{Callback, CallbackError};
pub use endpoint::AddressError;
pub use error::{Fault, OidcError};
pub use http::HttpError;
pub use identity::Identity;
pub use options::ProviderOptions;
pub use pending::{Begun, Pending, PendingError};
pub use provider::Provider;
pub use token::IdTokenError;
