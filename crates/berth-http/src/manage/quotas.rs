//! `/api/v1/quotas`: who may use how many bytes.

use berth_oci::RepositoryName;
use berth_registry::{Fullness, NO_NAMESPACE, TOTAL};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::operation::{Found, Gone, Json, Operation};
use super::parameter::PAGES;
use super::problem::Problem;
use super::wire::page;

/// How many bytes may be used.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewQuota {
    /// Bytes.
    bytes: u64,
}

/// A quota, and what is used of it.
#[derive(Serialize, JsonSchema)]
struct Quota {
    /// The namespace; `-` stands for all names of one part, and `*` for everything on the server.
    namespace: String,
    /// Bytes that are used.
    used_bytes: u64,
    /// Bytes that may be used.
    quota_bytes: u64,
    /// The first of the second, in whole per cent.
    percent: u64,
}

/// Quotas in the order of their namespaces.
#[derive(Serialize, JsonSchema)]
struct Quotas {
    /// The quotas of this page.
    quotas: Vec<Quota>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/quotas", list)
            .named("listQuotas", "List quotas")
            .about("For administrators.")
            .with(&PAGES),
        Operation::put("/quotas/{quota}", set)
            .named("setQuota", "Set a quota")
            .about("For administrators.")
            .conflicts("more is used already"),
        Operation::delete("/quotas/{quota}", remove)
            .named("removeQuota", "Take a quota away")
            .about("For administrators."),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Quotas>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let quotas = call.registry.quotas(&access).await?;
    let (quotas, next) = page(quotas, Some(&call.after()), call.limit()?, |quota| quota.namespace.clone());
    Ok(Found(Quotas { quotas: quotas.iter().map(view).collect(), next }))
}

async fn set(call: Call<'_>, Json(quota): Json<NewQuota>) -> Result<Found<Quota>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let namespace = place(call.captures.get("quota"))?;
    Ok(Found(view(&call.registry.set_quota(&access, namespace, Some(quota.bytes)).await?)))
}

async fn remove(call: Call<'_>) -> Result<Gone, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    call.registry.set_quota(&access, place(call.captures.get("quota"))?, None).await?;
    Ok(Gone)
}

pub(super) fn place(namespace: &str) -> Result<&str, Problem> {
    let is_name = |text: &str| !text.contains('/') && text.parse::<RepositoryName>().is_ok();
    if namespace == TOTAL || namespace == NO_NAMESPACE || is_name(namespace) {
        return Ok(namespace);
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "a quota is set for a namespace such as acme, for - (names of one part) or for * (everything)",
    ))
}

fn view(fullness: &Fullness) -> Quota {
    Quota {
        namespace: fullness.namespace.clone(),
        used_bytes: fullness.used,
        quota_bytes: fullness.quota,
        percent: fullness.percent(),
    }
}
