//! Berth, a container registry in one program.

use std::process::ExitCode;

use clap::Parser;

mod cli;
mod client;
mod commands;
mod config;
mod data_folder;
mod exposure;
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
    match cli::Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
