//! The help of the whole program. There are many commands, so it shows them in groups.

use std::fmt::Write;

use clap::Command;

/// The groups in the order in which they are shown. Each command is in one.
const GROUPS: [(&str, &[&str]); 6] = [
    (
        "Images on this machine",
        &["pull", "push", "images", "tag", "rmi", "inspect", "history", "save", "load", "import", "prune"],
    ),
    (
        "Images at any registry",
        &[
            "login",
            "logout",
            "search",
            "copy",
            "ls",
            "tags",
            "manifest",
            "layers",
            "digest",
            "referrers",
            "rm",
        ],
    ),
    (
        "A registry of your own",
        &["serve", "config", "user", "team", "robot", "token", "grant", "why", "audit"],
    ),
    (
        "What is in it",
        &["repo", "promote", "retention", "why-kept", "why-deleted", "trash", "clean", "usage", "quota"],
    ),
    ("Mirrors of other registries", &["mirror", "prefetch"]),
    ("More", &["bench", "completions", "man"]),
];

/// The program, whose help has the commands in groups.
pub(crate) fn grouped(program: Command) -> Command {
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (title, names) in GROUPS {
        // Writing to a text does not fail.
        let _ = write!(text, "\n\x1b[1;32m{title}:\x1b[0m\n");
        for name in names {
            let about = program.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(|about| about.to_string()).unwrap_or_default();
            let _ = writeln!(text, "  \x1b[1;36m{name:<12}\x1b[0m {about}");
        }
    }
    text.push_str("\n\x1b[1;32mOptions:\x1b[0m\n{options}{after-help}");
    program.help_template(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn each_command_is_in_one_group_and_has_one_line() {
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let program = Cli::command();
        let mut commands: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        commands.sort_unstable();
        assert_eq!(grouped, commands);
        for command in program.get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!((1..=85).contains(&about.chars().count()), "{}: {about}", command.get_name());
        }
    }
}
