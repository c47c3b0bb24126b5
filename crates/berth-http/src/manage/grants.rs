//! `/api/v1/grants` and `/api/v1/why`.

use berth_auth::{Action, GrantId, GrantView, NewGrant, Verdict};
use berth_oci::RepositoryName;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, Payload, created, gone, ok, parse, read};
use crate::rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    subject: String,
    pattern: String,
    actions: Vec<String>,
    #[serde(default)]
    wide: bool,
}

pub(super) async fn answer(call: Call<'_>, segments: &[&str], body: Payload) -> Done {
    match (segments, call.method()) {
        (["grants"], "GET") => {
            let grants = call.accounts.grants(call.caller).await?;
            ok(&json!({ "grants": grants.iter().map(view).collect::<Vec<_>>() }))
        }
        (["grants"], "POST") => {
            let new: New = read(body).await?;
            let grant = NewGrant {
                subject: parse(&new.subject)?,
                pattern: parse(&new.pattern)?,
                actions: parse(&new.actions.join(","))?,
                wide: new.wide,
            };
            created(&view(&call.accounts.add_grant(grant, call.caller).await?))
        }
        (["grants", id], "DELETE") => {
            let id = id
                .parse()
                .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "grants are named by their number"))?;
            call.accounts.remove_grant(GrantId(id), call.caller).await?;
            gone()
        }
        (["why"], "GET") => why(call).await,
        (["grants"] | ["grants", _] | ["why"], _) => Err(Problem::method_not_allowed()),
        _ => Err(Problem::not_found()),
    }
}

/// Says yes or no, and by what, or what is missing.
async fn why(call: Call<'_>) -> Done {
    let query = call.query();
    let need = |name: &str| {
        let missing = || Problem::new(StatusCode::BAD_REQUEST, format!("the parameter {name} is missing"));
        query.get(name).map(std::borrow::Cow::into_owned).ok_or_else(missing)
    };
    let (subject, action) = (need("subject")?, parse::<Action>(&need("action")?)?);
    let repository: RepositoryName = parse(&need("repository")?)?;
    let visibility = call.registry.authorizer().visibility(&repository).await?;
    let verdict = call.accounts.why(&subject, action, &repository, visibility, call.caller)?;
    let reason = match &verdict {
        Verdict::Allowed(reason) => reason.to_string(),
        Verdict::Refused(missing) => missing.to_string(),
    };
    ok(&json!({ "allowed": verdict.is_allowed(), "reason": reason }))
}

fn view(grant: &GrantView) -> Value {
    json!({
        "id": grant.id.0,
        "subject": grant.subject.to_string(),
        "pattern": grant.pattern.as_str(),
        "actions": grant.actions.iter().map(Action::as_str).collect::<Vec<_>>(),
        "created_at": rfc3339::from_micros(grant.created_at),
        "created_by": grant.created_by,
    })
}
