//! Signing in at an OpenID provider: there, and back.
//!
//! What belongs to one sign-in waits in a cookie of ten minutes: state, nonce and verifier are this browser's own, and the
//! provider takes its code once.

use std::time::SystemTime;

use berth_auth::Vouched;
use berth_oidc::{Callback, Fault, OidcError, Pending, Provider};
use http::header::{HeaderValue, SET_COOKIE};

use crate::error::PageError;
use crate::links;
use crate::pages::{Call, sign_in};
use crate::reply::{self, Done};
use crate::visit::Visit;

/// Where the provider sends the browser back to.
const CALLBACK: &str = "/sign-in/openid/callback";
const SECURE: &str = "__Host-berth_openid";
const PLAIN: &str = "berth_openid";

/// A provider, as the operator configured it.
pub struct OpenId {
    /// The provider.
    pub provider: Provider,
    /// What the button says after "Sign in with".
    pub name: String,
    /// Whether who is not known here becomes a user.
    pub makes_users: bool,
}

/// What a sign-in is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    SignIn,
    Link,
}

/// Sends the browser to the provider.
pub(crate) async fn begin(call: Call<'_>, aim: Aim, to: &str) -> Done {
    let openid = call.web.options.openid.as_ref().ok_or(PageError::NotFound)?;
    let back = format!("{}{}{CALLBACK}", call.visit.base, call.web.options.root);
    let begun = openid.provider.begin(&back, SystemTime::now()).await.map_err(|error| refused(&error))?;
    let word = if aim == Aim::Link { "link" } else { "sign-in" };
    let to = links::encoded(&links::local(&call.web.options.root, to));
    let kept = cookie(call.visit, &format!("{word}|{to}|{}", begun.pending.encode()), "Max-Age=600");
    Ok(reply::with(reply::see(&begun.url)?, SET_COOKIE, kept))
}

/// Takes the browser back.
pub(crate) async fn finish(call: Call<'_>) -> Done {
    let openid = call.web.options.openid.as_ref().ok_or(PageError::NotFound)?;
    let kept = call.visit.cookie(SECURE).or_else(|| call.visit.cookie(PLAIN)).unwrap_or_default();
    let mut parts = kept.splitn(3, '|');
    let (word, to, pending) =
        (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let pending = Pending::decode(pending).map_err(PageError::invalid)?;
    let query = call.visit.head.uri.query().unwrap_or_default();
    let callback = Callback::parse(query).map_err(PageError::invalid)?;
    let identity = openid
        .provider
        .finish(&pending, &callback, SystemTime::now())
        .await
        .map_err(|error| refused(&error))?;
    let vouched =
        Vouched { issuer: identity.issuer, subject: identity.subject, user_name: identity.user_name };
    let forget = cookie(call.visit, "", "Max-Age=0");
    if word == Some("link") {
        call.web.accounts.link_identity(&vouched, call.caller).await?;
        return Ok(reply::with(call.see("/account?done=saved")?, SET_COOKIE, forget));
    }
    let caller = call.web.accounts.vouched(&vouched, call.visit.client, openid.makes_users).await?;
    let session = sign_in::begin(call, &caller).await?;
    let to = percent_encoding::percent_decode_str(to).decode_utf8_lossy().into_owned();
    let done = reply::see(&links::local(&call.web.options.root, &to))?;
    Ok(reply::with(reply::with(done, SET_COOKIE, session), SET_COOKIE, forget))
}

fn cookie(visit: &Visit, value: &str, life: &str) -> HeaderValue {
    let (name, secure) = if visit.is_secure() { (SECURE, "; Secure") } else { (PLAIN, "") };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; {life}{secure}");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What a visitor is told; the operator reads the whole in the log.
fn refused(error: &OidcError) -> PageError {
    if error.fault() != Fault::Visitor {
        tracing::warn!(error = error as &dyn std::error::Error, "signing in at the OpenID provider failed");
    }
    PageError::invalid(error)
}
