//! A load generator for container registries: it pushes, pulls, mounts and lists over plain HTTP/1.1, checks every
//! answer, and prints throughput, latency, and what it cost the server.
//!
//! One thread makes all of the load, so on a small machine the server keeps the rest. Preparing content and comparing
//! digests of what was pulled and pushed happen outside of the measured time.

mod args;
mod connection;
mod content;
mod head;
mod latency;
mod load;
mod payload;
mod process;
mod report;
mod scenarios;

use anyhow::Context as _;

pub use args::{BenchArgs, Scenario, UploadStyle};
pub use latency::Latency;
pub use report::{Outcome, Report, ServerUse};

/// Runs the scenarios in turn, prints a table, and fails on any wrong answer.
///
/// # Errors
/// The target is not reachable, answers wrongly, or the results cannot be written.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    let json = args.json.clone();
    let report = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(scenarios::run(&args))
    })
    .await
    .context("the load generator panicked")??;
    print!("{report}");
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
