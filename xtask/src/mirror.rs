//! A mirror of registries that misbehave: no wrong byte may get through, and what is right must, in the end.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;

use crate::folders;
use crate::server::Choice;

mod campaign;
mod cases;
pub(crate) mod images;
mod measure;
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
    #[arg(long, default_value_t = 12, value_name = "N")]
    seconds: u64,
    /// Only the misbehaviours whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Repeat the images and the choices of an earlier run; its timing cannot be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Measure how fast the mirror is, instead of testing that it is right.
    #[arg(long)]
    measure: bool,
    /// Size of the measured blob in MiB.
    #[arg(long, default_value_t = 1024, value_name = "MIB", value_parser = clap::value_parser!(u32).range(8..=8192))]
    size: u32,
    /// Rate of the measured upstream in MB/s, for all connections together.
    #[arg(long, default_value_t = 50, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Clients that pull one blob at once when that is measured.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,
    /// Where the servers keep their data. Without it: below Cargo's target folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let scratch = match &options.data {
        Some(folder) => tempfile::Builder::new().prefix("mirror-").tempdir_in(folder)?,
        None => folders::scratch("mirror")?,
    };
    let seed = options.seed.unwrap_or_else(fresh_seed);
    println!("seed {seed}\n");
    if options.measure {
        return measure::run(options, scratch.path(), seed);
    }
    let [passed, failed] = campaign::run(options, scratch.path(), seed)?;
    println!("{passed} passed, {failed} failed");
    ensure!(passed > 0, "nothing was tested");
    ensure!(failed == 0, "{failed} checks failed");
    Ok(())
}

fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
