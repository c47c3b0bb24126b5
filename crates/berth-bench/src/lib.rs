//! A load generator for container registries.

mod args;

pub use args::{BenchArgs, Scenario, UploadStyle};

/// Runs the scenarios in turn, prints a table, and fails on any wrong answer.
///
/// # Errors
/// The target is not reachable, answers wrongly, or the results cannot be written.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    anyhow::bail!("no scenario can be run against {} yet", args.target)
}
