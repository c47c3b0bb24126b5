//! `/api/v1/rules`: which tags float, never change, are kept; and what that means for a repository.

use std::time::Duration;

use berth_oci::RepositoryName;
use berth_registry::{Choice, Delete, Keep, NewRule, Pull, Rule, RuleKind, Verdict};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, Payload, created, gone, ok, parse, read, trash};
use crate::rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    kind: String,
    pattern: String,
    tags: Option<String>,
    levels: Option<Vec<String>>,
    newest: Option<u64>,
    younger_seconds: Option<u64>,
    pulled_seconds: Option<u64>,
    #[serde(default)]
    wide: bool,
}

pub(super) async fn answer(call: Call<'_>, rest: &[&str], body: Payload) -> Done {
    let authorizer = call.registry.authorizer();
    match (rest, call.method()) {
        ([], "GET") => {
            let rules = call.registry.rules(&authorizer.search(call.caller)?).await?;
            ok(&json!({ "rules": rules.iter().map(view).collect::<Vec<_>>() }))
        }
        ([], "POST") => {
            let rule = meant(&read(body).await?)?;
            let access = authorizer.owns(call.caller, &rule.pattern)?;
            created(&view(&call.registry.add_rule(&access, rule).await?))
        }
        ([id], "DELETE") => {
            let rule = call.registry.rule(&authorizer.search(call.caller)?, parse(id)?).await?;
            let access = authorizer.owns(call.caller, &rule.pattern)?;
            call.registry.remove_rule(&access, &rule).await?;
            gone()
        }
        ([] | [_], _) => Err(Problem::method_not_allowed()),
        _ => Err(Problem::not_found()),
    }
}

/// Reads a rule. What belongs to another kind is an error, so that nobody believes it had an effect.
fn meant(new: &New) -> Result<NewRule, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let has_conditions =
        new.newest.is_some() || new.younger_seconds.is_some() || new.pulled_seconds.is_some();
    let kind = match new.kind.as_str() {
        "float" if !has_conditions && new.tags.is_none() => {
            let levels = new.levels.clone().unwrap_or_else(|| {
                berth_oci::Level::ALL.iter().map(|level| level.as_str().to_owned()).collect()
            });
            RuleKind::Float(levels.iter().map(|level| parse(level)).collect::<Result<_, _>>()?)
        }
        "immutable" if !has_conditions && new.levels.is_none() => RuleKind::Immutable,
        "keep" if new.levels.is_none() => RuleKind::Keep(Keep {
            newest: new.newest,
            younger: new.younger_seconds.map(micros),
            pulled: new.pulled_seconds.map(micros),
        }),
        kind @ ("float" | "immutable" | "keep") => {
            return Err(bad(format!("a rule of the kind {kind} has no such condition")));
        }
        kind => return Err(bad(format!("{kind:?} is none of float, immutable, keep"))),
    };
    Ok(NewRule {
        pattern: parse(&new.pattern)?,
        tags: parse(new.tags.as_deref().unwrap_or("*"))?,
        kind,
        wide: new.wide,
    })
}

fn micros(seconds: u64) -> i64 {
    i64::try_from(Duration::from_secs(seconds).as_micros()).unwrap_or(i64::MAX)
}

/// The rules that are about a repository.
pub(super) async fn of(call: Call<'_>, name: &RepositoryName) -> Done {
    if call.method() != "GET" {
        return Err(Problem::method_not_allowed());
    }
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let rules = call.registry.rules_of(&access).await?;
    ok(&json!({ "rules": rules.iter().map(view).collect::<Vec<_>>() }))
}

/// What the rules would do in a repository (GET), or doing it now (POST).
pub(super) async fn retention(call: Call<'_>, name: &RepositoryName) -> Done {
    let access = call.registry.authorizer().authorize::<Delete>(call.caller, name).await?;
    match call.method() {
        "GET" => {
            let preview = call.registry.preview_retention(&access).await?;
            ok(&json!({
                "kept_count": preview.n_kept,
                "removed_count": preview.n_removed,
                "kept": preview.kept.iter().map(choice).collect::<Vec<_>>(),
                "removed": preview.removed.iter().map(choice).collect::<Vec<_>>(),
                "removal": trash::removal(&preview.removal),
            }))
        }
        "POST" => ok(&json!({ "removed_count": call.registry.apply_retention_to(&access).await? })),
        _ => Err(Problem::method_not_allowed()),
    }
}

fn choice(choice: &Choice) -> Value {
    let (kept, why) = match &choice.verdict {
        Verdict::Kept(why) => (true, why),
        Verdict::Removed { why, .. } => (false, why),
    };
    json!({
        "tag": choice.tag,
        "digest": choice.digest.to_string(),
        "since": rfc3339::from_micros(choice.began_at.0),
        "kept": kept,
        "why": why,
    })
}

pub(super) fn view(rule: &Rule) -> Value {
    let mut document = json!({
        "id": rule.id,
        "pattern": rule.pattern.as_str(),
        "tags": rule.tags.as_str(),
        "made_at": rfc3339::from_micros(rule.made_at.0),
        "made_by": rule.made_by,
    });
    let seconds = |micros: Option<i64>| micros.map(|micros| micros / 1_000_000);
    let (kind, more) = match &rule.kind {
        RuleKind::Float(levels) => {
            let levels: Vec<_> = levels.iter().map(|level| level.as_str()).collect();
            ("float", json!({ "levels": levels }))
        }
        RuleKind::Immutable => ("immutable", json!({})),
        RuleKind::Keep(keep) => (
            "keep",
            json!({
                "newest": keep.newest,
                "younger_seconds": seconds(keep.younger),
                "pulled_seconds": seconds(keep.pulled),
            }),
        ),
    };
    document["kind"] = kind.into();
    for (name, value) in more.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    document
}
