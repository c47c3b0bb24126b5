//! The load generator as a program of its own, without the registry around it.

use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: berth_bench::BenchArgs,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    berth_bench::run(Cli::parse().args).await
}
