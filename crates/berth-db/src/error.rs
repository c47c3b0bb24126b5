//! What can go wrong with the database.

use std::path::PathBuf;

/// A failure of the database or of its use.
///
/// None of these is ever an answer about the data: a caller that asks "is this unreferenced?" and gets an error knows
/// nothing, and must keep what it would have removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// The database file could not be opened.
    #[error("cannot open the database {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// SQLite refused a statement.
    #[error("the database refused a statement")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL refused a statement or the connection to it broke.
    #[error("the database server refused a statement")]
    Postgres(#[from] tokio_postgres::Error),
    /// No connection to PostgreSQL could be had in time.
    #[error("no connection to the database server")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A commit failed once. The writer has stopped: what is on disk decides at the next start.
    #[error(
        "the database stopped writing after a failed commit: {reason}; look at the disk, then start again"
    )]
    Stopped {
        /// What the first failure said.
        reason: String,
    },
    /// The disk is full.
    #[error("the disk of the database is full")]
    Full,
    /// A query that must give a row gave none.
    #[error("a row that must exist is missing")]
    NoRow,
    /// A column did not hold the type that the caller asked for.
    #[error("column {column} does not hold {expected}")]
    Type {
        /// Position in the row, from 0.
        column: usize,
        /// The type asked for.
        expected: &'static str,
    },
    /// The database was written by a later version of the program.
    #[error("the database has schema version {found}, this program knows up to {known}; use a newer program")]
    NewerSchema {
        /// Version in the database.
        found: i64,
        /// Last version known here.
        known: i64,
    },
    /// A setting on which durability rests is not in force.
    #[error("the database setting {setting} is {found}, but it must be {expected}")]
    Unsafe {
        /// Name of the setting.
        setting: &'static str,
        /// Value found.
        found: String,
        /// Value needed.
        expected: &'static str,
    },
}

impl DbError {
    /// Whether PostgreSQL asks to repeat the transaction (serialization failure or deadlock).
    pub(crate) fn wants_retry(&self) -> bool {
        use tokio_postgres::error::SqlState;
        match self {
            DbError::Postgres(error) => error.code().is_some_and(|code| {
                *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
            }),
            _ => false,
        }
    }

    /// Whether SQLite refused for want of space.
    pub(crate) fn from_sqlite(error: rusqlite::Error) -> DbError {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => DbError::Full,
            _ => DbError::Sqlite(error),
        }
    }
}
