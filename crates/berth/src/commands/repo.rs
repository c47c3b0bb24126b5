//! `berth repo …`: who may see a repository, and what is told about it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::{FolderArgs, Shown};
use crate::client::{Client, encoded};
use crate::failure::Failure;
use crate::output::{field, json as print, line};

/// What can be done with a repository.
#[derive(Subcommand)]
pub(crate) enum RepoCommand {
    /// Show what is set of a repository
    Show(ShowArgs),
    /// Set its visibility, description or README
    Set(SetArgs),
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
    }
}

fn path(name: &str) -> String {
    format!("repositories/{}", encoded(name))
}
