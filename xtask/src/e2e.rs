//! Real container clients, run against a server started for them.

use anyhow::ensure;

use crate::server::Choice;

mod accounts;
mod api;
mod cli;
pub(crate) mod client;
mod containerd;
mod daemon;
mod docker;
pub(crate) mod images;
mod life;
mod mirror;
mod other_servers;
mod podman;
mod skopeo;
mod stage;
mod wire;

pub(crate) use cli::kill;
use stage::Stage;

/// Options of `cargo xtask e2e`.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Choice,
    /// Only the steps whose title contains this text. Later steps may need earlier ones.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Seconds since 1970: a seed that is another one each time.
pub(crate) fn now() -> anyhow::Result<u64> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs())
}

/// Runs every client that is installed; fails when a step failed.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let stage = Stage::set(options.server.program()?, options.only.clone())?;
    for client in [
        skopeo::run,
        docker::run,
        containerd::run,
        podman::run,
        api::run,
        other_servers::run,
        accounts::run,
        life::run,
        mirror::run,
        cli::run,
    ] {
        client(&stage)?;
    }
    let [passed, failed, skipped] = stage.finish();
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ensure!(passed > 0, "no step was run");
    ensure!(failed == 0, "{failed} steps failed");
    Ok(())
}
