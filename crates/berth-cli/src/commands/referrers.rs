//! `berth referrers IMAGE`.

use berth_client::{CopyError, PlatformName, Source};
use berth_oci::Descriptor;
use clap::Args;
use serde_json::json;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::names;
use crate::output;
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;
use crate::trouble::{self, Doing};
use crate::units;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth referrers quay.io/org/app:1.9
  berth referrers --artifact-type application/spdx+json --json quay.io/org/app:1.9
  berth referrers --platform linux/arm64 quay.io/org/app:1.9";

const COLUMNS: &[Column] =
    &[("Digest", "DIGEST"), ("Type", "TYPE"), ("Size", "SIZE"), ("Annotations", "ANNOTATIONS")];

/// `berth referrers`
#[derive(Args)]
pub struct ReferrersArgs {
    /// The image: NAME[:TAG] or NAME@DIGEST
    image: String,
    /// Only those of this type, for example application/spdx+json
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
    /// What refers to the image of this platform, not to the index
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<PlatformName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Lists what refers to the image: signatures, attestations, bills of materials.
pub(crate) fn run(args: &ReferrersArgs, environment: &Environment) -> Result<(), Failure> {
    let registries = Registries::of(environment, &args.registry)?;
    let mut found = environment.wait_for(async {
        let remote = Remote::named(&args.image, &registries).await?;
        let subject = match &args.platform {
            Some(platform) => remote.of_platform(Some(platform)).await?.digest,
            None => remote.digest(&names::reference(&remote.image)).await?,
        };
        let found = remote.repository.referrers(&subject).await;
        found.map_err(|error| trouble::of_copy(Doing::Looking, &remote.image, CopyError::Source(error)))
    })?;
    let kind = |found: &Descriptor| found.artifact_type.clone().unwrap_or_default();
    found.retain(|found| args.artifact_type.as_ref().is_none_or(|wanted| kind(found) == *wanted));
    if args.json {
        let referrer = |found: &Descriptor| {
            json!({
                "digest": found.digest.to_string(),
                "size": found.size,
                "mediaType": found.media_type,
                "artifactType": found.artifact_type,
                "annotations": found.annotations,
            })
        };
        return output::json(&found.iter().map(referrer).collect());
    }
    let mut listing = Listing::new(COLUMNS, vec!["Digest", "Type", "Size", "Annotations"]);
    for found in found {
        let annotations = found.annotations.iter().map(|(key, value)| format!("{key}={value}"));
        let annotations = annotations.collect::<Vec<_>>().join(" ");
        listing.row([
            found.digest.to_string(),
            kind(&found),
            units::size(found.size),
            output::plain(&annotations),
        ]);
    }
    listing.print(None)
}
