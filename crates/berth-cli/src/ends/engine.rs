//! Docker's engine, which gives and takes images as archives over its HTTP API.

use std::io::{self, ErrorKind, Read};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

mod address;

use address::Address;

/// Pieces on their way at a time.
const WAITING: usize = 4;
/// Bytes of a line of the engine that are read.
const LINE: usize = 64 * 1024;
/// What stands for itself in no query.
const QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'&').add(b'+').add(b'%').add(b'<').add(b'>');

/// The engine.
pub(crate) struct Engine {
    address: Address,
}

impl Engine {
    /// The engine that docker itself would speak to: by `DOCKER_HOST`, else by its context, else on this machine.
    ///
    /// # Errors
    /// That it is spoken to in a way that only docker knows.
    pub(crate) fn find(environment: &Environment) -> Result<Engine, Failure> {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Ok(Engine { address: Address::find(get, environment.folders.docker.as_deref())? })
    }

    /// Finds out that it is there, before anything is fetched for it.
    ///
    /// # Errors
    /// That it cannot be reached.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        self.address.connect().await.map(drop).map_err(|error| self.unreached(&error))
    }

    /// An archive with the image, to be read where threads may wait.
    ///
    /// # Errors
    /// That the engine cannot be reached, or has no such image.
    pub(crate) async fn save(&self, name: &str) -> Result<impl Read + Send + 'static, Failure> {
        let path = format!("/images/get?names={}", utf8_percent_encode(name, QUERY));
        let answer = self.ask(Method::GET, &path, stream::empty().boxed()).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(Failure::other(format!("No such image: {name}"))
                .hint("'docker images' lists what the engine has"));
        }
        let mut body = self.succeeded(answer).await?.into_body();
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
        let mut body = self.succeeded(answer).await?.into_body();
        // It answers 200 before it has read anything; what goes wrong then stands in the answer.
        match complaint(&mut body).await {
            Ok(None) => Ok(()),
            Ok(Some(said)) => Err(Failure::other(format!("the engine does not take the image: {said}"))
                .hint("its log tells more, for example 'journalctl -u docker'")),
            Err(error) => Err(self.unreached(&error)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: stream::BoxStream<'static, io::Result<Bytes>>,
    ) -> Result<Response<Incoming>, Failure> {
        let stream = self.address.connect().await.map_err(|error| self.unreached(&error))?;
        let (mut asker, connection) =
            http1::handshake(stream).await.map_err(|error| self.unreached(&io::Error::other(error)))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "docker")
            .header("content-type", "application/x-tar")
            .body(StreamBody::new(body.map(|piece| piece.map(Frame::data))))
            .map_err(Failure::other)?;
        asker.send_request(request).await.map_err(|error| self.unreached(&io::Error::other(error)))
    }

    async fn succeeded(&self, answer: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let said = complaint(&mut answer.into_body()).await.ok().flatten();
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        Err(Failure::other(format!("the engine at {} answers with status {status}{said}", self.address))
            .hint("see whether it is an engine of docker; DOCKER_HOST names another one"))
    }

    fn unreached(&self, error: &io::Error) -> Failure {
        let address = &self.address;
        match error.kind() {
            ErrorKind::PermissionDenied => {
                let text =
                    format!("permission denied while trying to connect to the Docker daemon at {address}");
                Failure::other(text).hint("who is in the group docker may do that, and root")
            }
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure::other(format!(
                "Cannot connect to the Docker daemon at {address}. Is the docker daemon running?"
            ))
            .hint("DOCKER_HOST names another one; without one, local:NAME or docker-archive:FILE may do"),
            _ => Failure::other(format!("the Docker daemon at {address} broke off: {error}"))
                .hint("its log tells more, for example 'journalctl -u docker'"),
        }
    }
}

/// What the engine complains of, in an answer of JSON documents.
async fn complaint(body: &mut Incoming) -> io::Result<Option<String>> {
    let (mut line, mut found) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(io::Error::other)?.into_data() else { continue };
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(&part[..part.len().min(LINE.saturating_sub(line.len()))]);
            if part.ends_with(b"\n") {
                found = found.or_else(|| said(&line));
                line.clear();
            }
        }
    }
    Ok(found.or_else(|| said(&line)))
}

fn said(line: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(line).ok()?;
    let text = ["error", "message"].iter().find_map(|field| document[field].as_str())?;
    Some(output::plain(text.trim()))
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

#[cfg(test)]
mod tests;
