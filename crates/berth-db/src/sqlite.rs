//! The embedded engine: one writer thread with group commit, readers in place, checkpoints on a thread of their own.

mod checkpoint;
mod open;
mod readers;
mod writer;

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use crate::tx::Engine;
use crate::{BoxFuture, DbError, Tx};
use readers::Readers;
use writer::{Job, Writer};

pub(crate) struct Sqlite {
    readers: Readers,
    writer: Writer,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path) -> Result<Sqlite, DbError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let connection = open::writer(&path)?;
            let writer = Writer::start(connection, open::checkpointer(&path)?)?;
            Ok(Sqlite { readers: Readers::new(path), writer })
        });
        opened.await.map_err(|error| DbError::Stopped { reason: error.to_string() })?
    }

    pub(crate) fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<DbError>,
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>>,
    {
        let mut connection = self.readers.take()?;
        let result = now(work(Tx(Engine::Sqlite(&mut connection))));
        self.readers.put(connection);
        result
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        let (send, receive) = oneshot::channel();
        self.writer.submit(Job::new(
            move |connection| now(work(Tx(Engine::Sqlite(connection)))),
            // A caller that went away does not hear of it; the transaction stands all the same.
            move |result| drop(send.send(result)),
        ))?;
        match receive.await {
            Ok(result) => result,
            Err(_) => Err(self.writer.stopped().into()),
        }
    }

    pub(crate) fn write_later<F>(&self, work: F)
    where
        F: for<'t> Fn(Tx<'t>) -> BoxFuture<'t, Result<(), DbError>> + Send + 'static,
    {
        let queued = self.writer.submit(
            Job::new(
                move |connection| now(work(Tx(Engine::Sqlite(connection)))),
                |result: Result<(), DbError>| {
                    if let Err(error) = result {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a deferred write failed");
                    }
                },
            )
            .deferred(),
        );
        if let Err(error) = queued {
            tracing::warn!(error = &error as &dyn std::error::Error, "a deferred write was refused");
        }
    }

    pub(crate) fn epoch(&self) -> Option<u64> {
        self.writer.epoch()
    }

    pub(crate) fn check(&self) -> Result<(), DbError> {
        self.writer.check()
    }
}

/// Runs a transaction function whose statements never wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a transaction may only await its own statements"),
    }
}
