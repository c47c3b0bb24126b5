//! A transaction: the only way to run a statement.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use crate::{DbError, Row, Value, sql};

/// A running transaction (or, in [`crate::Db::read`], a read-only connection).
///
/// It may only await its own statements: on SQLite every statement is done when its future is first polled.
pub struct Tx<'t>(pub(crate) Engine<'t>);

pub(crate) enum Engine<'t> {
    Sqlite(&'t mut Connection),
    /// The flag is set when the database asks to repeat the transaction, whatever the caller makes of the error.
    Postgres(&'t deadpool_postgres::ClientWrapper, &'t AtomicBool),
}

impl Tx<'_> {
    /// Runs a statement and gives all its rows. Keep answers small: page long lists.
    ///
    /// # Errors
    /// Any [`DbError`] of the engine.
    pub async fn query(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>, DbError> {
        match &mut self.0 {
            Engine::Sqlite(connection) => query_sqlite(connection, sql, params),
            Engine::Postgres(client, retry) => noted(query_postgres(client, sql, params).await, retry),
        }
    }

    /// Runs a statement that gives at most one row that matters.
    ///
    /// # Errors
    /// Any [`DbError`] of the engine.
    pub async fn query_opt(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Option<Row>, DbError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Runs a statement that must give a row.
    ///
    /// # Errors
    /// [`DbError::NoRow`] if it gives none.
    pub async fn query_one(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Row, DbError> {
        self.query_opt(sql, params).await?.ok_or(DbError::NoRow)
    }

    /// Runs a statement and tells how many rows it changed.
    ///
    /// # Errors
    /// Any [`DbError`] of the engine.
    pub async fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, DbError> {
        match &mut self.0 {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql).map_err(DbError::from_sqlite)?;
                let changed =
                    statement.execute(rusqlite::params_from_iter(params)).map_err(DbError::from_sqlite)?;
                Ok(changed as u64)
            }
            Engine::Postgres(client, retry) => noted(execute_postgres(client, sql, params).await, retry),
        }
    }
}

fn query_sqlite(connection: &Connection, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>, DbError> {
    let mut statement = connection.prepare_cached(sql).map_err(DbError::from_sqlite)?;
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(DbError::from_sqlite)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(DbError::from_sqlite)? {
        out.push(Row::from_sqlite(row, columns)?);
    }
    Ok(out)
}

async fn query_postgres(
    client: &deadpool_postgres::ClientWrapper,
    sql: &str,
    params: &[Value<'_>],
) -> Result<Vec<Row>, DbError> {
    use futures_util::TryStreamExt;
    let statement = client.prepare_cached(&sql::for_postgres(sql)).await?;
    let rows = client.query_raw(&statement, params).await?;
    futures_util::pin_mut!(rows);
    let mut out = Vec::new();
    while let Some(row) = rows.try_next().await? {
        out.push(Row::from_postgres(&row)?);
    }
    Ok(out)
}

async fn execute_postgres(
    client: &deadpool_postgres::ClientWrapper,
    sql: &str,
    params: &[Value<'_>],
) -> Result<u64, DbError> {
    let statement = client.prepare_cached(&sql::for_postgres(sql)).await?;
    Ok(client.execute_raw(&statement, params).await?)
}

fn noted<T>(result: Result<T, DbError>, retry: &AtomicBool) -> Result<T, DbError> {
    if result.as_ref().is_err_and(DbError::wants_retry) {
        retry.store(true, Ordering::Relaxed);
    }
    result
}
