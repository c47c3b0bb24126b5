//! Rows behind one handle: SQLite for a single server, PostgreSQL for several, one set of queries for both.
//!
//! A caller writes a transaction once, as an async function over a [`Tx`], with `?1`-style parameters and the three
//! value types that both engines share (64-bit integer, text, bytes). On SQLite the statements run on the writer's
//! thread, and many waiting transactions share one fsync; on PostgreSQL they run on a pooled connection under
//! serializable isolation and are repeated when the database asks for it. Callers cannot tell which.
//!
//! ```
//! # use berth_db::{Db, DbError, Migration, Schema, params};
//! # async fn demo(path: &std::path::Path) -> Result<(), DbError> {
//! let db = Db::open_sqlite(path).await?;
//! const COUNTERS: &str = "CREATE TABLE counters (name KEY PRIMARY KEY, n BIGINT NOT NULL)";
//! const SCHEMA: Schema =
//!     Schema { name: "demo", steps: &[Migration { version: 1, name: "counters", sql: COUNTERS }] };
//! db.migrate(SCHEMA).await?;
//! let n = db
//!     .write(|mut tx| {
//!         Box::pin(async move {
//!             let row = tx
//!                 .query_one("INSERT INTO counters VALUES (?1, 1) ON CONFLICT (name) DO UPDATE SET n = counters.n + 1 RETURNING n", params!["pushes"])
//!                 .await?;
//!             row.get::<i64>(0)
//!         })
//!     })
//!     .await?;
//! assert_eq!(n, 1);
//! # Ok(()) }
//! # let dir = tempfile::tempdir().unwrap();
//! # tokio::runtime::Runtime::new().unwrap().block_on(demo(&dir.path().join("doc.db"))).unwrap();
//! ```

mod db;
mod error;
mod migrate;
mod postgres;
mod sql;
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod value;

pub use db::{BoxFuture, Db};
pub use error::DbError;
pub use migrate::{Migration, Schema};
pub use tx::Tx;
pub use value::{FromValue, Row, Stored, Value};
