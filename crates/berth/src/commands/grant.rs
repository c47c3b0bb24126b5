//! `berth grant …`: who may do what where.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, ListArgs};
use crate::client::Client;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, table};

/// What can be done with grants.
#[derive(Subcommand)]
pub(crate) enum GrantCommand {
    /// Grant actions on repositories
    Add(AddArgs),
    /// List grants
    List(ListArgs),
    /// Take a grant back
    Remove(RemoveArgs),
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// A user, a team, a robot, or everyone
    subject: String,
    /// acme/app, acme/* (directly in it), acme/** (at any depth)
    pattern: String,
    /// pull, push, delete, admin with commas between them, or *
    #[arg(value_delimiter = ',')]
    actions: Vec<String>,
    /// The pattern is meant to reach into every namespace
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// Its number, as `berth grant list` shows it
    id: i64,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs a command.
pub(crate) fn run(command: &GrantCommand) -> Result<(), Failure> {
    match command {
        GrantCommand::Add(args) => {
            let document = json!({
                "subject": args.subject,
                "pattern": args.pattern,
                "actions": args.actions,
                "wide": args.wide,
            });
            let grant = Client::open(&args.folder, false)?.post("grants", &document).map_err(|failure| {
                if args.wide { failure } else { failure.hint("a pattern such as '**' needs --wide") }
            })?;
            line(&format!(
                "grant {}: {} may {} in {}",
                grant["id"],
                args.subject,
                field(&grant, "actions"),
                args.pattern
            ))
        }
        GrantCommand::List(args) => {
            let grants = Client::open(&args.folder, false)?.list("grants", &[], "grants")?;
            if args.shown.json {
                return print(&grants);
            }
            let row = |grant: &Value| {
                ["id", "subject", "pattern", "actions", "created_by"].map(|name| field(grant, name)).to_vec()
            };
            table(&["ID", "SUBJECT", "REPOSITORIES", "ACTIONS", "BY"], &rows(&grants["grants"], row))
        }
        GrantCommand::Remove(args) => {
            Client::open(&args.folder, false)?.delete(&format!("grants/{}", args.id))?;
            line(&format!("grant {} is taken back", args.id))
        }
    }
}
