//! Settings of a repository: who sees it, what is told about it, its rules, its name, its end.

use std::time::Duration;

use askama::Template;
use berth_oci::{Level, RepositoryName};
use berth_registry::{
    Admin, Keep, Mode, NewRule, Pull, RenameRequest, RepositoryChange, RepositoryRow, RetentionPreview, Rule,
    RuleKind,
};

use super::Call;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

const DAY: u64 = 24 * 60 * 60;
/// How long the old name of a repository goes on working for pulls: ninety days.
const REDIRECT: Duration = Duration::from_secs(90 * DAY);

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    l: Layout,
    row: RepositoryRow,
    rules: Vec<(Rule, String)>,
    /// What the rules that keep would do, if there are any.
    preview: Option<RetentionPreview>,
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName) -> Done {
    let registry = &call.web.registry;
    registry.authorizer().authorize::<Admin>(call.caller, name).await?;
    if call.is_post() {
        return change(call, name).await;
    }
    let access = registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let l = call.layout();
    let rules: Vec<_> = registry.rules_of(&access).await?;
    let preview = if rules.iter().any(|rule| matches!(rule.kind, RuleKind::Keep(_))) {
        let access = registry.authorizer().authorize(call.caller, name).await?;
        Some(registry.preview_retention(&access).await?)
    } else {
        None
    };
    let rules = rules.into_iter().map(|rule| (rule.clone(), told(&l, &rule.kind))).collect();
    reply::page(&Settings { row: registry.repository(&access).await?, rules, preview, l })
}

async fn change(call: Call<'_>, name: &RepositoryName) -> Done {
    let form = call.visit.form();
    match form.get("action") {
        "about" => about(call, name).await,
        "rename" => rename(call, name).await,
        "rule" => add_rule(call, name).await,
        "remove-rule" => remove_rule(call, name).await,
        _ => Err(PageError::NotFound),
    }
}

async fn about(call: Call<'_>, name: &RepositoryName) -> Done {
    let (registry, form) = (&call.web.registry, call.visit.form());
    let access = registry.authorizer().authorize::<Admin>(call.caller, name).await?;
    let visibility = match form.get("visibility") {
        "public" => Some(true),
        "private" => Some(false),
        _ => None,
    };
    let change = RepositoryChange {
        is_public: visibility,
        description: Some(form.get("description").to_owned()),
        readme: Some(form.get("readme").replace("\r\n", "\n")),
    };
    registry.change_repository(&access, change).await?;
    call.see(&format!("/r/{name}/-/settings?done=saved"))
}

async fn rename(call: Call<'_>, name: &RepositoryName) -> Done {
    let (registry, form) = (&call.web.registry, call.visit.form());
    let to: RepositoryName = form.get("to").parse().map_err(PageError::invalid)?;
    let from = registry.authorizer().authorize::<Admin>(call.caller, name).await?;
    let into = registry.authorizer().authorize::<Admin>(call.caller, &to).await?;
    let redirect = if form.has("redirect") { REDIRECT } else { Duration::ZERO };
    registry.rename_repository(&from, &into, RenameRequest { redirect, mode: Mode::Real }).await?;
    call.see(&format!("/r/{to}?done=renamed"))
}

async fn add_rule(call: Call<'_>, name: &RepositoryName) -> Done {
    let (registry, form) = (&call.web.registry, call.visit.form());
    let pattern = name.as_str().parse().map_err(PageError::invalid)?;
    let access = registry.authorizer().owns(call.caller, &pattern)?;
    let days = |field: &str| -> Result<Option<i64>, PageError> {
        match form.get(field) {
            "" => Ok(None),
            text => {
                let days: u32 =
                    text.parse().map_err(|_| PageError::Invalid(format!("{text} is no number of days")))?;
                Ok(Some(i64::from(days) * 24 * 60 * 60 * 1_000_000))
            }
        }
    };
    let kind = match form.get("kind") {
        "float" => RuleKind::Float(Level::ALL.to_vec()),
        "immutable" => RuleKind::Immutable,
        "keep" => RuleKind::Keep(Keep {
            newest: Some(form.get("newest"))
                .filter(|text| !text.is_empty())
                .map(str::parse)
                .transpose()
                .map_err(PageError::invalid)?,
            younger: days("younger")?,
            pulled: days("pulled")?,
        }),
        _ => return Err(PageError::NotFound),
    };
    let tags = match form.get("tags") {
        "" => "*",
        text => text,
    };
    registry
        .add_rule(
            &access,
            NewRule { pattern, tags: tags.parse().map_err(PageError::invalid)?, kind, wide: false },
        )
        .await?;
    call.see(&format!("/r/{name}/-/settings?done=saved"))
}

async fn remove_rule(call: Call<'_>, name: &RepositoryName) -> Done {
    let registry = &call.web.registry;
    let id = call.visit.form().get("id").parse().map_err(|_| PageError::NotFound)?;
    let catalog = registry.authorizer().search(call.caller)?;
    let rule = registry.rule(&catalog, id).await?;
    let access = registry.authorizer().owns(call.caller, &rule.pattern)?;
    registry.remove_rule(&access, &rule).await?;
    call.see(&format!("/r/{name}/-/settings?done=saved"))
}

/// What a rule says, for people.
fn told(l: &Layout, kind: &RuleKind) -> String {
    let days = |micros: i64| (micros / 1_000_000 / 86_400).to_string();
    match kind {
        RuleKind::Float(levels) => {
            let levels: Vec<_> = levels.iter().map(|level| level.as_str()).collect();
            format!("{} {}", l.t.rule_float, levels.join(", "))
        }
        RuleKind::Immutable => l.t.rule_immutable.to_owned(),
        RuleKind::Keep(keep) if keep.is_always() => l.t.rule_keep_all.to_owned(),
        RuleKind::Keep(keep) => {
            let parts = [
                keep.newest.map(|n| l.with(l.t.keep_newest, &n.to_string())),
                keep.younger.map(|age| l.with(l.t.keep_younger, &days(age))),
                keep.pulled.map(|age| l.with(l.t.keep_pulled, &days(age))),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    }
}
