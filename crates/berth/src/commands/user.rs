//! `berth user …`: the people.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::cli::{FolderArgs, ListArgs, Shown};
use crate::client::{Client, encoded, query};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, table, time};

/// What can be done with users.
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; the first one must be an administrator
    Add(AddArgs),
    /// List users
    List(ListArgs),
    /// Let a user do nothing for the time being
    Disable(NameArgs),
    /// Let a disabled user in again
    Enable(NameArgs),
    /// Give a user a new password, or a link to choose one
    Passwd(PasswdArgs),
    /// Change what a user may do, or what his new repositories are
    Set(SetArgs),
    /// Remove a user
    Remove(RemoveArgs),
    /// Add the users of an htpasswd file (bcrypt); their passwords go on working
    ImportHtpasswd(ImportArgs),
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// 2 to 64 of a-z and 0-9, with single - or _ between them; owns NAME/… in the registry
    name: String,
    /// May do everything, everywhere
    #[arg(long)]
    admin: bool,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Where a password comes from. It is never an argument: other users of a machine see those.
#[derive(Args)]
struct PasswordArgs {
    /// Read the password from standard input
    #[arg(long, conflicts_with = "link")]
    password_stdin: bool,
    /// Print a one-time link by which the user chooses the password (the default without a terminal)
    #[arg(long)]
    link: bool,
}

#[derive(Args)]
pub(crate) struct NameArgs {
    /// The user
    name: String,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct PasswdArgs {
    /// The user
    name: String,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct SetArgs {
    /// The user
    name: String,
    /// Whether he may do everything, everywhere
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    admin: Option<bool>,
    /// What repositories are that his pushes make
    #[arg(long, value_name = "public|private")]
    default_visibility: Option<String>,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The user
    name: String,
    /// Leave his repositories to administrators
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The file, as `htpasswd -B` writes it
    file: PathBuf,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs a command.
pub(crate) fn run(command: &UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add(args) => add(args),
        UserCommand::List(args) => list(args),
        UserCommand::Disable(args) => disable(args, true),
        UserCommand::Enable(args) => disable(args, false),
        UserCommand::Passwd(args) => passwd(args),
        UserCommand::Set(args) => set(args),
        UserCommand::Remove(args) => remove(args),
        UserCommand::ImportHtpasswd(args) => import(args),
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let password = args.password.read()?;
    let client = Client::open(&args.folder, true)?;
    let document = json!({ "name": args.name, "admin": args.admin, "password": password });
    let user = client.post("users", &document)?;
    if args.shown.json {
        return print(&user);
    }
    line(&format!("{} was added", args.name))?;
    if let Some(first) = user["repositories"][0].as_str() {
        line(&format!("{}/… has repositories already, for example {first}; they are now {0}'s", args.name))?;
    }
    tell_link(&client, &user["link"])
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let users = Client::open(&args.folder, false)?.list("users", &[], "users")?;
    if args.shown.json {
        return print(&users);
    }
    let row = |user: &Value| {
        let state = if user["disabled"] == true { "disabled" } else { "enabled" };
        let what = if user["admin"] == true { "administrator" } else { "user" };
        let password = if user["has_password"] == true { "yes" } else { "not yet" };
        vec![
            field(user, "name"),
            what.to_owned(),
            state.to_owned(),
            password.to_owned(),
            field(user, "default_visibility"),
            time(user, "created_at"),
        ]
    };
    table(&["NAME", "KIND", "STATE", "PASSWORD", "NEW REPOSITORIES", "SINCE"], &rows(&users["users"], row))
}

fn disable(args: &NameArgs, disabled: bool) -> Result<(), Failure> {
    let client = Client::open(&args.folder, false)?;
    client.patch(&format!("users/{}", encoded(&args.name)), &json!({ "disabled": disabled }))?;
    line(&format!("{} is {}", args.name, if disabled { "disabled" } else { "enabled" }))
}

fn passwd(args: &PasswdArgs) -> Result<(), Failure> {
    let password = args.password.read()?;
    let client = Client::open(&args.folder, false)?;
    let path = format!("users/{}", encoded(&args.name));
    match password {
        Some(password) => {
            client.patch(&path, &json!({ "password": password }))?;
            line(&format!(
                "the password of {} is changed; what was handed out for the old one has ended",
                args.name
            ))
        }
        None => {
            let link = client.post(&format!("{path}/link"), &json!({}))?;
            tell_link(&client, &link)
        }
    }
}

fn set(args: &SetArgs) -> Result<(), Failure> {
    if args.admin.is_none() && args.default_visibility.is_none() {
        return Err(
            Failure::usage("nothing to change").hint("say --admin, --admin=false or --default-visibility")
        );
    }
    let client = Client::open(&args.folder, false)?;
    let document = json!({ "admin": args.admin, "default_visibility": args.default_visibility });
    client.patch(&format!("users/{}", encoded(&args.name)), &document)?;
    line(&format!("{} is changed", args.name))
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let client = Client::open(&args.folder, false)?;
    let keep = query(&[("keep", args.keep.then(|| "true".to_owned()))]);
    client.delete(&format!("users/{}{keep}", encoded(&args.name)))?;
    line(&format!("{} is removed, with tokens, robots and grants", args.name))
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    let text = std::fs::read(&args.file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.file.display())))?;
    let client = Client::open(&args.folder, false)?;
    let imported = client.send(Method::POST, "users/import-htpasswd", text.into())?;
    for name in imported["added"].as_array().into_iter().flatten() {
        line(&format!("{} was added", name.as_str().unwrap_or_default()))?;
    }
    let refused = imported["refused"].as_array().map_or(&[][..], Vec::as_slice);
    for entry in refused {
        let (number, reason) = (field(entry, "line"), field(entry, "reason"));
        line(&format!("{}:{number}: {reason}", args.file.display()))?;
    }
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Failure::other(format!("{} lines were not taken", refused.len())))
    }
}

impl PasswordArgs {
    /// The password; `None` if the user is to choose it by a link.
    fn read(&self) -> Result<Option<String>, Failure> {
        if self.password_stdin {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            let end = text.trim_end_matches(['\r', '\n']).len();
            text.truncate(end);
            return Ok(Some(text));
        }
        if self.link || !io::stdin().is_terminal() {
            return Ok(None);
        }
        let password = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("The same again: ")? != password {
            return Err(Failure::usage("the two passwords are not the same"));
        }
        Ok(Some(password))
    }
}

/// A link works on the server that uses the folder, under whatever address people reach it.
fn tell_link(client: &Client, link: &Value) -> Result<(), Failure> {
    let Some(path) = link["path"].as_str() else { return Ok(()) };
    let until = time(link, "expires_at");
    line(&format!("To choose the password, once, until {until} UTC, open on the server's address:"))?;
    line(&format!("  {path}"))?;
    if !client.is_server() {
        line("No server runs on this folder at the moment; start it first: berth serve")?;
    }
    Ok(())
}
