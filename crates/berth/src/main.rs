//! Berth, a container registry in one program.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

mod cli;
mod client;
mod commands;
mod config;
mod data_folder;
mod exposure;
mod help;
mod logging;
mod notify;
mod page;
mod signals;
mod target;
mod wiring;

fn main() -> ExitCode {
    if let Some(done) = commands::inspect_layer::serve() {
        return done;
    }
    let program = help::grouped(cli::Cli::command());
    let cli = match program.try_get_matches().and_then(|matches| cli::Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to try when nobody reads it.
            let _ = error.print();
            return ExitCode::from(berth_cli::exit_code(&error));
        }
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
