//! `berth trash …` and `berth clean`: what can be restored, and what is freed.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, Shown};
use crate::client::Client;
use crate::commands::removal;
use crate::commands::tag::inside;
use crate::target::Target;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, size, table, time};

/// What can be done with what was deleted.
#[derive(Subcommand)]
pub(crate) enum TrashCommand {
    /// List deleted repositories, or the deleted images of one
    List(ListTrashArgs),
    /// Free what is deleted in a repository, without waiting
    Empty(EmptyArgs),
}

#[derive(Args)]
pub(crate) struct ListTrashArgs {
    /// The repository whose images are listed
    name: Option<String>,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Args)]
pub(crate) struct EmptyArgs {
    /// The repository, or the name that a deleted one had
    name: String,
    /// Only say what would go, and how many bytes that would free
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// `berth clean`
#[derive(Args)]
pub(crate) struct CleanArgs {
    /// Only say what was cleaned, and what is waiting
    #[arg(long)]
    status: bool,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Runs `berth trash …`.
pub(crate) fn run(command: &TrashCommand) -> Result<(), Failure> {
    match command {
        TrashCommand::List(args) => match &args.name {
            Some(name) => images(args, &Target::read(name).name),
            None => repositories(args),
        },
        TrashCommand::Empty(args) => {
            let name = Target::read(&args.name).name;
            let path = inside(&name, &format!("trash{}", removal::dry(args.dry_run)));
            let done = Client::open(&args.folder, false)?.delete(&path)?;
            removal::tell_for_good(&done, args.dry_run)
        }
    }
}

fn repositories(args: &ListTrashArgs) -> Result<(), Failure> {
    let found = Client::open(&args.folder, false)?.list("trash", &[], "repositories")?;
    if args.shown.json {
        return print(&found);
    }
    let row = |repository: &Value| {
        vec![
            field(repository, "name"),
            field(repository, "id"),
            time(repository, "deleted_at"),
            field(repository, "deleted_by"),
            time(repository, "until"),
            size(repository["own_bytes"].as_u64().unwrap_or_default()),
        ]
    };
    let headings = ["REPOSITORY", "ID", "DELETED", "BY", "RESTORABLE UNTIL", "WILL FREE"];
    table(&headings, &rows(&found["repositories"], row))
}

fn images(args: &ListTrashArgs, name: &str) -> Result<(), Failure> {
    let found = Client::open(&args.folder, false)?.list(&inside(name, "trash"), &[], "manifests")?;
    if args.shown.json {
        return print(&found);
    }
    let row = |image: &Value| {
        let why = match image["deleted_by"].as_str() {
            Some(by) => format!("deleted by {by}"),
            None => "no tag any more".to_owned(),
        };
        vec![field(image, "digest"), time(image, "since"), why, time(image, "until"), field(image, "tags")]
    };
    table(&["IMAGE", "SINCE", "WHY", "RESTORABLE UNTIL", "WAS TAGGED"], &rows(&found["manifests"], row))
}

/// Runs `berth clean`.
pub(crate) fn clean(args: &CleanArgs) -> Result<(), Failure> {
    let client = Client::open(&args.folder, false)?;
    let bytes = |document: &Value| size(document["bytes"].as_u64().unwrap_or_default());
    if args.status {
        let state = client.get("cleaning")?;
        if args.shown.json {
            return print(&state);
        }
        let (waiting, freed) = (&state["waiting"], &state["last_30_days"]);
        line(&format!(
            "waiting: {} images in the trash, {} layers without an image, {} files to remove",
            waiting["manifests"], waiting["blobs"], waiting["files"]
        ))?;
        return line(&format!(
            "freed on the last 30 days: {} images, {} layers, {}",
            freed["manifests"],
            freed["blobs"],
            bytes(freed)
        ));
    }
    let done = client.post("cleaning", &json!({}))?;
    if args.shown.json {
        return print(&done);
    }
    line(&format!("freed {} images, {} layers, {}", done["manifests"], done["blobs"], bytes(&done)))
}
