//! `berth manifest IMAGE`.

use std::io::{self, IsTerminal, Write};

use berth_client::PlatformName;
use clap::Args;
use serde_json::Value;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth manifest alpine:3                        the index
  berth manifest --platform linux/arm64 alpine:3 the manifest of one platform
  berth manifest alpine:3 | sha256sum            the very bytes, when no person reads";

/// `berth manifest`
#[derive(Args)]
pub struct ManifestArgs {
    /// The image: NAME[:TAG] or NAME@DIGEST
    image: String,
    /// Of an image for several platforms, this one
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<PlatformName>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Prints the manifest.
pub(crate) fn run(args: &ManifestArgs, environment: &Environment) -> Result<(), Failure> {
    let registries = Registries::of(environment, &args.registry)?;
    let manifest = environment.wait_for(async {
        let remote = Remote::named(&args.image, &registries).await?;
        match &args.platform {
            Some(platform) => remote.of_platform(Some(platform)).await,
            None => remote.top().await,
        }
    })?;
    print(&manifest.content)
}

/// Prints a document: for people with its levels, for programs byte for byte.
pub(crate) fn print(document: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let read = serde_json::from_slice::<Value>(document).ok().filter(|_| io::stdout().is_terminal());
    match read {
        Some(read) => writeln!(out, "{}", output::pretty(&read))?,
        None => out.write_all(document)?,
    }
    Ok(())
}
