//! Berth, a container registry in one program.

use std::ffi::OsString;
use std::process::ExitCode;

use berth_cli::exit;
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
    let program = help::grouped(cli::Cli::command()).try_get_matches();
    let cli = match program.and_then(|program| cli::Cli::from_arg_matches(&program)) {
        Ok(cli) => cli,
        Err(error) => return mistaken(&error),
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

/// Tells what is wrong on the command line, or the help; the code is docker's where the command is.
fn mistaken(error: &clap::Error) -> ExitCode {
    // Nothing is left to try when nobody reads it.
    let _ = error.print();
    let words: Vec<_> = std::env::args_os().collect();
    match exit::is_about_images(words.iter().map(OsString::as_os_str), &cli::ConfigCommand::names()) {
        true => ExitCode::from(exit::code(error)),
        false => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}
