//! `/api/v1/grants`.

use berth_auth::{Action, GrantId, GrantView, NewGrant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Created, Found, Gone, Json, Operation};
use super::parameter::NUMBERED_PAGES;
use super::problem::Problem;
use super::wire::{When, page};

/// A right beyond what belongs to somebody.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewGrant", example = new_example())]
struct New {
    /// Who gets it: a user, a team or a robot, or `everyone`.
    subject: String,
    /// The repositories: a name, or a pattern such as `acme/*` or `acme/**`.
    pattern: String,
    /// What he may do there: `pull`, `push`, `delete`, `admin`, or `*` for all.
    #[schemars(length(min = 1))]
    actions: Vec<String>,
    /// Says that a pattern across namespaces is meant.
    #[serde(default)]
    wide: bool,
}

fn new_example() -> serde_json::Value {
    serde_json::json!({ "subject": "bob", "pattern": "acme/**", "actions": ["pull", "push"] })
}

/// A right beyond what belongs to somebody.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
struct View {
    /// Its number.
    id: i64,
    /// Who has it.
    subject: String,
    /// The repositories.
    pattern: String,
    /// What he may do there.
    actions: Vec<&'static str>,
    /// When it was given.
    created_at: When,
    /// Who gave it.
    created_by: String,
}

/// Grants in the order of their numbers.
#[derive(Serialize, JsonSchema)]
struct Grants {
    /// The grants of this page.
    grants: Vec<View>,
    /// Where the next page begins, if there is one.
    next: Option<i64>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/grants", list)
            .named("listGrants", "List grants")
            .about("All for administrators; for others those in their namespaces and to themselves.")
            .with(&NUMBERED_PAGES),
        Operation::post("/grants", add)
            .named("addGrant", "Give a right")
            .conflicts("there is such a grant already"),
        Operation::delete("/grants/{id}", remove).named("removeGrant", "Take a right back"),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Grants>, Problem> {
    let grants = call.accounts.grants(call.caller).await?;
    let (grants, next) = page(grants, Some(&call.after_number()?), call.limit()?, |grant| grant.id.0);
    Ok(Found(Grants { grants: grants.iter().map(view).collect(), next }))
}

async fn add(call: Call<'_>, Json(new): Json<New>) -> Result<Created<View>, Problem> {
    let grant = NewGrant {
        subject: parse(&new.subject)?,
        pattern: parse(&new.pattern)?,
        actions: parse(&new.actions.join(","))?,
        wide: new.wide,
    };
    Ok(Created(view(&call.accounts.add_grant(grant, call.caller).await?)))
}

async fn remove(call: Call<'_>) -> Result<Gone, Problem> {
    call.accounts.remove_grant(GrantId(call.id()?), call.caller).await?;
    Ok(Gone)
}

fn view(grant: &GrantView) -> View {
    View {
        id: grant.id.0,
        subject: grant.subject.to_string(),
        pattern: grant.pattern.as_str().to_owned(),
        actions: grant.actions.iter().map(Action::as_str).collect(),
        created_at: When(grant.created_at),
        created_by: grant.created_by.clone(),
    }
}
