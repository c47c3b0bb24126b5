//! `berth repo tag …`: tags, their past, and the rules about them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, ListArgs, Shown};
use crate::client::{Client, encoded, query};
use crate::commands::removal;
use crate::commands::rules::{self, RuleList};
use crate::target::{At, Target};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, short, table, time};

/// What can be done with tags.
#[derive(Subcommand)]
pub(crate) enum TagCommand {
    /// List the tags of a repository
    List(ListTagsArgs),
    /// What a tag names, or named: acme/app:latest@2026-08-01
    Show(ShowArgs),
    /// What tags named, since when, until when, by whom
    History(HistoryArgs),
    /// Remove a tag, or an image with all its tags by its digest
    Remove(RemoveArgs),
    /// Let a tag name again what it named before
    Rollback(RollbackArgs),
    /// Have a removed tag or image back
    Restore(RestoreArgs),
    /// Tags that follow versions, and tags that never change
    #[command(subcommand, arg_required_else_help = true, after_help = RULE_EXAMPLES)]
    Rules(RulesCommand),
}

const RULE_EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth repo tag rules add 'acme/*' --float                  pushing 1.9.2 moves 1.9, 1 and latest
  berth repo tag rules add acme/app --float minor,major      but not latest
  berth repo tag rules add 'acme/*' --immutable '{version}'  1.9.2 is pushed once, and stays
  berth repo tag rules preview acme/app 1.9.2                what a push would move";

/// What can be done with rules about tags.
#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// Set a rule
    Add(AddRuleArgs),
    /// List rules
    List(ListArgs),
    /// Take a rule back
    Remove(rules::RemoveArgs),
    /// What the push of a tag would move
    Preview(PreviewArgs),
}

#[derive(Args)]
pub(crate) struct ListTagsArgs {
    /// The repository
    name: String,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// NAME:TAG, or NAME:TAG@TIME for what it named then (2026-08-01, 2026-08-01T10:00:00Z)
    image: String,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Args)]
pub(crate) struct HistoryArgs {
    /// NAME:TAG, or NAME for all its tags
    image: String,
    /// Rows at most, the newest
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// NAME:TAG for the tag alone, NAME@DIGEST for an image with all its tags
    image: String,
    /// Only say what would go, and how many bytes that would free
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RollbackArgs {
    /// NAME:TAG
    image: String,
    /// A digest, or a time; without it, what the tag named before
    #[arg(long, value_name = "DIGEST|TIME")]
    to: Option<String>,
    /// Only say what it would name
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// NAME:TAG, or NAME@DIGEST with the tags that it had
    image: String,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct AddRuleArgs {
    /// acme/app, acme/* (directly in it), acme/** (at any depth)
    pattern: String,
    /// Tags that follow versions: minor (1.9), major (1), latest [default: all three]
    #[arg(long, value_name = "LEVELS", num_args = 0..=1, default_missing_value = "minor,major,latest")]
    #[arg(value_delimiter = ',', conflicts_with = "immutable", required_unless_present = "immutable")]
    float: Option<Vec<String>>,
    /// Tags that never change: words with * and commas, {version} for full versions
    #[arg(long, value_name = "TAGS")]
    immutable: Option<String>,
    /// The pattern is meant to reach into every namespace
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct PreviewArgs {
    /// The repository
    name: String,
    /// The tag that would be pushed
    tag: String,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs a command.
pub(crate) fn run(command: &TagCommand) -> Result<(), Failure> {
    match command {
        TagCommand::List(args) => list(args),
        TagCommand::Show(args) => show(args),
        TagCommand::History(args) => history(args),
        TagCommand::Remove(args) => remove(args),
        TagCommand::Rollback(args) => {
            let target = Target::read(&args.image);
            roll_back(&target, args.to.as_deref(), args.dry_run, &args.folder)
        }
        TagCommand::Restore(args) => restore(args),
        TagCommand::Rules(RulesCommand::Add(args)) => add_rule(args),
        TagCommand::Rules(RulesCommand::List(args)) => rules::list(args, RuleList::Tags),
        TagCommand::Rules(RulesCommand::Remove(args)) => rules::remove(args),
        TagCommand::Rules(RulesCommand::Preview(args)) => preview(args),
    }
}

/// What belongs to a repository, in the API.
pub(crate) fn inside(name: &str, rest: &str) -> String {
    format!("repositories/{}/-/{rest}", encoded(name))
}

fn list(args: &ListTagsArgs) -> Result<(), Failure> {
    let (client, target) = (Client::open(&args.folder, false)?, Target::read(&args.name));
    let found = client.list(&inside(&target.name, "tags"), &[], "tags")?;
    if args.shown.json {
        return print(&found["tags"]);
    }
    found["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).try_for_each(line)
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let target = Target::read(&args.image);
    let tag = encoded(target.tag()?);
    let at = query(&[("at", target.time().map(str::to_owned))]);
    let shown = Client::open(&args.folder, false)?.get(&inside(&target.name, &format!("tags/{tag}{at}")))?;
    if args.shown.json {
        return print(&shown);
    }
    for name in ["digest", "since", "by", "why", "until", "ended_by", "ended_why", "there"] {
        if !shown[name].is_null() {
            line(&format!("{name}: {}", field(&shown, name)))?;
        }
    }
    Ok(())
}

fn history(args: &HistoryArgs) -> Result<(), Failure> {
    let target = Target::read(&args.image);
    let limit = query(&[("limit", Some(args.limit.to_string()))]);
    let path = match &target.tag {
        Some(tag) => format!("tags/{}/history{limit}", encoded(tag)),
        None => format!("history{limit}"),
    };
    let found = Client::open(&args.folder, false)?.get(&inside(&target.name, &path))?;
    if args.shown.json {
        return print(&found);
    }
    let row = |past: &Value| {
        let why = if past["ended_why"].is_null() { "why" } else { "ended_why" };
        vec![
            field(past, "tag"),
            short(past, "digest"),
            time(past, "since"),
            field(past, "by"),
            if past["until"].is_null() { "now".to_owned() } else { time(past, "until") },
            field(past, "ended_by"),
            field(past, "there"),
            field(past, why),
        ]
    };
    let headings = ["TAG", "NAMED", "SINCE", "BY", "UNTIL", "ENDED BY", "THERE", "WHY"];
    table(&headings, &rows(&found["history"], row))
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let target = Target::read(&args.image);
    let path = match &target.at {
        Some(At::Digest(digest)) => format!("manifests/{}", encoded(digest)),
        _ => format!("tags/{}", encoded(target.tag()?)),
    };
    let path = format!("{path}{}", removal::dry(args.dry_run));
    let removal = Client::open(&args.folder, false)?.delete(&inside(&target.name, &path))?;
    removal::tell(&removal, args.dry_run)
}

fn roll_back(target: &Target, to: Option<&str>, dry_run: bool, folder: &FolderArgs) -> Result<(), Failure> {
    let tag = target.tag()?;
    let document = match to {
        Some(digest) if digest.contains(':') && !digest.contains('T') => json!({ "digest": digest }),
        Some(time) => json!({ "at": time }),
        None => json!({}),
    };
    let path = format!("tags/{}/rollback{}", encoded(tag), removal::dry(dry_run));
    let done = Client::open(folder, false)?.post(&inside(&target.name, &path), &document)?;
    let (name, digest) = (&target.name, field(&done, "digest"));
    if done["moved"] != true {
        return line(&format!("{name}:{tag} names {digest} already"));
    }
    let verb = if dry_run { "would name" } else { "names" };
    line(&format!("{name}:{tag} {verb} {digest} (before: {})", field(&done, "from")))
}

fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let target = Target::read(&args.image);
    let Some(At::Digest(digest)) = &target.at else {
        return roll_back(&target, None, false, &args.folder);
    };
    let path = format!("manifests/{}/restore", encoded(digest));
    let done = Client::open(&args.folder, false)?.post(&inside(&target.name, &path), &json!({}))?;
    line(&format!("{}@{digest} is back, with the tags {}", target.name, field(&done, "tags")))
}

fn add_rule(args: &AddRuleArgs) -> Result<(), Failure> {
    let document = match (&args.float, &args.immutable) {
        (Some(levels), _) => {
            json!({ "kind": "float", "pattern": args.pattern, "levels": levels, "wide": args.wide })
        }
        (None, tags) => {
            json!({ "kind": "immutable", "pattern": args.pattern, "tags": tags, "wide": args.wide })
        }
    };
    rules::add(&document, &args.folder)
}

fn preview(args: &PreviewArgs) -> Result<(), Failure> {
    let path = inside(&Target::read(&args.name).name, &format!("tags/{}/floating", encoded(&args.tag)));
    let told = Client::open(&args.folder, false)?.get(&path)?;
    match told["moves"].as_array().map(Vec::len) {
        Some(0) | None => line(&format!("a push of {} moves no other tag", args.tag)),
        Some(_) => {
            let moves = field(&told, "moves").replace(',', ", ");
            line(&format!("a push of {} also moves {moves}", args.tag))
        }
    }
}
