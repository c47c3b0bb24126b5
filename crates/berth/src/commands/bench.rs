//! `berth bench …`: load on a registry, measured.

use berth_bench::BenchArgs;

use berth_cli::failure::Failure;

/// Runs the scenarios and prints their table.
pub(crate) fn run(args: BenchArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(berth_bench::run(args)).map_err(Failure::other)
}
