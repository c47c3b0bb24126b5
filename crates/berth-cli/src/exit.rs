//! With which code a command ends whose command line is wrong: docker's, for the commands about images.

use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error, Subcommand};

use crate::ImageCommand;

/// The code of docker for an option that there is not, or that is not given what it wants.
const OPTION: u8 = 125;
/// Its code for arguments that are missing or too many.
const ARGUMENT: u8 = 1;

/// Whether a command line is about images. `config` is, unless one of the server's subcommands follows.
pub fn is_about_images<'a>(
    arguments: impl IntoIterator<Item = &'a OsStr>,
    config_of_server: &[impl AsRef<str>],
) -> bool {
    let mut words = arguments.into_iter().skip(1);
    let Some(command) = words.next().and_then(OsStr::to_str) else { return false };
    if command == "config" {
        let next = words.next().and_then(OsStr::to_str);
        return next.is_some_and(|next| config_of_server.iter().all(|known| known.as_ref() != next));
    }
    ImageCommand::augment_subcommands(Command::new("berth")).find_subcommand(command).is_some()
}

/// The code for a command line of a command about images that cannot be read.
pub fn code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        // clap calls both an argument; an option shows itself by its dash.
        ErrorKind::UnknownArgument
        | ErrorKind::InvalidValue
        | ErrorKind::ValueValidation
        | ErrorKind::NoEquals
        | ErrorKind::TooFewValues
        | ErrorKind::TooManyValues
        | ErrorKind::WrongNumberOfValues
            if is_option(error) =>
        {
            OPTION
        }
        _ => ARGUMENT,
    }
}

fn is_option(error: &Error) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.starts_with('-'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_docker() {
        for (line, expected) in [
            ("pull --help", 0),
            ("pull --no-such a", OPTION),
            ("pull -Z a", OPTION),
            ("pull a --platform", OPTION),
            ("pull a --platform nonsense", OPTION),
            ("search a --limit 1000", OPTION),
            ("images --quiet=3", OPTION),
            ("pull", ARGUMENT),
            ("pull a b", ARGUMENT),
            ("tag a", ARGUMENT),
            ("tag a b c", ARGUMENT),
            ("pull a --all-platforms --platform linux/amd64", ARGUMENT),
        ] {
            let program = ImageCommand::augment_subcommands(Command::new("berth"));
            let words = std::iter::once("berth").chain(line.split(' '));
            let error = program.try_get_matches_from(words).expect_err(line);
            assert_eq!(code(&error), expected, "{line}: {error}");
        }
    }

    #[test]
    fn commands_of_a_server_are_told_from_those_about_images() {
        for (line, expected) in [
            ("berth", false),
            ("berth --no-such", false),
            ("berth pull --no-such", true),
            ("berth rm", true),
            ("berth serve --no-such", false),
            ("berth user add", false),
            ("berth config", false),
            ("berth config check --no-such", false),
            ("berth config --no-such alpine", true),
            ("berth config alpine more", true),
        ] {
            let words: Vec<_> = line.split(' ').map(OsStr::new).collect();
            assert_eq!(
                is_about_images(words, &["check", "show", "default", "reference"]),
                expected,
                "{line}"
            );
        }
    }
}
