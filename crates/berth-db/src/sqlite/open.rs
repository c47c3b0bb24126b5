//! How connections are opened, and the settings that durability rests on.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::DbError;

/// Statements kept prepared per connection: more than the program has, so none is parsed twice.
const STATEMENTS: usize = 512;

/// Opens the one connection that writes, and proves that a commit will be synced.
pub(super) fn writer(path: &Path) -> Result<Connection, DbError> {
    make_private(path)?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let level = synchronous();
    connection.pragma_update(None, "synchronous", level)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Checkpoints have a thread of their own, so that no commit waits for one.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    expect(&connection, "journal_mode", "wal")?;
    expect(&connection, "synchronous", if level == "FULL" { "2" } else { "1" })?;
    expect(&connection, "foreign_keys", "1")?;
    Ok(connection)
}

/// Makes the file so that only its owner may read it; its log takes the same rights. One that is there stays as it is.
fn make_private(path: &Path) -> Result<(), DbError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
            let source = rusqlite::Error::SqliteFailure(code, Some(error.to_string()));
            Err(DbError::Open { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Opens the connection that copies the log back into the file.
pub(super) fn checkpointer(path: &Path) -> Result<Connection, DbError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", 16)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(super) fn reader(path: &Path) -> Result<Connection, DbError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, mode: OpenFlags) -> Result<Connection, DbError> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|source| DbError::Open { path: path.to_owned(), source })?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // The bundled SQLite looks at bound values to plan, so it would plan every statement anew at every use: ten times
    // the cost of a lookup. Our statements have one good plan each.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn expect(connection: &Connection, setting: &'static str, expected: &'static str) -> Result<(), DbError> {
    let found = connection.pragma_query_value(None, setting, |row| {
        row.get_ref(0).map(|value| match value {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        })
    })?;
    if found == expected { Ok(()) } else { Err(DbError::Unsafe { setting, found, expected }) }
}

/// `FULL` syncs the log at every commit; anything less loses acknowledged commits in a power cut.
fn synchronous() -> &'static str {
    #[cfg(feature = "sabotage")]
    if std::env::var_os("BERTH_SABOTAGE").is_some_and(|what| what == "sqlite-normal") {
        return "NORMAL";
    }
    "FULL"
}
