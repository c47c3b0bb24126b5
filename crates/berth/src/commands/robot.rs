//! `berth robot …`: accounts of machines.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, ListArgs};
use crate::client::{Client, encoded};
use berth_cli::failure::Failure;
use berth_cli::output::{json as print, line, rows, table};

/// What can be done with robots.
#[derive(Subcommand)]
pub(crate) enum RobotCommand {
    /// Make a robot, OWNER.NAME; it may do nothing until something is granted to it
    Add(NameArgs),
    /// List robots
    List(ListArgs),
    /// Remove a robot with its tokens and grants
    Remove(NameArgs),
}

#[derive(Args)]
pub(crate) struct NameArgs {
    /// OWNER.NAME, where OWNER is a user or a team
    name: String,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs a command.
pub(crate) fn run(command: &RobotCommand) -> Result<(), Failure> {
    match command {
        RobotCommand::Add(args) => {
            Client::open(&args.folder, false)?.post("robots", &json!({ "name": args.name }))?;
            line(&format!("{} was made; next, for example:", args.name))?;
            let owner = args.name.split('.').next().unwrap_or_default();
            line(&format!("  berth grant add {} '{owner}/**' pull,push", args.name))?;
            line(&format!("  berth token add ci --account {} --actions pull,push", args.name))
        }
        RobotCommand::List(args) => {
            let robots = Client::open(&args.folder, false)?.list("robots", &[], "robots")?;
            if args.shown.json {
                return print(&robots);
            }
            let row = |name: &Value| vec![name.as_str().unwrap_or_default().to_owned()];
            table(&["NAME"], &rows(&robots["robots"], row))
        }
        RobotCommand::Remove(args) => {
            Client::open(&args.folder, false)?.delete(&format!("robots/{}", encoded(&args.name)))?;
            line(&format!("{} is removed", args.name))
        }
    }
}
