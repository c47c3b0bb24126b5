//! `berth mirror rehearse`: which images in use would fail if their upstream were away.

use clap::Args;
use serde_json::{Value, json};

use super::path;
use crate::cli::{FolderArgs, Shown, seconds};
use crate::client::{Client, query};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, table, time};

#[derive(Args)]
pub(crate) struct RehearseArgs {
    /// The upstream that is taken to be away; without it, each of them
    name: Option<String>,
    /// Only images that were used within this time
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = seconds)]
    used_within: u32,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Rehearses. An image that would fail is a failure of the command, so that a script notices.
pub(super) fn run(args: &RehearseArgs) -> Result<(), Failure> {
    let client = Client::open(&args.folder, false)?;
    let names = match &args.name {
        Some(name) => vec![name.clone()],
        None => super::mirrors(&client)?.iter().map(|mirror| field(mirror, "name")).collect(),
    };
    let within = query(&[("used_within_seconds", Some(args.used_within.to_string()))]);
    let rehearse = |name: &String| client.get(&format!("{}/rehearsal{within}", path(name)));
    let rehearsals = names.iter().map(rehearse).collect::<Result<Vec<_>, _>>()?;
    let failing: Vec<&Value> =
        rehearsals.iter().filter_map(|rehearsal| rehearsal["fail"].as_array()).flatten().collect();
    if args.shown.json {
        print(&json!({ "rehearsals": rehearsals }))?;
    } else {
        for rehearsal in &rehearsals {
            let n_failing = rehearsal["fail"].as_array().map_or(0, Vec::len);
            let name = field(rehearsal, "mirror");
            line(&format!(
                "without {name}: {} images in use could be pulled, {n_failing} could not",
                rehearsal["good"]
            ))?;
        }
        let row = |image: &&Value| vec![field(image, "image"), time(image, "used_at"), field(image, "why")];
        if !failing.is_empty() {
            table(&["IMAGE", "LAST USED", "WHY"], &failing.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    match failing.len() {
        0 => Ok(()),
        n => Err(Failure::other(format!("{n} of the images in use would fail"))
            .hint("berth prefetch IMAGE fetches what is missing")),
    }
}
