//! `berth man [COMMAND…]`: manual pages, made from the help.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use berth_cli::failure::Failure;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::Cli;

/// What is written about manual pages.
pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth man pull | man -l -                          read one
  berth man --all ~/.local/share/man/man1            keep them all, so that 'man berth-pull' finds it";

/// `berth man`
#[derive(Args)]
pub(crate) struct ManArgs {
    /// The command whose page is printed; without one, the page of the whole program
    #[arg(value_name = "COMMAND", conflicts_with = "all")]
    command: Vec<String>,
    /// Write the pages of all commands into a folder
    #[arg(long, value_name = "FOLDER")]
    all: Option<PathBuf>,
}

/// Prints a page, or writes all of them.
pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let mut program = Cli::command();
    // Gives each command its name with those before it, and the options that all have.
    program.build();
    if let Some(folder) = &args.all {
        std::fs::create_dir_all(folder)?;
        return write_all(&program, folder);
    }
    Ok(io::stdout().lock().write_all(&page(found(&program, &args.command)?)?)?)
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let version = concat!("berth ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(version).manual("Berth").render(&mut page)?;
    Ok(page)
}

fn write_all(command: &Command, folder: &Path) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    std::fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    command.get_subcommands().try_for_each(|command| write_all(command, folder))
}

fn found<'a>(program: &'a Command, path: &[String]) -> Result<&'a Command, Failure> {
    path.iter().try_fold(program, |command, word| {
        command.find_subcommand(word).ok_or_else(|| {
            Failure::usage(format!("there is no command {word:?} of {}", command.get_name()))
                .hint("'berth --help' lists the commands")
        })
    })
}
