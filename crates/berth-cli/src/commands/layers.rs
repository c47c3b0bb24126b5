//! `berth layers IMAGE`.

use berth_client::PlatformName;
use berth_oci::{Manifest, Role};
use clap::Args;
use serde_json::json;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output;
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;
use crate::units;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth layers alpine:3                  of the image for this machine
  berth layers --platform linux/arm64 alpine:3
  berth layers --json localhost:5000/app:1.9";

const COLUMNS: &[Column] = &[("Digest", "DIGEST"), ("Size", "SIZE"), ("MediaType", "MEDIA TYPE")];

/// `berth layers`
#[derive(Args)]
pub struct LayersArgs {
    /// The image: NAME[:TAG] or NAME@DIGEST
    image: String,
    /// Of an image for several platforms, this one [default: that of this machine]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<PlatformName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Lists the layers, the lowest first.
pub(crate) fn run(args: &LayersArgs, environment: &Environment) -> Result<(), Failure> {
    let registries = Registries::of(environment, &args.registry)?;
    let manifest = environment.wait_for(async {
        let remote = Remote::named(&args.image, &registries).await?;
        remote.of_platform(args.platform.as_ref()).await
    })?;
    let read = Manifest::read(&manifest.media_type, &manifest.content).map_err(Failure::other)?;
    let layers = read.references.into_iter().filter(|reference| reference.role == Role::Layer);
    let layers: Vec<_> = layers.map(|layer| layer.descriptor).collect();
    if args.json {
        let layer = |layer: &berth_oci::Descriptor| json!({ "digest": layer.digest.to_string(), "size": layer.size, "mediaType": layer.media_type });
        return output::json(&layers.iter().map(layer).collect());
    }
    let mut listing = Listing::new(COLUMNS, vec!["Digest", "Size", "MediaType"]);
    layers.into_iter().for_each(|layer| {
        listing.row([layer.digest.to_string(), units::size(layer.size), layer.media_type]);
    });
    listing.print(None)
}
