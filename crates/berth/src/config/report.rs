//! Mistakes in the configuration, told with their place and what is expected there.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where a mistaken value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A place in the configuration file, with the line to show.
    File {
        /// As the user named it.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// The whole line.
        text: String,
        /// Characters to underline.
        width: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag, without its dashes.
    Flag(String),
    /// What several options say together.
    Whole,
}

impl Place {
    /// The place of `span` in the text of a file.
    pub(crate) fn in_file(path: &Path, input: &str, span: Range<usize>) -> Place {
        let at = span.start.min(input.len());
        let before = &input[..input.floor_char_boundary(at)];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let text = input[start..].lines().next().unwrap_or_default().to_owned();
        let column = before[start..].chars().count() + 1;
        let end = input.floor_char_boundary(span.end.clamp(before.len(), input.len()));
        let width = input[before.len()..end].lines().next().map_or(0, |part| part.chars().count()).max(1);
        Place::File { path: path.to_owned(), line, column, text, width }
    }

    /// Line and column in the file; nothing for other places.
    pub(crate) fn position(&self) -> Option<(usize, usize)> {
        match self {
            Place::File { line, column, .. } => Some((*line, *column)),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, line, column, .. } => write!(f, "{}:{line}:{column}: ", path.display()),
            Place::Environment(variable) => write!(f, "environment variable {variable}: "),
            Place::Flag(flag) => write!(f, "--{flag}: "),
            Place::Whole => Ok(()),
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        if let Place::File { line, column, text, width, .. } = &self.place {
            let gutter = " ".repeat(line.to_string().len());
            // Tabs stay tabs, so that the mark stands under what it marks.
            let indent: String =
                text.chars().take(column - 1).map(|letter| if letter == '\t' { '\t' } else { ' ' }).collect();
            write!(f, "\n    {line} | {text}\n    {gutter} | {indent}{}", "^".repeat(*width))?;
        }
        Ok(())
    }
}

/// Every mistake that was found, in the order of the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistakes(pub(crate) Vec<Mistake>);

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}
