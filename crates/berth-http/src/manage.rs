//! `/api/v1`: accounts, rights and settings of repositories, for people and the command line.
//!
//! Errors are problems (RFC 9457). There are no cookies, and a browser that was sent here by another site is refused.

mod accounts;
mod audit;
mod cleaning;
mod copies;
mod grants;
mod images;
mod problem;
mod repositories;
mod rules;
mod tokens;
mod trash;
mod usage;
mod users;

use std::pin::Pin;

use berth_auth::Accounts;
use berth_oci::ErrorCode;
use berth_registry::{Body, BodyError, Caller, Mode, Registry};
use bytes::Bytes;
use futures_core::Stream;
use http::header::{CACHE_CONTROL, ORIGIN};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::{self, Answer, Describe};
use crate::body;
use crate::error::ApiError;
use crate::headers::NO_STORE;
use crate::origin::Origin;
use crate::query::Form;
use crate::rfc3339;
use crate::server::RouteKind;
use problem::Problem;

/// A body of whatever kind: each handler is compiled once.
type Payload = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// The longest body, in bytes: a README with its quotes.
const LONGEST: usize = 1024 * 1024;
/// What a browser says of the page that a request comes from.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// A request without its body, and who makes it.
#[derive(Clone, Copy)]
struct Call<'a> {
    registry: &'a Registry,
    accounts: &'a Accounts,
    caller: &'a Caller,
    origin: &'a Origin,
    head: &'a Parts,
}

type Done = Result<Answer, Problem>;

/// Answers a request below `/api/v1/`.
pub(crate) async fn answer(
    registry: &Registry,
    accounts: &Accounts,
    caller: &Caller,
    origin: &Origin,
    head: &Parts,
    body: impl Body,
) -> Answer {
    let call = Call { registry, accounts, caller, origin, head };
    let done = match call.refuse_foreign_page() {
        Err(problem) => Err(problem),
        Ok(()) => dispatch(call, Box::pin(body)).await,
    };
    let done = done.unwrap_or_else(|problem| problem.for_caller(caller).into_answer());
    let mut answer = done.with(CACHE_CONTROL, NO_STORE);
    answer.extensions_mut().insert(RouteKind("api"));
    answer
}

/// The answer to credentials that are not taken.
pub(crate) fn refused(error: ApiError) -> Answer {
    Problem::from(error).into_answer()
}

/// Whether a request that brings a session only reads, or was made by one of our own pages.
pub(crate) fn is_from_here(head: &Parts, origin: &Origin) -> bool {
    if matches!(head.method, Method::GET | Method::HEAD) {
        return true;
    }
    match head.headers.get(SEC_FETCH_SITE) {
        Some(site) => site == "same-origin",
        None => head.headers.get(ORIGIN).is_some_and(|from| from == origin.base.as_str()),
    }
}

/// The answer to a change that some page asked for in a user's name.
pub(crate) fn foreign() -> ApiError {
    ApiError::because(ErrorCode::Denied, "a session counts for requests of our own pages only")
}

async fn dispatch(call: Call<'_>, body: Payload) -> Done {
    let path = call.head.uri.path().strip_prefix("/api/v1/").unwrap_or_default();
    if let Some(name) = path.strip_prefix("repositories/") {
        return repositories::answer(call, name, body).await;
    }
    let segments: Vec<_> = path.split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["me"] => users::me(call),
        ["users", rest @ ..] => users::answer(call, rest, body).await,
        ["teams" | "robots", ..] => accounts::answer(call, &segments, body).await,
        ["tokens", rest @ ..] => tokens::answer(call, rest, body).await,
        ["grants" | "why", ..] => grants::answer(call, &segments, body).await,
        ["audit"] => audit::answer(call).await,
        ["copies"] => copies::answer(call, body).await,
        ["rules", rest @ ..] => rules::answer(call, rest, body).await,
        ["trash"] => trash::list(call).await,
        ["usage", rest @ ..] => usage::answer(call, rest).await,
        ["quotas", rest @ ..] => usage::quotas(call, rest, body).await,
        ["cleaning"] => cleaning::answer(call).await,
        _ => Err(Problem::not_found()),
    }
}

impl<'a> Call<'a> {
    fn method(self) -> &'a str {
        // HEAD is GET without the body; `api` cuts that off.
        if self.head.method == Method::HEAD { "GET" } else { self.head.method.as_str() }
    }

    fn query(self) -> Form<'a> {
        Form::new(self.head.uri.query().unwrap_or_default())
    }

    /// Whether the caller only wants to know what would happen.
    fn mode(self) -> Mode {
        match self.query().get("dry_run").as_deref() {
            Some("1" | "true") => Mode::DryRun,
            _ => Mode::Real,
        }
    }

    /// The number of entries that the caller wants on a page.
    fn limit(self) -> Result<usize, Problem> {
        /// Entries on a page, if the caller does not ask for fewer.
        const MOST: usize = 1000;
        let Some(text) = self.query().get("limit").map(std::borrow::Cow::into_owned) else { return Ok(100) };
        let limit: usize = parse(&text)?;
        Ok(limit.clamp(1, MOST))
    }

    /// A browser sends remembered passwords also with requests that another site's page makes.
    fn refuse_foreign_page(self) -> Result<(), Problem> {
        let site = self.head.headers.get(SEC_FETCH_SITE).map(http::HeaderValue::as_bytes);
        match site {
            Some(b"cross-site" | b"same-site") if self.method() != "GET" => {
                Err(Problem::new(StatusCode::FORBIDDEN, "requests of pages of other sites are refused"))
            }
            _ => Ok(()),
        }
    }
}

/// Reads a JSON body; a field that is not known is an error, so that nobody believes it had an effect.
async fn read<T: DeserializeOwned>(body: Payload) -> Result<T, Problem> {
    let bytes = body::bytes(body, LONGEST).await?;
    let bytes = if bytes.is_empty() { b"{}".as_slice().into() } else { bytes };
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not as expected: {error}"))
    })
}

/// Reads a word of the path or body by the type's own rule, whose sentence the client gets.
fn parse<T>(text: &str) -> Result<T, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))
}

/// Reads a time such as 2026-11-25T10:00:00Z or a day such as 2026-11-25.
fn time(text: &str) -> Result<i64, Problem> {
    let bad =
        || Problem::new(StatusCode::BAD_REQUEST, format!("{text:?} is no time such as 2026-11-25T10:00:00Z"));
    rfc3339::to_micros(text).ok_or_else(bad)
}

fn ok(document: &impl Serialize) -> Done {
    Ok(answer::json(StatusCode::OK, document))
}

fn created(document: &impl Serialize) -> Done {
    Ok(answer::json(StatusCode::CREATED, document))
}

fn gone() -> Done {
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
