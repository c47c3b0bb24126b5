//! `berth logout [REGISTRY]`.

use berth_engine_config::{DockerConfig, sign_in};
use berth_oci::DOCKER_HUB;
use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::{line, note};

/// `berth logout`
#[derive(Args)]
pub struct LogoutArgs {
    /// The registry, HOST[:PORT] [default: docker.io]
    registry: Option<String>,
}

/// Forgets the sign-in. The registry is not asked.
pub(crate) fn run(args: &LogoutArgs, environment: &Environment) -> Result<(), Failure> {
    let host = names::host(args.registry.as_deref());
    let forgotten = match environment.folders.docker_config() {
        Some(path) => {
            let mut config = DockerConfig::read(&path).map_err(Failure::other)?;
            config.forget(&host).map_err(Failure::other)?
        }
        None => false,
    };
    // docker calls its own registry by the key in its file.
    let shown = if host == DOCKER_HUB { "https://index.docker.io/v1/" } else { &host };
    match forgotten {
        true => line(&format!("Removing login credentials for {shown}"))?,
        false => line(&format!("Not logged in to {shown}"))?,
    }
    // podman's sign-ins count as well, and are podman's to forget.
    if let Some((_, path)) = sign_in::find(&environment.folders, &host).map_err(Failure::other)? {
        let path = path.display();
        note(&format!("note: {path} still has a sign-in for {host}; 'podman logout {host}' forgets it"));
    }
    Ok(())
}
