//! A mirror of registries that misbehave: no wrong byte may get through, and what is right must, in the end.

use std::path::PathBuf;

use anyhow::ensure;

use crate::server::Choice;

mod campaign;
mod cases;
mod images;
mod puller;
mod subject;

/// Options of `cargo xtask mirror`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Choice,
    /// Pulls for each misbehaviour.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pulls: usize,
    /// Clients that pull at the same time.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    parallel: u32,
    /// Longest time of one misbehaviour, in seconds; what is not pulled by then is not pulled.
    #[arg(long, default_value_t = 15, value_name = "N")]
    seconds: u64,
    /// Only the misbehaviours whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Repeat the images and the choices of an earlier run; its timing cannot be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the servers keep their data. Without it: below Cargo's target folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let [passed, failed] = campaign::run(options)?;
    println!("{passed} passed, {failed} failed");
    ensure!(passed > 0, "nothing was tested");
    ensure!(failed == 0, "{failed} checks failed");
    Ok(())
}
