//! `berth audit`: who did what, to what, from where.

use clap::Args;
use serde_json::Value;

use crate::cli::{FolderArgs, Shown};
use crate::client::{Client, query};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, rows, table};

/// `berth audit`
#[derive(Args)]
pub(crate) struct AuditArgs {
    /// Only what this account did
    #[arg(long)]
    actor: Option<String>,
    /// Only this: manifest.push, tag.delete, …, or all of a noun: user, login, token
    #[arg(long)]
    action: Option<String>,
    /// Only in this repository
    #[arg(long)]
    repository: Option<String>,
    /// Not before this time or day (UTC), for example 2026-11-25T10:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time or day (UTC)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Rows at most, the newest
    #[arg(long, default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Prints what matches, the newest first.
pub(crate) fn run(args: &AuditArgs) -> Result<(), Failure> {
    let parameters = [
        ("actor", args.actor.clone()),
        ("action", args.action.clone()),
        ("repository", args.repository.clone()),
        ("since", args.since.clone()),
        ("until", args.until.clone()),
        ("limit", Some(args.limit.to_string())),
    ];
    let found = Client::open(&args.folder, false)?.get(&format!("audit{}", query(&parameters)))?;
    if args.shown.json {
        return print(&found);
    }
    let row = |entry: &Value| {
        ["at", "actor", "address", "action", "repository", "target", "detail"]
            .map(|name| field(entry, name))
            .to_vec()
    };
    let headings = ["TIME", "WHO", "FROM", "WHAT", "REPOSITORY", "TO", "DETAIL"];
    table(&headings, &rows(&found["entries"], row))
}
