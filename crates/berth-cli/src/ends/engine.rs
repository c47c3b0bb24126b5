//! Docker's engine, which gives and takes images as archives over its HTTP API.

use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Pieces on their way at a time.
const WAITING: usize = 4;
/// Bytes of a message of the engine that are read.
const MESSAGE: usize = 64 * 1024;

/// The engine.
pub(crate) struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The engine that docker itself would speak to, by `DOCKER_HOST`.
    ///
    /// # Errors
    /// That it is spoken to in a way that only docker knows.
    pub(crate) fn find() -> Result<Engine, Failure> {
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let host = host.as_deref().unwrap_or("unix:///var/run/docker.sock");
        match host.strip_prefix("unix://") {
            Some(path) => Ok(Engine { socket: path.into() }),
            None => {
                Err(Failure::other(format!("DOCKER_HOST is {host}, and only unix:// sockets are spoken to"))
                    .hint("'docker save NAME | berth load' goes by docker itself"))
            }
        }
    }

    /// An archive with the image, to be read where threads may wait.
    ///
    /// # Errors
    /// That the engine cannot be reached, or has no such image.
    pub(crate) async fn save(&self, name: &str) -> Result<impl Read + Send + 'static, Failure> {
        let path = format!("/images/{}/get", utf8_percent_encode(name, NON_ALPHANUMERIC));
        let answer = self.ask(Method::GET, &path, stream::empty().boxed()).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(Failure::other(format!("No such image: {name}"))
                .hint("'docker images' lists what the engine has"));
        }
        let mut body = succeeded(answer).await?.into_body();
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            while let Some(frame) = body.frame().await {
                let piece =
                    frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(io::Error::other);
                // Whoever reads has gone.
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Ok(Reading { receiver, piece: Bytes::new() })
    }

    /// Gives the engine an archive.
    ///
    /// # Errors
    /// That the engine cannot be reached, or does not take it.
    pub(crate) async fn load(&self, archive: tokio::fs::File) -> Result<(), Failure> {
        let pieces = stream::try_unfold(archive, |mut archive| async move {
            let mut piece = bytes::BytesMut::with_capacity(256 * 1024);
            let read = archive.read_buf(&mut piece).await?;
            Ok::<_, io::Error>((read > 0).then(|| (piece.freeze(), archive)))
        });
        let answer = self.ask(Method::POST, "/images/load?quiet=1", pieces.boxed()).await?;
        let mut body = succeeded(answer).await?.into_body();
        let said = message(&mut body).await;
        // It answers 200 before it has read anything; what goes wrong then stands in the answer.
        match said.contains("\"error\"") {
            true => Err(Failure::other(format!("the engine does not take the image: {said}"))),
            false => Ok(()),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: stream::BoxStream<'static, io::Result<Bytes>>,
    ) -> Result<Response<Incoming>, Failure> {
        let unreached = |error: &dyn std::fmt::Display| {
            Failure::other(format!(
                "Cannot connect to the Docker daemon at unix://{}: {error}",
                self.socket.display()
            ))
            .hint("is it running, and may you use its socket? DOCKER_HOST names another one")
        };
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| unreached(&error))?;
        let (mut asker, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreached(&error))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "docker")
            .header("content-type", "application/x-tar")
            .body(StreamBody::new(body.map(|piece| piece.map(Frame::data))))
            .map_err(Failure::other)?;
        asker.send_request(request).await.map_err(|error| unreached(&error))
    }
}

async fn succeeded(answer: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let said = message(&mut answer.into_body()).await;
    Err(Failure::other(format!("the engine answers with status {status}: {said}")))
}

/// The beginning of what the engine says.
async fn message(body: &mut Incoming) -> String {
    let mut said = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(piece) = frame.into_data()
            && said.len() < MESSAGE
        {
            said.extend_from_slice(&piece);
        }
    }
    crate::output::plain(String::from_utf8_lossy(&said).trim())
}

/// What comes, as a reader that waits.
struct Reading {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let taken = buffer.len().min(self.piece.len());
        buffer[..taken].copy_from_slice(&self.piece.split_to(taken));
        Ok(taken)
    }
}
