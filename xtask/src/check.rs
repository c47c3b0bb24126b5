//! The checks that a change must pass before it is committed.

use std::process::Command;

use anyhow::ensure;

use crate::folders;

/// What is run, in this order: the cheapest first.
const STEPS: [&[&str]; 3] = [
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
    &["test", "--quiet"],
];

/// Options of `cargo xtask check`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the tests.
    #[arg(long)]
    no_tests: bool,
}

/// Runs each check; stops at the first that fails.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    for step in STEPS.iter().filter(|step| !(options.no_tests && step[0] == "test")) {
        println!("cargo {}", step.join(" "));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo).args(*step).current_dir(folders::root()).status()?;
        ensure!(status.success(), "cargo {} failed", step[0]);
    }
    Ok(())
}
