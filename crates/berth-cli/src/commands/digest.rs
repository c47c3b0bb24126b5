//! `berth digest IMAGE`.

use berth_client::Patience;
use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::line;
use crate::registries::{Registries, RegistryArgs};
use crate::trouble::{Doing, trouble};

/// `berth digest`
#[derive(Args)]
pub struct DigestArgs {
    /// The image: NAME[:TAG]
    image: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Prints the digest.
pub(crate) fn run(args: &DigestArgs, environment: &Environment) -> Result<(), Failure> {
    let image = names::image(&args.image)?;
    let registries = Registries::of(environment, &args.registry)?;
    let digest = environment.wait_for(async {
        let repository = registries.repository(&image).await?;
        let (client, repository) = (repository.client(), repository.name());
        let head = client.head_manifest(repository, &names::reference(&image), Patience::Long).await;
        let told = |error| trouble(Doing::Looking, &image, error);
        match head.map_err(told)?.digest {
            Some(digest) => Ok(digest),
            // Some registries tell it only with the manifest itself, which is small.
            None => {
                let found = client.get_manifest(repository, &names::reference(&image), Patience::Long).await;
                Ok(found.map_err(told)?.digest)
            }
        }
    })?;
    line(&digest.to_string())
}
