//! `berth retention …`: which tags are kept, and which end by themselves.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, ListArgs, Shown, seconds};
use crate::client::Client;
use crate::commands::rules::{self, RuleList};
use crate::commands::tag::inside;
use crate::target::Target;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, short, size, table, time};

/// What can be done with the rules that keep tags.
#[derive(Subcommand)]
pub(crate) enum RetentionCommand {
    /// Set a rule: of the tags that it is about, those that meet a condition are kept
    Add(AddArgs),
    /// List rules
    List(ListArgs),
    /// Take a rule back
    Remove(rules::RemoveArgs),
    /// What the rules would do in a repository now, with the reason for each tag
    Preview(NameArgs),
    /// Apply the rules to a repository now; the server does it every hour
    Run(NameArgs),
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// acme/app, acme/* (directly in it), acme/** (at any depth)
    pattern: String,
    /// The tags that it is about: words with * and commas, {version} for full versions
    #[arg(long, default_value = "*")]
    tags: String,
    /// Keep so many that were set last
    #[arg(long, value_name = "N")]
    newest: Option<u64>,
    /// Keep those that were set within this time
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    younger: Option<u32>,
    /// Keep those whose image was used within this time
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pulled: Option<u32>,
    /// Keep all of them
    #[arg(long, conflicts_with_all = ["newest", "younger", "pulled"])]
    #[arg(required_unless_present_any = ["newest", "younger", "pulled"])]
    always: bool,
    /// The pattern is meant to reach into every namespace
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct NameArgs {
    /// The repository
    name: String,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Runs a command.
pub(crate) fn run(command: &RetentionCommand) -> Result<(), Failure> {
    match command {
        RetentionCommand::Add(args) => {
            let document = json!({
                "kind": "keep",
                "pattern": args.pattern,
                "tags": args.tags,
                "newest": args.newest,
                "younger_seconds": args.younger,
                "pulled_seconds": args.pulled,
                "wide": args.wide,
            });
            rules::add(&document, &args.folder)
        }
        RetentionCommand::List(args) => rules::list(args, RuleList::Retention),
        RetentionCommand::Remove(args) => rules::remove(args),
        RetentionCommand::Preview(args) => preview(args),
        RetentionCommand::Run(args) => {
            let name = Target::read(&args.name).name;
            let done = Client::open(&args.folder, false)?.post(&inside(&name, "retention"), &json!({}))?;
            if args.shown.json {
                return print(&done);
            }
            line(&format!("{} tags of {name} ended; they can be restored", done["removed_count"]))
        }
    }
}

fn preview(args: &NameArgs) -> Result<(), Failure> {
    let name = Target::read(&args.name).name;
    let told = Client::open(&args.folder, false)?.get(&inside(&name, "retention"))?;
    if args.shown.json {
        return print(&told);
    }
    let row = |verdict: &'static str| {
        move |choice: &Value| {
            vec![
                verdict.to_owned(),
                field(choice, "tag"),
                short(choice, "digest"),
                time(choice, "since"),
                field(choice, "why"),
            ]
        }
    };
    let mut choices = rows(&told["removed"], row("ends"));
    choices.extend(rows(&told["kept"], row("stays")));
    table(&["", "TAG", "NAMES", "SINCE", "WHY"], &choices)?;
    let freed = size(told["removal"]["freed_bytes"].as_u64().unwrap_or_default());
    line(&format!(
        "{} tags would end and {} stay; {freed} would be free when the trash time is over",
        told["removed_count"], told["kept_count"]
    ))?;
    line("nothing was changed")
}
