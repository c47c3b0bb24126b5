//! The handle that hides which engine there is.

use std::any::Any;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::migrate::{self, Schema};
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::{DbError, Tx};

/// What a transaction function gives back.
pub type BoxFuture<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// A database. Clones share it.
#[derive(Clone)]
pub struct Db(Arc<Engine>);

enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A result whose types are not known, so that each engine is compiled once and not once for each transaction: a third
/// of the program was that.
type Anything = Result<Box<dyn Any + Send>, Failed>;

/// Why a transaction of unknown type failed.
enum Failed {
    /// The engine failed.
    Engine(DbError),
    /// The work gave this back.
    Work(Box<dyn Any + Send>),
}

impl From<DbError> for Failed {
    fn from(error: DbError) -> Failed {
        Failed::Engine(error)
    }
}

fn erased<T, E, F>(work: F) -> Box<dyn for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Anything> + Send + Sync>
where
    T: Send + 'static,
    E: Send + 'static,
    F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
{
    Box::new(move |tx| {
        let working = work(tx);
        Box::pin(async move {
            match working.await {
                Ok(done) => Ok(Box::new(done) as Box<dyn Any + Send>),
                Err(error) => Err(Failed::Work(Box::new(error))),
            }
        })
    })
}

fn opened<T: 'static, E: From<DbError> + 'static>(done: Anything) -> Result<T, E> {
    match done {
        Ok(done) => Ok(*done.downcast().expect("it was boxed by the same call")),
        Err(Failed::Engine(error)) => Err(error.into()),
        Err(Failed::Work(error)) => Err(*error.downcast().expect("it was boxed by the same call")),
    }
}

impl Db {
    /// Opens, or makes, an embedded database file. Only one process may have it open.
    ///
    /// # Errors
    /// [`DbError::Open`], or [`DbError::Unsafe`] if a setting that durability rests on does not take.
    pub async fn open_sqlite(path: &Path) -> Result<Db, DbError> {
        Ok(Db(Arc::new(Engine::Sqlite(Sqlite::open(path).await?))))
    }

    /// Connects to a PostgreSQL server, `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// [`DbError::Unreachable`], or [`DbError::Unsafe`] if the server runs with `fsync` or `full_page_writes` off.
    pub async fn open_postgres(url: &str) -> Result<Db, DbError> {
        Ok(Db(Arc::new(Engine::Postgres(Postgres::open(url).await?))))
    }

    /// Brings the tables of one crate up to the last step of `schema`, each step in a transaction of its own.
    ///
    /// # Errors
    /// [`DbError::NewerSchema`] if the database knows a later version; any other error of a statement.
    pub async fn migrate(&self, schema: Schema) -> Result<(), DbError> {
        migrate::run(self, schema).await
    }

    /// Runs `work` on a connection that cannot write. Each statement sees all that was acknowledged before it.
    ///
    /// On SQLite this happens in place, so keep it to lookups by key and to pages of bounded size.
    ///
    /// # Errors
    /// Whatever `work` gives back, or the engine's error.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        let work = erased(work);
        opened(match &*self.0 {
            Engine::Sqlite(engine) => engine.read(work),
            Engine::Postgres(engine) => engine.read(work).await,
        })
    }

    /// Runs `work` as one serializable transaction and comes back when it is durable.
    ///
    /// An error from `work` undoes all of it. `work` may be run more than once (PostgreSQL), so it must not have
    /// effects outside of the transaction. It finishes also when the caller stops waiting.
    ///
    /// # Errors
    /// Whatever `work` gives back, or the engine's error; after an engine error at commit the outcome is unknown.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        let work = erased(work);
        opened(match &*self.0 {
            Engine::Sqlite(engine) => engine.write(work).await,
            Engine::Postgres(engine) => engine.write(work).await,
        })
    }

    /// Queues `work` for a commit within some 50 ms and does not wait for it: for rows whose loss in a power cut costs
    /// a client one more attempt and nobody any data. Later writes see it. A failure is logged.
    pub fn write_later<F>(&self, work: F)
    where
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<(), DbError>> + Send + Sync + 'static,
    {
        match &*self.0 {
            Engine::Sqlite(engine) => engine.write_later(work),
            Engine::Postgres(engine) => engine.write_later(work),
        }
    }

    /// The number of the present state of the rows, if that can be known without asking: an answer that was read under
    /// an epoch is right as long as [`Db::epoch`] gives the same.
    ///
    /// The embedded engine changes it with every commit, before anybody hears of the commit. Between the two, and on
    /// an engine that others write to as well, there is none.
    pub fn epoch(&self) -> Option<u64> {
        match &*self.0 {
            Engine::Sqlite(engine) => engine.epoch(),
            Engine::Postgres(_) => None,
        }
    }

    /// Answers if the database can be read and still accepts writes.
    ///
    /// # Errors
    /// [`DbError::Stopped`] after a failed commit, or what the engine says.
    pub async fn check(&self) -> Result<(), DbError> {
        if let Engine::Sqlite(engine) = &*self.0 {
            engine.check()?;
        }
        self.read(|mut tx| Box::pin(async move { tx.query_one("SELECT 1", &[]).await.map(|_| ()) })).await
    }

    /// Runs statements of a schema, spelled for the engine, in the transaction.
    pub(crate) fn dialect(&self) -> crate::sql::Dialect {
        match &*self.0 {
            Engine::Sqlite(_) => crate::sql::Dialect::Sqlite,
            Engine::Postgres(_) => crate::sql::Dialect::Postgres,
        }
    }
}
