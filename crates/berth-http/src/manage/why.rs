//! `/api/v1/why`: may somebody do something, and by what.

use berth_auth::{Action, Verdict};
use berth_oci::RepositoryName;
use schemars::JsonSchema;
use serde::Serialize;

use super::call::{Call, parse};
use super::operation::{Found, Operation};
use super::parameter::{Kind, Parameter};
use super::problem::Problem;

static SUBJECT: Parameter = Parameter::required(
    "subject",
    Kind::Text,
    "Who is asked about: a name, or `everyone` for those without one.",
);
static ACTION: Parameter =
    Parameter::required("action", Kind::Word(&["pull", "push", "delete", "admin"]), "What he wants to do.");
static REPOSITORY: Parameter = Parameter::required("repository", Kind::Text, "Where he wants to do it.");

/// Yes or no, and by what.
#[derive(Serialize, JsonSchema)]
struct Why {
    /// Whether he may.
    allowed: bool,
    /// By what he may, or what is missing: a sentence.
    reason: String,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/why", why)
            .named("explainRight", "Say whether somebody may do something, and why")
            .with(&[&SUBJECT, &ACTION, &REPOSITORY]),
    ]
}

async fn why(call: Call<'_>) -> Result<Found<Why>, Problem> {
    let (subject, action) = (call.need(&SUBJECT)?, parse::<Action>(&call.need(&ACTION)?)?);
    let repository: RepositoryName = parse(&call.need(&REPOSITORY)?)?;
    let visibility = call.registry.authorizer().visibility(&repository).await?;
    let verdict = call.accounts.why(&subject, action, &repository, visibility, call.caller)?;
    let reason = match &verdict {
        Verdict::Allowed(reason) => reason.to_string(),
        Verdict::Refused(missing) => missing.to_string(),
    };
    Ok(Found(Why { allowed: verdict.is_allowed(), reason }))
}
