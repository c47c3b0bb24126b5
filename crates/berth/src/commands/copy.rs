//! `berth repo copy` and `berth promote`: images from one repository of this server into another, without moving bytes.

use clap::Args;
use serde_json::json;

use crate::cli::{FolderArgs, Shown};
use crate::client::Client;
use crate::commands::removal::dry;
use crate::target::Target;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line};

/// `berth repo copy` and `berth promote`
#[derive(Args)]
pub(crate) struct CopyArgs {
    /// The image: NAME:TAG or NAME@DIGEST
    from: String,
    /// Where it shall be: NAME for the same tag, or NAME:TAG
    to: String,
    /// Leave signatures, SBOMs and other referrers behind
    #[arg(long)]
    no_referrers: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// `berth promote`
#[derive(Args)]
pub(crate) struct PromoteArgs {
    /// The image: NAME:TAG
    from: String,
    /// The repository that it is promoted to; it keeps its tag, its signatures and its SBOMs
    to: String,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Runs `berth repo copy`.
pub(crate) fn run(args: &CopyArgs) -> Result<(), Failure> {
    let (from, to) = (Target::read(&args.from), Target::read(&args.to));
    if from.name == to.name && to.tag.is_none() {
        return Err(
            Failure::usage("source and target are the same").hint("name another repository, or another tag")
        );
    }
    copy(&from, &to, !args.no_referrers, args.dry_run, &args.folder, &args.shown)
}

/// Runs `berth promote`.
pub(crate) fn promote(args: &PromoteArgs) -> Result<(), Failure> {
    let (from, to) = (Target::read(&args.from), Target::read(&args.to));
    from.tag()?;
    if to.tag.is_some() || to.at.is_some() {
        return Err(Failure::usage("an image that is promoted keeps its tag")
            .hint("name the repository alone; berth repo copy gives another tag"));
    }
    copy(&from, &to, true, args.dry_run, &args.folder, &args.shown)
}

fn copy(
    from: &Target,
    to: &Target,
    referrers: bool,
    dry_run: bool,
    folder: &FolderArgs,
    shown: &Shown,
) -> Result<(), Failure> {
    let reference = from.reference();
    // By digest without a tag, it is only there by digest.
    let is_tagged = from.at.is_none() || from.tag.is_some();
    let tag =
        to.tag.clone().or_else(|| is_tagged.then(|| from.tag.clone().unwrap_or_else(|| "latest".to_owned())));
    let document = json!({
        "from": from.name,
        "reference": reference,
        "to": to.name,
        "tags": tag.iter().collect::<Vec<_>>(),
        "referrers": referrers,
    });
    let done = Client::open(folder, false)?.post(&format!("copies{}", dry(dry_run)), &document)?;
    if shown.json {
        return print(&done);
    }
    let target = tag.map_or_else(|| to.name.clone(), |tag| format!("{}:{tag}", to.name));
    let verb = if dry_run { "would be" } else { "is" };
    line(&format!(
        "{target} {verb} {} ({} manifests and {} layers were not there yet; no bytes move)",
        field(&done, "digest"),
        done["manifests"],
        done["blobs"]
    ))?;
    match done["floated"].as_array() {
        Some(tags) if !tags.is_empty() => line(&format!("the tags {} follow", field(&done, "floated"))),
        _ => Ok(()),
    }
}
