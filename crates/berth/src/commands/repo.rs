//! `berth repo …`: who may see a repository, and what is told about it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::{FolderArgs, Shown, seconds};
use crate::client::{Client, encoded};
use crate::commands::copy::{self, CopyArgs};
use crate::commands::removal;
use crate::commands::tag::{self, TagCommand, inside};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line};

/// What can be done with a repository.
#[derive(Subcommand)]
pub(crate) enum RepoCommand {
    /// Show what is set of a repository
    Show(ShowArgs),
    /// Set its visibility, description or README
    Set(SetArgs),
    /// Give it another name; pulls by the old one can lead there for a time
    Rename(RenameArgs),
    /// Tags: their history, rollback, removal, and rules such as "latest follows versions"
    #[command(subcommand, arg_required_else_help = true)]
    Tag(TagCommand),
    /// Copy an image into another repository, without moving bytes
    Copy(CopyArgs),
    /// Delete it with all that is in it; it can be restored until its trash time is over
    Remove(RemoveArgs),
    /// Have a deleted one back
    Restore(RestoreArgs),
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The repository
    name: String,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Args)]
pub(crate) struct SetArgs {
    /// The repository
    name: String,
    /// Whether everybody may pull from it
    #[arg(long, value_name = "public|private")]
    visibility: Option<String>,
    /// One line about it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A page about it, in Markdown
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RenameArgs {
    /// The repository
    name: String,
    /// Its new name
    to: String,
    /// How long pulls by the old name lead to the new one [default: not at all]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    redirect: Option<u32>,
    /// Only say whether it could be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The repository
    name: String,
    /// Only say what would go, and how many bytes that would free
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The name that it had, or with --id the name that it shall have
    name: String,
    /// Its number, as `berth trash list` shows it, where several had the name
    #[arg(long)]
    id: Option<i64>,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs a command.
pub(crate) fn run(command: &RepoCommand) -> Result<(), Failure> {
    match command {
        RepoCommand::Show(args) => {
            let repository = Client::open(&args.folder, false)?.get(&path(&args.name))?;
            if args.shown.json {
                return print(&repository);
            }
            for name in ["name", "visibility", "description", "created_at"] {
                line(&format!("{name}: {}", field(&repository, name)))?;
            }
            match repository["readme"].as_str() {
                Some(readme) if !readme.is_empty() => line(&format!("\n{readme}")),
                _ => Ok(()),
            }
        }
        RepoCommand::Tag(command) => tag::run(command),
        RepoCommand::Copy(args) => copy::run(args),
        RepoCommand::Set(args) => {
            let unreadable = |path: &PathBuf, error: std::io::Error| {
                Failure::usage(format!("cannot read {}: {error}", path.display()))
            };
            let readme = match &args.readme {
                Some(path) => Some(std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?),
                None => None,
            };
            if args.visibility.is_none() && args.description.is_none() && readme.is_none() {
                return Err(
                    Failure::usage("nothing to set").hint("say --visibility, --description or --readme")
                );
            }
            let document =
                json!({ "visibility": args.visibility, "description": args.description, "readme": readme });
            let repository = Client::open(&args.folder, false)?.patch(&path(&args.name), &document)?;
            line(&format!("{} is {}", args.name, field(&repository, "visibility")))
        }
        RepoCommand::Rename(args) => rename(args),
        RepoCommand::Remove(args) => {
            let path = format!("{}{}", path(&args.name), removal::dry(args.dry_run));
            removal::tell(&Client::open(&args.folder, false)?.delete(&path)?, args.dry_run)
        }
        RepoCommand::Restore(args) => {
            let path = inside(&args.name, "restore");
            Client::open(&args.folder, false)?.post(&path, &json!({ "id": args.id }))?;
            line(&format!("{} is back", args.name))
        }
    }
}

fn rename(args: &RenameArgs) -> Result<(), Failure> {
    let document = json!({ "to": args.to, "redirect_seconds": args.redirect.unwrap_or(0) });
    let path = inside(&args.name, &format!("rename{}", removal::dry(args.dry_run)));
    Client::open(&args.folder, false)?.post(&path, &document)?;
    if args.dry_run {
        return line(&format!("{} could be called {}; nothing was changed", args.name, args.to));
    }
    line(&format!("{} is called {} now", args.name, args.to))?;
    match args.redirect {
        Some(_) => line(
            "pulls by the old name lead there until the time is over; pushes are refused with the new name",
        ),
        None => line("the old name is free"),
    }
}

fn path(name: &str) -> String {
    format!("repositories/{}", encoded(name))
}
