//! Rules about tags, as `berth repo tag rules` and `berth retention` show them.

use clap::Args;
use serde_json::Value;

use crate::cli::{FolderArgs, ListArgs};
use crate::client::Client;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, table};

/// Which rules a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleList {
    /// Those by which tags move or never change.
    Tags,
    /// Those that say which tags are kept.
    Retention,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// Its number, as the list shows it
    id: i64,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Sets a rule.
pub(crate) fn add(document: &Value, folder: &FolderArgs) -> Result<(), Failure> {
    let pattern = document["pattern"].as_str().unwrap_or_default();
    let is_wide = pattern.split('/').next().is_some_and(|first| first.contains('*'));
    let rule = Client::open(folder, false)?.post("rules", document).map_err(|failure| {
        let lacks_word = is_wide && document["wide"] != true;
        if lacks_word {
            failure.hint("a pattern that reaches into every namespace needs --wide")
        } else {
            failure
        }
    })?;
    line(&format!("rule {} for {}: {}", rule["id"], field(&rule, "pattern"), words(&rule)))
}

/// Takes a rule back.
pub(crate) fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    Client::open(&args.folder, false)?.delete(&format!("rules/{}", args.id))?;
    line(&format!("rule {} is taken back", args.id))
}

/// Lists rules.
pub(crate) fn list(args: &ListArgs, which: RuleList) -> Result<(), Failure> {
    let mut found = Client::open(&args.folder, false)?.list("rules", &[], "rules")?;
    let is_wanted = |rule: &Value| (rule["kind"] == "keep") == (which == RuleList::Retention);
    if let Some(rules) = found["rules"].as_array_mut() {
        rules.retain(is_wanted);
    }
    if args.shown.json {
        return print(&found);
    }
    let row =
        |rule: &Value| vec![field(rule, "id"), field(rule, "pattern"), words(rule), field(rule, "made_by")];
    table(&["ID", "REPOSITORIES", "RULE", "BY"], &rows(&found["rules"], row))
}

/// A rule in words.
fn words(rule: &Value) -> String {
    let tags = field(rule, "tags");
    match rule["kind"].as_str() {
        Some("float") => format!("{} follow versions", field(rule, "levels")),
        Some("immutable") => format!("{tags} never change"),
        _ => {
            let newest = rule["newest"].as_u64().map(|n| format!("the newest {n}"));
            let younger = rule["younger_seconds"].as_u64().map(|s| format!("set within {}", span(s)));
            let pulled = rule["pulled_seconds"].as_u64().map(|s| format!("used within {}", span(s)));
            let kept: Vec<_> = [newest, younger, pulled].into_iter().flatten().collect();
            if kept.is_empty() {
                format!("keep all of {tags}")
            } else {
                format!("of {tags} keep {}", kept.join(", "))
            }
        }
    }
}

/// Seconds in the largest unit that fits.
pub(crate) fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let fits = units.iter().find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    fits.map_or_else(|| format!("{seconds}s"), |(length, unit)| format!("{}{unit}", seconds / length))
}
