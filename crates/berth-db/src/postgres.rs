//! The engine for several servers: pooled connections, serializable transactions, retries when the database asks.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;

use crate::tx::Engine;
use crate::{BoxFuture, DbError, Tx};

/// Connections per server process.
const CONNECTIONS: usize = 16;
/// How long a request may wait for a connection before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);
/// Attempts at a transaction that the database asks to repeat.
const ATTEMPTS: u32 = 20;

#[derive(Clone)]
pub(crate) struct Postgres {
    pool: Pool,
}

impl Postgres {
    pub(crate) async fn open(url: &str) -> Result<Postgres, DbError> {
        let config: tokio_postgres::Config = url.parse()?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .build()
            .map_err(|error| DbError::Unreachable(Box::new(error)))?;
        let engine = Postgres { pool };
        for setting in ["fsync", "full_page_writes"] {
            engine.expect_on(setting).await?;
        }
        Ok(engine)
    }

    /// A server that does not sync cannot keep what we acknowledge.
    async fn expect_on(&self, setting: &'static str) -> Result<(), DbError> {
        let row = self.client().await?.query_one(&format!("SHOW {setting}"), &[]).await?;
        let found: String = row.try_get(0)?;
        if found == "on" { Ok(()) } else { Err(DbError::Unsafe { setting, found, expected: "on" }) }
    }

    async fn client(&self) -> Result<Object, DbError> {
        self.pool.get().await.map_err(|error| DbError::Unreachable(Box::new(error)))
    }

    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<DbError>,
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>>,
    {
        let client = self.client().await?;
        let retry = AtomicBool::new(false);
        work(Tx(Engine::Postgres(&client, &retry))).await
    }

    /// Runs in a task of its own: a caller that stops waiting must not leave a transaction open on a pooled connection.
    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        let engine = self.clone();
        let task = tokio::spawn(async move { engine.transaction(work).await });
        task.await.map_err(|error| DbError::Stopped { reason: error.to_string() })?
    }

    pub(crate) fn write_later<F>(&self, work: F)
    where
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<(), DbError>> + Send + Sync + 'static,
    {
        let engine = self.clone();
        tokio::spawn(async move {
            if let Err(error) = engine.transaction(work).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a deferred write failed");
            }
        });
    }

    async fn transaction<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<DbError>,
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>>,
    {
        let client = self.client().await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.attempt(&client, &work).await {
                Attempt::Done(result) => return result,
                Attempt::Repeat(error) if attempt >= ATTEMPTS => return Err(error),
                Attempt::Repeat(_) => tokio::time::sleep(Duration::from_millis(u64::from(attempt * 2))).await,
            }
        }
    }

    async fn attempt<T, E, F>(&self, client: &Object, work: &F) -> Attempt<T, E>
    where
        E: From<DbError>,
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>>,
    {
        if let Err(error) = client.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE").await {
            return Attempt::Done(Err(DbError::from(error).into()));
        }
        let retry = AtomicBool::new(false);
        let result = work(Tx(Engine::Postgres(client, &retry))).await;
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        match (client.batch_execute(end).await, result) {
            (Ok(()), Err(error)) if retry.into_inner() => Attempt::Repeat(error),
            (Ok(()), result) => Attempt::Done(result),
            (Err(error), _) => {
                let error = DbError::from(error);
                if error.wants_retry() {
                    Attempt::Repeat(error.into())
                } else {
                    Attempt::Done(Err(error.into()))
                }
            }
        }
    }
}

enum Attempt<T, E> {
    Done(Result<T, E>),
    Repeat(E),
}
