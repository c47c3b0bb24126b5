//! `/api/v1/audit`: who did what, to what, from where.

use berth_audit::{Entry, Filter};
use berth_auth::AuthError;
use berth_oci::RepositoryName;
use berth_registry::Admin;
use schemars::JsonSchema;
use serde::Serialize;

use super::call::{Call, parse};
use super::operation::{Found, Operation};
use super::parameter::{BEFORE, Kind, LIMIT, Parameter};
use super::problem::Problem;
use super::wire::When;

static ACTOR: Parameter = Parameter::new("actor", Kind::Text, "Only what this account did.");
static ACTION: Parameter = Parameter::new(
    "action",
    Kind::Text,
    "Only this action, such as `tag.delete`, or all of a noun, such as `tag`.",
);
static REPOSITORY: Parameter = Parameter::new(
    "repository",
    Kind::Text,
    "Only what was done in this repository. Who administers it may ask this; everything else is for administrators.",
);
static SINCE: Parameter = Parameter::new("since", Kind::Time, "Not before this moment.");
static UNTIL: Parameter = Parameter::new("until", Kind::Time, "Before this moment.");

/// Something that was done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
struct View {
    /// Its number; what came later has a larger one.
    id: i64,
    /// When.
    at: When,
    /// Who; the name at that time.
    actor: String,
    /// Who, whatever the name is now.
    actor_id: String,
    /// From which address.
    address: Option<String>,
    /// What, such as `tag.delete`.
    action: String,
    /// In which repository.
    repository: Option<String>,
    /// To what.
    target: String,
    /// What else is to be said.
    detail: String,
}

/// What was done, the newest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntries")]
struct Entries {
    /// The entries of this page.
    entries: Vec<View>,
    /// Where the next page begins, if there may be one.
    next: Option<i64>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/audit", search)
            .named("searchAudit", "Search the audit log")
            .about("The newest entries come first.")
            .with(&[&ACTOR, &ACTION, &REPOSITORY, &SINCE, &UNTIL, &LIMIT, &BEFORE]),
    ]
}

/// Administrators may search everything, others what was done in a repository that they administer.
async fn search(call: Call<'_>) -> Result<Found<Entries>, Problem> {
    let repository = call.get(&REPOSITORY);
    match &repository {
        Some(name) => {
            let name: RepositoryName = parse(name)?;
            call.registry.authorizer().authorize::<Admin>(call.caller, &name).await?;
        }
        None => call.accounts.require_administrator(call.caller)?,
    }
    let filter = Filter {
        actor: call.get(&ACTOR),
        action: call.get(&ACTION),
        repository,
        since: call.time(&SINCE)?,
        until: call.time(&UNTIL)?,
    };
    let (before, limit) = (call.number(&BEFORE)?, call.limit()?);
    let entries = call.accounts.audit().search(&filter, before, limit).await.map_err(AuthError::from)?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|entry| entry.id);
    Ok(Found(Entries { entries: entries.iter().map(view).collect(), next }))
}

fn view(entry: &Entry) -> View {
    View {
        id: entry.id,
        at: When(entry.at),
        actor: entry.actor.name.clone(),
        actor_id: entry.actor.id.clone(),
        address: entry.actor.address.map(|address| address.to_string()),
        action: entry.action.clone(),
        repository: entry.repository.clone(),
        target: entry.target.clone(),
        detail: entry.detail.clone(),
    }
}
