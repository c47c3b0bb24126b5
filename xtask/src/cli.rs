//! The commands about images: kills without end, and how fast they are beside skopeo.

use std::path::PathBuf;

use anyhow::ensure;

use crate::e2e;
use crate::folders;
use crate::server::{Choice, Kind};

mod layout;
mod measure;
mod page;
mod timed;

/// Options of `cargo xtask cli`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Choice,
    /// Kills of pulls, pushes, loads, imports, removals and copies, with a look at the images after each.
    #[arg(long, default_value_t = 400, value_name = "N")]
    kills: usize,
    /// Repeat the choices of an earlier run; its timing cannot be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Measure, instead of killing; prints the page `docs/benchmarks-cli.md`.
    #[arg(long)]
    measure: bool,
    /// Size of the measured image in MiB.
    #[arg(long, default_value_t = 1024, value_name = "MIB", value_parser = clap::value_parser!(u32).range(12..=65536))]
    size: u32,
    /// Layers of the measured image.
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    layers: u32,
    /// Rounds, of which the median counts.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Images that are listed.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    images: u32,
    /// Where images and the servers' data are kept. Without it: below Cargo's target folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Kills or measures.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    ensure!(options.server.server == Kind::Berth, "only berth has these commands");
    let program = options.server.program()?;
    let scratch = match &options.data {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => folders::scratch("cli")?,
    };
    if options.measure {
        print!("{}", measure::run(options, &program, scratch.path())?);
        return Ok(());
    }
    let seed = options.seed.map_or_else(e2e::now, Ok)?;
    println!("seed {seed}, {} kills", options.kills);
    let [killed, resumed] = e2e::kill(program.file(), scratch.path(), options.kills, seed)?;
    println!("{killed} were killed before their end, {resumed} pulls went on where they had stopped");
    Ok(())
}
