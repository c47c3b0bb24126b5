//! `berth mirror …`: registries whose images are kept here once somebody asked for them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, ListArgs, Shown};
use crate::client::{Client, encoded, query};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, table};

mod client_config;
mod options;
mod pins;
mod rehearse;
mod status;

use client_config::ClientConfigArgs;
use options::OptionArgs;
use pins::PinArgs;
use rehearse::RehearseArgs;

/// What can be done with upstreams.
#[derive(Subcommand)]
pub(crate) enum MirrorCommand {
    /// Mirror a registry from now on
    Add(Box<SetArgs>),
    /// Change what is set of an upstream; what is not given stays
    Set(Box<SetArgs>),
    /// Mirror a registry no longer
    Remove(RemoveArgs),
    /// List upstreams with what is set of them
    List(ListArgs),
    /// How upstreams are: health, hits, bytes saved, room, pulls that are left, the last trouble
    Status(StatusArgs),
    /// Which images in use would fail if their upstream were away; exit code 1 if there are some
    Rehearse(RehearseArgs),
    /// Keep an image in the cache, whatever the room and however long nobody uses it
    Pin(PinArgs),
    /// Let a pinned image go when its time comes
    Unpin(PinArgs),
    /// List pinned images
    Pins(ListArgs),
    /// Print the lines by which clients ask this server for images of other registries
    ClientConfig(ClientConfigArgs),
}

#[derive(Args)]
pub(crate) struct SetArgs {
    /// The upstream: the first part of the names of its images here, such as quay.io
    name: String,
    #[command(flatten)]
    options: OptionArgs,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The upstream
    name: String,
    /// Delete its images here as well; without it they stay, and can be pulled by their names
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// One upstream, with all its servers
    name: Option<String>,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Runs a command.
pub(crate) fn run(command: &MirrorCommand) -> Result<(), Failure> {
    match command {
        MirrorCommand::Add(args) => add(args),
        MirrorCommand::Set(args) => set(args),
        MirrorCommand::Remove(args) => remove(args),
        MirrorCommand::List(args) => list(args),
        MirrorCommand::Status(args) => {
            status::run(&Client::open(&args.folder, false)?, args.name.as_deref(), &args.shown)
        }
        MirrorCommand::Rehearse(args) => rehearse::run(args),
        MirrorCommand::Pin(args) => pins::set(args, true),
        MirrorCommand::Unpin(args) => pins::set(args, false),
        MirrorCommand::Pins(args) => pins::list(args),
        MirrorCommand::ClientConfig(args) => client_config::run(args),
    }
}

fn path(name: &str) -> String {
    format!("mirrors/{}", encoded(name))
}

/// All upstreams, as they are.
fn mirrors(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut found = client.list("mirrors", &[], "mirrors")?;
    Ok(found["mirrors"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

fn add(args: &SetArgs) -> Result<(), Failure> {
    let document = args.options.document()?;
    let client = Client::open(&args.folder, true)?;
    let is_there = |mirror: &Value| mirror["name"] == *args.name && mirror["settings"]["configured"] == false;
    if mirrors(&client)?.iter().any(is_there) {
        return Err(Failure::usage(format!("{} is mirrored already", args.name))
            .hint(format!("berth mirror set {} changes what is set of it", args.name)));
    }
    let mirror = client.put(&path(&args.name), &document)?;
    if args.shown.json {
        return print(&mirror);
    }
    line(&format!("{} is mirrored from {}", args.name, field(&mirror, "url")))?;
    line("berth mirror client-config docker|containerd|podman|k3s|buildkit prints what clients need")
}

fn set(args: &SetArgs) -> Result<(), Failure> {
    let document = args.options.document()?;
    if document.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err(Failure::usage("nothing to change").hint("berth mirror set --help lists what can be set"));
    }
    let mirror = Client::open(&args.folder, false)?.patch(&path(&args.name), &document)?;
    if args.shown.json {
        return print(&mirror);
    }
    line(&format!("{} is changed", args.name))
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let client = Client::open(&args.folder, false)?;
    let purge = query(&[("purge", args.purge.then(|| "true".to_owned()))]);
    let removed = client.delete(&format!("{}{purge}", path(&args.name)))?;
    if mirrors(&client)?.iter().any(|mirror| mirror["name"] == *args.name) {
        return line(&format!(
            "what was set of {} is forgotten; the configuration mirrors it still",
            args.name
        ));
    }
    if args.purge {
        return line(&format!(
            "{} is mirrored no longer; {} of its repositories are deleted",
            args.name, removed["repositories"]
        ));
    }
    line(&format!("{} is mirrored no longer; its images stay (--purge deletes them)", args.name))
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let mirrors = mirrors(&Client::open(&args.folder, false)?)?;
    let settings: Value = mirrors.iter().map(|mirror| mirror["settings"].clone()).collect();
    if args.shown.json {
        return print(&json!({ "mirrors": settings }));
    }
    let row = |mirror: &Value| {
        vec![
            field(mirror, "name"),
            field(mirror, "url"),
            field(mirror, "user"),
            field(mirror, "visibility"),
            options::span(&mirror["fresh_seconds"]),
            options::span(&mirror["max_age_seconds"]),
            options::bytes(&mirror["max_bytes"]),
            if mirror["configured"] == true { "configuration" } else { "mirror add" }.to_owned(),
        ]
    };
    let headings = ["MIRROR", "FROM", "AS", "FOR", "FRESH", "UNUSED FOR", "AT MOST", "SET BY"];
    table(&headings, &rows(&settings, row))
}
