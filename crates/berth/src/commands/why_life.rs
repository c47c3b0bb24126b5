//! `berth why-kept` and `berth why-deleted`: each decision about an image, with its reason.

use clap::Args;

use crate::cli::{FolderArgs, Shown};
use crate::client::{Client, encoded};
use crate::commands::tag::inside;
use crate::target::Target;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, time};

/// `berth why-kept` and `berth why-deleted`
#[derive(Args)]
pub(crate) struct WhyImageArgs {
    /// NAME:TAG or NAME@DIGEST
    image: String,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Runs `berth why-kept`.
pub(crate) fn kept(args: &WhyImageArgs) -> Result<(), Failure> {
    let target = Target::read(&args.image);
    let path = inside(&target.name, &format!("why-kept/{}", encoded(target.reference())));
    let told = Client::open(&args.folder, false)?.get(&path)?;
    if args.shown.json {
        return print(&told);
    }
    line(&format!("{} is there because", field(&told, "digest")))?;
    for reason in told["reasons"].as_array().into_iter().flatten().filter_map(|reason| reason.as_str()) {
        line(&format!("  {reason}"))?;
    }
    if told["until"].is_null() { Ok(()) } else { line(&format!("until {}", time(&told, "until"))) }
}

/// Runs `berth why-deleted`.
pub(crate) fn deleted(args: &WhyImageArgs) -> Result<(), Failure> {
    let target = Target::read(&args.image);
    let path = inside(&target.name, &format!("why-deleted/{}", encoded(target.reference())));
    let told = Client::open(&args.folder, false)?.get(&path)?;
    if args.shown.json {
        return print(&told);
    }
    if told["gone"] != true {
        return line("it is there; berth why-kept says why");
    }
    let by = told["by"].as_str().map_or_else(|| "the cleaning".to_owned(), str::to_owned);
    line(&format!("{} went on {} by {by}", field(&told, "digest"), time(&told, "at")))?;
    if let Some(why) = told["why"].as_str() {
        line(&format!("because {why}"))?;
    }
    if told["restorable"] == true {
        line("it can be restored: berth repo tag restore")
    } else {
        line("its bytes are gone")
    }
}
