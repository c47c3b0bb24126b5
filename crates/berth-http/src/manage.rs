//! `/api/v1`: accounts, rights, settings of repositories and the life of images, for people, pages and programs.
//!
//! One table of operations both answers and describes: [`openapi`] is made from what [`answer`] walks. Errors are
//! problems (RFC 9457). What a page of another site sends is refused.

mod call;
mod document;
mod input;
mod operation;
mod parameter;
mod precondition;
mod problem;
mod route;
mod wire;

mod accounts;
mod audit;
mod cleaning;
mod copies;
mod grants;
mod images;
mod me;
mod mirror_settings;
mod mirror_status;
mod mirrors;
mod prefetches;
mod quotas;
mod repositories;
mod rules;
mod search;
mod tokens;
mod trash;
mod usage;
mod users;
mod why;

use std::pin::Pin;
use std::sync::LazyLock;

use berth_auth::Accounts;
use berth_mirror::Mirror;
use berth_oci::ErrorCode;
use berth_registry::{Body, BodyError, Caller, Registry};
use bytes::Bytes;
use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use crate::answer::{self, Answer, Describe};
use crate::error::ApiError;
use crate::headers::NO_STORE;
use crate::origin::Origin;
use crate::server::RouteKind;
use call::Call;
use operation::Operation;
use problem::Problem;
use route::Route;

pub use document::openapi;

/// A body of whatever kind: each handler is compiled once.
type Payload = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

type Done = Result<Answer, Problem>;

/// Where the API begins.
const BASE: &str = "/api/v1";
/// Where its description is.
const DOCUMENT: &str = "/openapi.json";
/// What a browser says of the page that a request comes from.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// A part of the API: its name, a sentence about it, and its operations.
type Part = (&'static str, &'static str, Vec<Operation>);

static PARTS: LazyLock<Vec<Part>> = LazyLock::new(|| {
    vec![
        (
            "Repositories",
            "What is there, who may see it, and what is told about it.",
            repositories::operations().into_iter().chain(search::operations()).collect(),
        ),
        ("Tags", "Names of images, with their past.", images::tag_operations()),
        (
            "Images",
            "Manifests: deleting, restoring, copying, and why one is there or not.",
            images_and_copies(),
        ),
        ("Trash", "What was deleted, until its time is over.", trash::operations()),
        ("Rules", "Which tags follow others, never change, or end by themselves.", rules::operations()),
        ("Usage", "Who uses how many bytes.", usage::operations()),
        ("Quotas", "Who may use how many bytes.", quotas::operations()),
        (
            "Mirrors",
            "Registries whose images are kept here once somebody asked for them.",
            mirrors::operations().into_iter().chain(prefetches::operations()).collect(),
        ),
        ("Cleaning", "Space that is freed in the background.", cleaning::operations()),
        ("Me", "Who the caller is.", me::operations()),
        ("Users", "People.", users::operations()),
        ("Teams", "People who share a namespace.", accounts::team_operations()),
        ("Robots", "Accounts of machines.", accounts::robot_operations()),
        ("Tokens", "Access tokens, in place of passwords.", tokens::operations()),
        ("Rights", "Who may do what, beyond what belongs to him; and why.", rights()),
        ("Audit", "Who did what, to what, from where.", audit::operations()),
    ]
});

fn images_and_copies() -> Vec<Operation> {
    images::manifest_operations().into_iter().chain(copies::operations()).collect()
}

fn rights() -> Vec<Operation> {
    grants::operations().into_iter().chain(why::operations()).collect()
}

fn operations() -> impl Iterator<Item = &'static Operation> {
    PARTS.iter().flat_map(|(_, _, operations)| operations)
}

/// Answers a request below `/api/v1/`.
pub(crate) async fn answer(
    registry: &Registry,
    accounts: &Accounts,
    mirror: Option<&Mirror>,
    caller: &Caller,
    origin: &Origin,
    head: &Parts,
    body: impl Body,
) -> Answer {
    let done = match refuse_foreign_page(origin, head) {
        Err(problem) => Err(problem),
        Ok(()) => {
            let path = head.uri.path().strip_prefix(BASE).unwrap_or_default();
            match route::find(operations(), method(head), path) {
                Route::Nothing => Err(Problem::not_found()),
                Route::Methods(methods) => Err(Problem::method_not_allowed(&methods)),
                Route::Operation(operation, captures) => {
                    let query = head.uri.query().unwrap_or_default();
                    let captures = &captures;
                    let call =
                        Call { registry, accounts, mirror, caller, origin, head, operation, captures, query };
                    precondition::answer(call, path, Box::pin(body)).await
                }
            }
        }
    };
    described(head, done.unwrap_or_else(|problem| problem.for_caller(caller).into_answer()))
}

/// Whether a path is that of the description, which everybody may read.
pub(crate) fn is_document(path: &str) -> bool {
    path.strip_prefix(BASE) == Some(DOCUMENT)
}

/// Answers a request for the description.
pub(crate) fn answer_document(head: &Parts) -> Answer {
    let answer = if *method(head) == Method::GET {
        answer::full(StatusCode::OK, document::text())
            .with(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    } else {
        Problem::method_not_allowed(&[&Method::GET]).into_answer()
    };
    described(head, answer)
}

/// The answer to credentials that are not taken.
pub(crate) fn refused(head: &Parts, error: ApiError) -> Answer {
    described(head, Problem::from(error).into_answer())
}

/// The answer where there is nothing.
pub(crate) fn not_found(head: &Parts) -> Answer {
    described(head, Problem::not_found().into_answer())
}

/// The answer to a change that some page asked for in a user's name.
pub(crate) fn foreign() -> ApiError {
    ApiError::because(ErrorCode::Denied, "a session counts for requests of our own pages only")
}

/// What all answers have in common.
fn described(head: &Parts, answer: Answer) -> Answer {
    let mut answer = if *method(head) == Method::GET && answer.status() == StatusCode::OK {
        precondition::tagged(head, answer)
    } else {
        answer.with(CACHE_CONTROL, NO_STORE)
    };
    answer.extensions_mut().insert(RouteKind("api"));
    answer
}

/// HEAD is GET without the body; `api` cuts that off.
fn method(head: &Parts) -> &Method {
    if head.method == Method::HEAD { &Method::GET } else { &head.method }
}

/// A browser sends remembered passwords and cookies also with requests that another site's page makes.
///
/// Programs send neither of the two headers.
fn refuse_foreign_page(origin: &Origin, head: &Parts) -> Result<(), Problem> {
    if *method(head) == Method::GET {
        return Ok(());
    }
    let site = head.headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if matches!(site, Some(b"cross-site" | b"same-site")) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "requests of pages of other sites are refused"));
    }
    let own = origin.base.as_bytes();
    if head.headers.get_all(ORIGIN).iter().all(|page| page.as_bytes().eq_ignore_ascii_case(own)) {
        return Ok(());
    }
    let detail = format!(
        "requests of pages of other sites are refused; this server's own address is {}, as far as it knows",
        origin.base
    );
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}
