//! `berth completions SHELL`.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use berth_cli::failure::Failure;

/// `berth completions`
#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell; its own documentation says where completions are kept
    shell: Shell,
}

/// Prints the completions.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    // Into memory first: the generator panics when its writer fails, and a closed pipe is no reason for that.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "berth", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}
