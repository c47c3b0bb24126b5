//! What goes out: nothing, a text, or a stream of a length that is known before.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

/// A body on its way out.
pub type Outgoing = UnsyncBoxBody<Bytes, Failure>;

/// No body.
pub fn empty() -> Outgoing {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is at hand as a whole.
pub fn bytes(content: Bytes) -> Outgoing {
    Full::from(content).map_err(|never| match never {}).boxed_unsync()
}

/// A form, with the header that says so.
pub fn form(text: String) -> (Outgoing, HeaderMap) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    (bytes(text.into()), headers)
}

/// A body of exactly `length` bytes, which come piece by piece. A stream that has more or less is an error of the
/// request: the server never takes a part for the whole.
pub fn stream<S, E>(content: S, length: u64) -> Outgoing
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Failure>,
{
    Measured { content: Box::pin(content), left: length }.boxed_unsync()
}

struct Measured<S> {
    content: Pin<Box<S>>,
    left: u64,
}

impl<S, E> Body for Measured<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Failure>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match ready!(self.content.as_mut().poll_next(cx)) {
            None => return Poll::Ready(Some(Err("the content is shorter than it was said to be".into()))),
            Some(piece) => piece.map_err(Into::into)?,
        };
        match self.left.checked_sub(piece.len() as u64) {
            None => Poll::Ready(Some(Err("the content is longer than it was said to be".into()))),
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// When a body last moved.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    pub(crate) fn new() -> Pulse {
        Pulse(Arc::new(Mutex::new(Instant::now())))
    }

    pub(crate) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// The same body, which tells when it moves: a piece is only asked for when there is room for it on the wire.
pub(crate) fn watched(body: Outgoing, pulse: Pulse) -> Outgoing {
    Watched { body, pulse }.boxed_unsync()
}

struct Watched {
    body: Outgoing,
    pulse: Pulse,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.pulse.beat();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
