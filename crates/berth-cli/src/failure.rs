//! How a command fails: a kind, a cause, and hints on what to do.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// What sort of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line or the configuration is wrong: trying again does not help. Exit code 2, as for unknown flags.
    Usage,
    /// Somebody stopped it. Exit code 130, as shells have it for Ctrl-C.
    Stopped,
    /// Anything else. Exit code 1.
    Other,
}

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
    /// Which one of several.
    about: Option<String>,
    /// What failed beside it.
    others: Vec<Failure>,
}

impl Failure {
    /// A mistake of the user, in the command line or the configuration.
    pub fn usage(source: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure {
            kind: Kind::Usage,
            source: source.into(),
            hints: Vec::new(),
            about: None,
            others: Vec::new(),
        }
    }

    /// Any other failure.
    pub fn other(source: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure {
            kind: Kind::Other,
            source: source.into(),
            hints: Vec::new(),
            about: None,
            others: Vec::new(),
        }
    }

    /// The same, with what it is about in front: one of several.
    pub(crate) fn of(mut self, what: &str) -> Failure {
        self.about = Some(what.to_owned());
        self
    }

    /// Somebody does not want it any more.
    pub(crate) fn stopped() -> Failure {
        Failure { kind: Kind::Stopped, ..Failure::other("stopped") }
    }

    /// Adds what the user can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// What comes of several things of which some failed: nothing, or a failure that tells of each.
    ///
    /// # Errors
    /// If there is one at least.
    pub fn of_several(failures: Vec<Failure>) -> Result<(), Failure> {
        let mut failures = failures.into_iter();
        let Some(mut first) = failures.next() else { return Ok(()) };
        first.others.extend(failures);
        Err(first)
    }

    /// Writes it to standard error and gives the exit code. A reader that went away (`berth … | head`) is no failure.
    pub fn tell(&self) -> ExitCode {
        if self.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        // Nothing is left to try when standard error is gone too.
        let _ = io::stderr().lock().write_all(self.text(is_colored()).as_bytes());
        match self.kind {
            Kind::Usage => ExitCode::from(2),
            Kind::Stopped => ExitCode::from(130),
            Kind::Other => ExitCode::FAILURE,
        }
    }

    /// The error and the hints, a line each.
    pub(crate) fn text(&self, is_colored: bool) -> String {
        let (red, cyan, plain) =
            if is_colored { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        let about = self.about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default();
        let mut text = format!("{red}error{plain}: {about}{}", self.source);
        let mut said = self.source.to_string();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            // Some errors already say what their cause says.
            let words = error.to_string();
            if !said.contains(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            said = words;
            cause = error.source();
        }
        text.push('\n');
        for hint in &self.hints {
            text.push_str(&format!("{cyan}hint{plain}: {hint}\n"));
        }
        self.others.iter().for_each(|other| text.push_str(&other.text(is_colored)));
        text
    }

    fn is_broken_pipe(&self) -> bool {
        let is_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        self.cause::<io::Error>().is_some_and(is_pipe)
    }

    /// The first error of a sort among its causes.
    pub(crate) fn cause<E: Error + 'static>(&self) -> Option<&E> {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self.source.as_ref());
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

/// Whether colours are welcome on standard error (<https://no-color.org>).
fn is_colored() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused
}

/// In one line, for a failure that is one of many.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text(false);
        let first = text.lines().next().unwrap_or_default();
        f.write_str(first.strip_prefix("error: ").unwrap_or(first))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the blob store")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_and_hints_are_told() {
        let failure = Failure::other(Outer(io::Error::other("no space"))).hint("make room");
        assert_eq!(failure.text(false), "error: cannot open the blob store: no space\nhint: make room\n");
    }

    #[test]
    fn a_closed_pipe_is_found_under_other_errors() {
        assert!(Failure::other(Outer(io::ErrorKind::BrokenPipe.into())).is_broken_pipe());
        assert!(!Failure::other(Outer(io::ErrorKind::NotFound.into())).is_broken_pipe());
    }
}
