//! Why a configuration cannot be used.

use std::io;
use std::path::PathBuf;

/// What is wrong with a file or with a program that keeps passwords.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path} cannot be read; see whether it is yours")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written. What was there is there yet.
    #[error("{path} cannot be written, and is as it was; see whether it is yours, and the disk has room")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not in its form. Nothing of it is used, and nobody writes over it.
    #[error("{path} is damaged ({what}); mend it, or move it away")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// A helper for passwords is named, and is not there or does not run.
    #[error(
        "{program} cannot be run, which {path} names to keep passwords; install it, or take it out there"
    )]
    Missing {
        /// The program.
        program: String,
        /// The file that names it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A helper for passwords fails.
    #[error("{program} fails: {said}")]
    Helper {
        /// The program.
        program: String,
        /// What it said.
        said: String,
    },
}
