//! `berth why`: may somebody do something, and by what; or what is missing.

use clap::Args;

use crate::cli::{FolderArgs, Shown};
use crate::client::{Client, query};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line};

/// `berth why`
#[derive(Args)]
pub(crate) struct WhyArgs {
    /// A user, a robot, or anonymous
    subject: String,
    /// pull, push, delete or admin
    action: String,
    /// A repository; it need not exist
    repository: String,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Asks the same decision that requests ask. A no is an answer, not a failure.
pub(crate) fn run(args: &WhyArgs) -> Result<(), Failure> {
    let parameters = [
        ("subject", Some(args.subject.clone())),
        ("action", Some(args.action.clone())),
        ("repository", Some(args.repository.clone())),
    ];
    let verdict = Client::open(&args.folder, false)?.get(&format!("why{}", query(&parameters)))?;
    if args.shown.json {
        return print(&verdict);
    }
    let word = if verdict["allowed"] == true { "yes" } else { "no" };
    line(&format!(
        "{word}: {} and {} in {}: {}",
        args.subject,
        args.action,
        args.repository,
        field(&verdict, "reason")
    ))
}
