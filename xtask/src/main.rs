//! Everything a developer does with this workspace, one command each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod browser;
mod certificate;
mod check;
mod cli;
mod conformance;
mod crash;
mod e2e;
mod fault;
mod folders;
mod fuzz;
mod http;
mod message;
mod mirror;
mod random;
mod server;
mod tidy;
mod upstream;

/// Developer commands of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Berth, docker-registry and nginx under the same load, and ratios.
    Bench(bench::Options),
    /// The page in a headless Chromium: stories, hostile texts, pictures.
    Browser(browser::Options),
    /// Format, clippy and tests: what to run before a commit.
    Check(check::Options),
    /// The commands about images: kills without end, or how fast they are beside skopeo.
    Cli(cli::Options),
    /// The official OCI conformance program against a server started here.
    Conformance(conformance::Options),
    /// Power cuts and kills in the middle of work, compared with a ledger of what was acknowledged.
    Crash(crash::Options),
    /// Real clients (docker, ctr, skopeo, podman, buildah) against a server started here.
    E2e(e2e::Options),
    /// Every parser of untrusted bytes against bytes that nobody thought of.
    Fuzz(fuzz::Options),
    /// A mirror of registries that misbehave, and how fast it is beside docker-registry as a mirror.
    Mirror(mirror::Options),
    /// Rules of the workspace that no compiler checks.
    Tidy(tidy::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Bench(options) => bench::run(&options),
        Command::Browser(options) => browser::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Cli(options) => cli::run(&options),
        Command::Conformance(options) => conformance::run(&options),
        Command::Crash(options) => crash::run(&options),
        Command::E2e(options) => e2e::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Mirror(options) => mirror::run(&options),
        Command::Tidy(options) => tidy::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
