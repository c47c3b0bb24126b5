//! `/api/v1/audit`: who did what, to what, from where.

use berth_audit::{Entry, Filter};
use berth_oci::RepositoryName;
use berth_registry::Admin;
use http::StatusCode;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, ok, parse, time};
use crate::rfc3339;

/// Rows on a page, if the client does not ask for fewer.
const MOST: usize = 1000;

/// Administrators may search everything, others what was done in a repository that they administer.
pub(super) async fn answer(call: Call<'_>) -> Done {
    if call.method() != "GET" {
        return Err(Problem::method_not_allowed());
    }
    let query = call.query();
    let text = |name: &str| query.get(name).map(std::borrow::Cow::into_owned);
    let repository = text("repository");
    match &repository {
        Some(name) => {
            let name: RepositoryName = parse(name)?;
            call.registry.authorizer().authorize::<Admin>(call.caller, &name).await?;
        }
        None => call.accounts.require_administrator(call.caller)?,
    }
    let filter = Filter {
        actor: text("actor"),
        action: text("action"),
        repository,
        since: text("since").map(|since| time(&since)).transpose()?,
        until: text("until").map(|until| time(&until)).transpose()?,
    };
    let before = text("before").map(|id| number(&id)).transpose()?;
    let limit = text("limit").map(|limit| number(&limit)).transpose()?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(100).min(MOST);
    let entries =
        call.accounts.audit().search(&filter, before, limit).await.map_err(berth_auth::AuthError::from)?;
    let next = entries.last().filter(|_| entries.len() == limit).map(|entry| entry.id);
    ok(&json!({ "entries": entries.iter().map(view).collect::<Vec<_>>(), "next": next }))
}

fn number(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, format!("{text:?} is no number")))
}

fn view(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "at": rfc3339::from_micros(entry.at),
        "actor": entry.actor.name,
        "actor_id": entry.actor.id,
        "address": entry.actor.address.map(|address| address.to_string()),
        "action": entry.action,
        "repository": entry.repository,
        "target": entry.target,
        "detail": entry.detail,
    })
}
