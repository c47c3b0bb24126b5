//! `berth token …`: access tokens.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, Shown, seconds};
use crate::client::Client;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, table, time};

/// What can be done with access tokens.
#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; its secret is printed this once
    Add(AddArgs),
    /// List tokens, with their last use
    List(ListArgs),
    /// Revoke a token, at once
    Revoke(RevokeArgs),
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// What it is called
    name: String,
    /// Whose it is: a user, or a robot OWNER.NAME
    #[arg(long)]
    account: String,
    /// What it may do at most: pull, push, delete, admin, or *
    #[arg(long, value_delimiter = ',', required = true)]
    actions: Vec<String>,
    /// Only in repositories of this pattern, for example acme/app or acme/**; may be given several times
    #[arg(long, value_name = "PATTERN")]
    repository: Vec<String>,
    /// How long it lives, for example 90d
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    expires: Option<u32>,
    /// Only from this network or address; may be given several times
    #[arg(long, value_name = "NETWORK")]
    source: Vec<String>,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only those of this user or robot
    #[arg(long)]
    account: Option<String>,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Args)]
pub(crate) struct RevokeArgs {
    /// Its number, as `berth token list` shows it
    id: i64,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs a command.
pub(crate) fn run(command: &TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Add(args) => add(args),
        TokenCommand::List(args) => list(args),
        TokenCommand::Revoke(args) => {
            Client::open(&args.folder, false)?.delete(&format!("tokens/{}", args.id))?;
            line(&format!("token {} is revoked", args.id))
        }
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let token = Client::open(&args.folder, false)?.post(
        "tokens",
        &json!({
            "name": args.name,
            "account": args.account,
            "actions": args.actions,
            "patterns": args.repository,
            "expires_in": args.expires,
            "sources": args.source,
        }),
    )?;
    if args.shown.json {
        return print(&token);
    }
    line(&field(&token, "secret"))?;
    // On standard error, so that the secret alone can be piped.
    eprintln!(
        "token {} of {}; the secret is not shown again. Any user name is accepted with it.",
        token["id"], args.account
    );
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let account = [("account", args.account.clone())];
    let tokens = Client::open(&args.folder, false)?.list("tokens", &account, "tokens")?;
    if args.shown.json {
        return print(&tokens);
    }
    let row = |token: &Value| {
        let name = if token["kind"] == "login" {
            format!("({})", field(token, "name"))
        } else {
            field(token, "name")
        };
        vec![
            field(token, "id"),
            field(token, "account"),
            name,
            field(token, "actions"),
            field(token, "patterns"),
            time(token, "expires_at"),
            time(token, "last_used_at"),
            field(token, "last_used_from"),
        ]
    };
    let headings = ["ID", "ACCOUNT", "NAME", "ACTIONS", "REPOSITORIES", "ENDS", "LAST USED", "FROM"];
    table(&headings, &rows(&tokens["tokens"], row))
}
