//! `berth config IMAGE`.

use berth_client::PlatformName;
use clap::Args;

use crate::commands::manifest;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;

/// `berth config IMAGE`
#[derive(Args)]
pub struct ConfigArgs {
    /// An image at a registry, whose configuration is printed
    image: Option<String>,
    /// Of an image for several platforms, this one [default: that of this machine]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<PlatformName>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Prints the configuration of the image.
///
/// # Errors
/// That there is none, or that its registry does not say.
pub fn run(args: &ConfigArgs, environment: &Environment) -> Result<(), Failure> {
    let Some(image) = &args.image else {
        return Err(
            Failure::other("an image or a subcommand is missing").hint("'berth config --help' lists both")
        );
    };
    let registries = Registries::of(environment, &args.registry)?;
    let config = environment.wait_for(async {
        let remote = Remote::named(image, &registries).await?;
        let manifest = remote.of_platform(args.platform.as_ref()).await?;
        remote.config(&manifest).await
    })?;
    manifest::print(&config)
}
