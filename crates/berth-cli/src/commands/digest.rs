//! `berth digest IMAGE`.

use berth_client::PlatformName;
use clap::Args;
use serde_json::json;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::{self, line};
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth digest alpine:3
  berth digest --platform linux/arm64 alpine:3   of the image for that platform, not of the index";

/// `berth digest`
#[derive(Args)]
pub struct DigestArgs {
    /// The image: NAME[:TAG]
    image: String,
    /// Of an image for several platforms, this one
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<PlatformName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Prints the digest.
pub(crate) fn run(args: &DigestArgs, environment: &Environment) -> Result<(), Failure> {
    let registries = Registries::of(environment, &args.registry)?;
    let digest = environment.wait_for(async {
        let remote = Remote::named(&args.image, &registries).await?;
        match &args.platform {
            Some(platform) => Ok(remote.of_platform(Some(platform)).await?.digest),
            None => remote.digest(&names::reference(&remote.image)).await,
        }
    })?;
    match args.json {
        true => output::json(&json!({ "image": args.image, "digest": digest.to_string() })),
        false => line(&digest.to_string()),
    }
}
