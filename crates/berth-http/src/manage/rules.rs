//! `/api/v1/rules`: which tags float, never change, are kept; and what that means for a repository.

use std::time::Duration;

use berth_oci::{Level, RepositoryName};
use berth_registry::{Choice, Delete, Keep, NewRule, Pull, Rule, RuleKind, Verdict};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Created, Found, Gone, Json, Operation};
use super::parameter::NUMBERED_PAGES;
use super::problem::Problem;
use super::trash::{Removed, removed};
use super::wire::{When, page};

/// A rule about tags. Conditions of another kind are refused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewRule", example = float_example(), example = keep_example())]
struct New {
    /// `float`: shorter versions follow the largest. `immutable`: the tags never change. `keep`: tags that no rule of
    /// this kind keeps end by themselves.
    #[schemars(extend("enum" = ["float", "immutable", "keep"]))]
    kind: String,
    /// The repositories: a name, or a pattern such as `acme/*` or `acme/**`.
    pattern: String,
    /// The tags: a pattern such as `v*` or `{version}`; all if nothing is said. Not for `float`.
    tags: Option<String>,
    /// Which tags follow; all if nothing is said. For `float`.
    levels: Option<Vec<String>>,
    /// Keep this number of the newest. For `keep`.
    newest: Option<u64>,
    /// Keep what was set within that time. For `keep`.
    younger_seconds: Option<u64>,
    /// Keep what was pulled within that time. For `keep`.
    pulled_seconds: Option<u64>,
    /// Says that a pattern across namespaces is meant.
    #[serde(default)]
    wide: bool,
}

fn float_example() -> serde_json::Value {
    serde_json::json!({ "kind": "float", "pattern": "acme/*" })
}

fn keep_example() -> serde_json::Value {
    serde_json::json!({ "kind": "keep", "pattern": "acme/*", "tags": "ci-*", "newest": 10 })
}

/// A rule about tags.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Rule")]
pub(super) struct View {
    /// Its number.
    id: i64,
    /// The repositories.
    pattern: String,
    /// The tags.
    tags: String,
    /// When it was set.
    made_at: When,
    /// By whom.
    made_by: String,
    #[serde(flatten)]
    terms: Terms,
}

/// What a rule says.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Terms {
    /// Shorter versions follow the largest.
    Float {
        /// Which tags follow.
        levels: Vec<&'static str>,
    },
    /// The tags never change.
    Immutable,
    /// Tags that no rule of this kind keeps end by themselves.
    Keep {
        /// Keep this number of the newest.
        newest: Option<u64>,
        /// Keep what was set within that time.
        younger_seconds: Option<i64>,
        /// Keep what was pulled within that time.
        pulled_seconds: Option<i64>,
    },
}

/// Rules in the order of their numbers.
#[derive(Serialize, JsonSchema)]
struct Rules {
    /// The rules of this page.
    rules: Vec<View>,
    /// Where the next page begins, if there is one.
    next: Option<i64>,
}

/// What the rules would do in a repository.
#[derive(Serialize, JsonSchema)]
struct RetentionPreview {
    /// The number of tags that stay.
    kept_count: u64,
    /// The number of tags that would end.
    removed_count: u64,
    /// Tags that stay; the first of them.
    kept: Vec<TagChoice>,
    /// Tags that would end; the first of them.
    removed: Vec<TagChoice>,
    /// What would go with them.
    removal: Removed,
}

/// What becomes of a tag.
#[derive(Serialize, JsonSchema)]
struct TagChoice {
    /// The tag.
    tag: String,
    /// What it names.
    digest: String,
    /// Since when.
    since: When,
    /// Whether it stays.
    kept: bool,
    /// Why.
    why: String,
}

/// What the rules did in a repository.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RetentionDone")]
struct Done {
    /// The number of tags that ended.
    removed_count: u64,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rules", list)
            .named("listRules", "List rules")
            .about("Those about namespaces that the caller owns.")
            .with(&NUMBERED_PAGES),
        Operation::post("/rules", add)
            .named("addRule", "Set a rule")
            .about("For those who own the namespace."),
        Operation::delete("/rules/{id}", remove)
            .named("removeRule", "Take a rule back")
            .about("For those who own the namespace."),
        Operation::get("/repositories/{repository}/-/rules", of)
            .named("listRepositoryRules", "List the rules that are about a repository")
            .about("Needs `pull`.")
            .with(&NUMBERED_PAGES),
        Operation::get("/repositories/{repository}/-/retention", preview)
            .named("previewRetention", "Tell which tags the rules would end")
            .about("Needs `delete`."),
        Operation::run("/repositories/{repository}/-/retention", apply)
            .named("applyRetention", "Apply the rules now")
            .about("Needs `delete`. They are applied every hour anyway."),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Rules>, Problem> {
    let rules = call.registry.rules(&call.registry.authorizer().search(call.caller)?).await?;
    paged(call, rules)
}

async fn add(call: Call<'_>, Json(new): Json<New>) -> Result<Created<View>, Problem> {
    let rule = meant(&new)?;
    let access = call.registry.authorizer().owns(call.caller, &rule.pattern)?;
    Ok(Created(view(&call.registry.add_rule(&access, rule).await?)))
}

async fn remove(call: Call<'_>) -> Result<Gone, Problem> {
    let authorizer = call.registry.authorizer();
    let rule = call.registry.rule(&authorizer.search(call.caller)?, call.id()?).await?;
    let access = authorizer.owns(call.caller, &rule.pattern)?;
    call.registry.remove_rule(&access, &rule).await?;
    Ok(Gone)
}

/// Reads a rule. What belongs to another kind is an error, so that nobody believes it had an effect.
fn meant(new: &New) -> Result<NewRule, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let has_conditions =
        new.newest.is_some() || new.younger_seconds.is_some() || new.pulled_seconds.is_some();
    let kind = match new.kind.as_str() {
        "float" if !has_conditions && new.tags.is_none() => {
            let levels = new
                .levels
                .clone()
                .unwrap_or_else(|| Level::ALL.iter().map(|level| level.as_str().to_owned()).collect());
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

async fn of(call: Call<'_>) -> Result<Found<Rules>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    paged(call, call.registry.rules_of(&access).await?)
}

fn paged(call: Call<'_>, rules: Vec<Rule>) -> Result<Found<Rules>, Problem> {
    let (rules, next) = page(rules, Some(&call.after_number()?), call.limit()?, |rule| rule.id);
    Ok(Found(Rules { rules: rules.iter().map(view).collect(), next }))
}

async fn preview(call: Call<'_>) -> Result<Found<RetentionPreview>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Delete>(call.caller, &name).await?;
    let preview = call.registry.preview_retention(&access).await?;
    Ok(Found(RetentionPreview {
        kept_count: preview.n_kept,
        removed_count: preview.n_removed,
        kept: preview.kept.iter().map(choice).collect(),
        removed: preview.removed.iter().map(choice).collect(),
        removal: removed(&preview.removal),
    }))
}

async fn apply(call: Call<'_>) -> Result<Found<Done>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Delete>(call.caller, &name).await?;
    Ok(Found(Done { removed_count: call.registry.apply_retention_to(&access).await? }))
}

fn choice(choice: &Choice) -> TagChoice {
    let (kept, why) = match &choice.verdict {
        Verdict::Kept(why) => (true, why),
        Verdict::Removed { why, .. } => (false, why),
    };
    TagChoice {
        tag: choice.tag.clone(),
        digest: choice.digest.to_string(),
        since: choice.began_at.into(),
        kept,
        why: why.clone(),
    }
}

pub(super) fn view(rule: &Rule) -> View {
    let seconds = |micros: Option<i64>| micros.map(|micros| micros / 1_000_000);
    let terms = match &rule.kind {
        RuleKind::Float(levels) => {
            Terms::Float { levels: levels.iter().map(|level| level.as_str()).collect() }
        }
        RuleKind::Immutable => Terms::Immutable,
        RuleKind::Keep(keep) => Terms::Keep {
            newest: keep.newest,
            younger_seconds: seconds(keep.younger),
            pulled_seconds: seconds(keep.pulled),
        },
    };
    View {
        id: rule.id,
        pattern: rule.pattern.as_str().to_owned(),
        tags: rule.tags.as_str().to_owned(),
        made_at: rule.made_at.into(),
        made_by: rule.made_by.clone(),
        terms,
    }
}
