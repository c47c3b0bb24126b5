//! Fresh databases of every engine at hand, for contract tests.
//!
//! SQLite always; PostgreSQL when `BERTH_TEST_POSTGRES` names a server (`postgres://user@host:port/database`). Each
//! test gets a schema of its own there, so tests may run side by side.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::{Db, DbError};

/// Name of the variable with the server for tests.
pub const POSTGRES: &str = "BERTH_TEST_POSTGRES";

/// A database that goes away with the test.
pub struct TestDb {
    /// The handle.
    pub db: Db,
    /// Which engine it is, for messages.
    pub engine: &'static str,
    _folder: Option<TempDir>,
}

/// A fresh SQLite database in a temporary folder.
///
/// # Panics
/// If it cannot be made.
pub async fn sqlite() -> TestDb {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let db = Db::open_sqlite(&folder.path().join("test.db")).await.expect("a database");
    TestDb { db, engine: "sqlite", _folder: Some(folder) }
}

/// A fresh schema on the PostgreSQL server for tests, if there is one.
///
/// # Panics
/// If there is one and it does not answer.
pub async fn postgres() -> Option<TestDb> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let url = std::env::var(POSTGRES).ok()?;
    let schema = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let make = Db::open_postgres(&url).await.expect("the PostgreSQL server for tests");
    let sql = format!("CREATE SCHEMA {schema}");
    let made: Result<u64, DbError> = make
        .write(move |mut tx| {
            let sql = sql.clone();
            Box::pin(async move { tx.execute(&sql, &[]).await })
        })
        .await;
    made.expect("a schema");
    let joint = if url.contains('?') { '&' } else { '?' };
    let db = Db::open_postgres(&format!("{url}{joint}options=-csearch_path%3D{schema}"))
        .await
        .expect("the schema");
    Some(TestDb { db, engine: "postgres", _folder: None })
}

/// Runs a contract on every engine at hand.
pub async fn on_each<F: Future<Output = ()>>(contract: impl Fn(TestDb) -> F) {
    contract(sqlite().await).await;
    match postgres().await {
        Some(db) => contract(db).await,
        None => println!("not run on PostgreSQL: {POSTGRES} names no server"),
    }
}
