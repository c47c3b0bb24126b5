//! `berth team …`: people who own a namespace together.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, ListArgs};
use crate::client::{Client, encoded, query};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, table};

/// What can be done with teams.
#[derive(Subcommand)]
pub(crate) enum TeamCommand {
    /// Make a team; it owns NAME/… in the registry
    Add(NameArgs),
    /// List teams with their members
    List(ListArgs),
    /// Make a user a member, or change his role: read, write or admin
    Member(MemberArgs),
    /// End a membership
    Leave(LeaveArgs),
    /// Change what the team's new repositories are
    Set(SetArgs),
    /// Remove a team
    Remove(RemoveArgs),
}

#[derive(Args)]
pub(crate) struct NameArgs {
    /// The team
    name: String,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct MemberArgs {
    /// The team
    team: String,
    /// The user
    user: String,
    /// read: pull; write: pull and push; admin: everything, and say who is a member
    role: String,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct LeaveArgs {
    /// The team
    team: String,
    /// The user
    user: String,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct SetArgs {
    /// The team
    name: String,
    /// What repositories are that pushes into its namespace make
    #[arg(long, value_name = "public|private")]
    default_visibility: String,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The team
    name: String,
    /// Leave its repositories to administrators
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs a command.
pub(crate) fn run(command: &TeamCommand) -> Result<(), Failure> {
    match command {
        TeamCommand::Add(args) => {
            Client::open(&args.folder, false)?.post("teams", &json!({ "name": args.name }))?;
            line(&format!("{} was made; 'berth team member {0} USER ROLE' adds people", args.name))
        }
        TeamCommand::List(args) => list(args),
        TeamCommand::Member(args) => {
            let path = format!("teams/{}/members/{}", encoded(&args.team), encoded(&args.user));
            Client::open(&args.folder, false)?.put(&path, &json!({ "role": args.role }))?;
            line(&format!("{} has the role {} in {}", args.user, args.role, args.team))
        }
        TeamCommand::Leave(args) => {
            let path = format!("teams/{}/members/{}", encoded(&args.team), encoded(&args.user));
            Client::open(&args.folder, false)?.delete(&path)?;
            line(&format!("{} is no member of {} any more", args.user, args.team))
        }
        TeamCommand::Set(args) => {
            let document = json!({ "default_visibility": args.default_visibility });
            Client::open(&args.folder, false)?.patch(&format!("teams/{}", encoded(&args.name)), &document)?;
            line(&format!("{} is changed", args.name))
        }
        TeamCommand::Remove(args) => {
            let keep = query(&[("keep", args.keep.then(|| "true".to_owned()))]);
            Client::open(&args.folder, false)?.delete(&format!("teams/{}{keep}", encoded(&args.name)))?;
            line(&format!("{} is removed, with its robots and grants", args.name))
        }
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let teams = Client::open(&args.folder, false)?.list("teams", &[], "teams")?;
    if args.shown.json {
        return print(&teams);
    }
    let row = |team: &Value| {
        let member = |member: &Value| format!("{} ({})", field(member, "user"), field(member, "role"));
        let members: Vec<_> = team["members"].as_array().into_iter().flatten().map(member).collect();
        let members = if members.is_empty() { "-".to_owned() } else { members.join(", ") };
        vec![field(team, "name"), members, field(team, "default_visibility")]
    };
    table(&["NAME", "MEMBERS", "NEW REPOSITORIES"], &rows(&teams["teams"], row))
}
