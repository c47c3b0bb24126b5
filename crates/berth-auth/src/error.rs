//! What can go wrong with accounts.

use berth_audit::AuditError;
use berth_db::DbError;

use crate::{NameError, PatternError};

/// Why something about accounts was not done. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The caller may not do this.
    #[error("{what} is for {whom}")]
    Forbidden {
        /// What was asked for.
        what: &'static str,
        /// Who may.
        whom: &'static str,
    },
    /// There is no such account (or the caller may not know of it).
    #[error("there is no {kind} {name}")]
    UnknownAccount {
        /// `user`, `team`, `robot` or `account`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// There is no such token or grant.
    #[error("there is no {what} {id}")]
    Unknown {
        /// `token` or `grant`.
        what: &'static str,
        /// Its number.
        id: i64,
    },
    /// The link was used, has ended, or never existed.
    #[error("this link was used already or has ended; ask for a new one")]
    UnknownInvitation,
    /// The name is taken.
    #[error("the name {name} is taken")]
    Exists {
        /// The name.
        name: String,
    },
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The pattern cannot be one.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The pattern reaches into namespaces that it does not name.
    #[error("{pattern} reaches into every namespace; if that is meant, say so")]
    WidePattern {
        /// The pattern.
        pattern: String,
    },
    /// The password is too easy to guess or too long.
    #[error("a password has 8 to 1024 characters; take a long one")]
    WeakPassword,
    /// The present password that was given is wrong.
    #[error("the present password is wrong")]
    WrongPassword,
    /// The last administrator that can sign in would be gone.
    #[error("{name} is the last administrator; make another one first")]
    LastAdministrator {
        /// The name.
        name: String,
    },
    /// Something else about what was given, in a sentence.
    #[error("{0}")]
    Invalid(String),
    /// A row holds what no version of the program writes.
    #[error("a row of accounts is damaged in column {column}")]
    Damaged {
        /// Position in the row, from 0.
        column: usize,
    },
    /// No more passwords can be checked at the moment.
    #[error("too many passwords are being checked; try again in some seconds")]
    Busy,
    /// Something of the system failed: no random numbers, a thread that ended.
    #[error("accounts: {0}")]
    System(String),
    /// The audit log failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}
