//! The body of a response as hyper takes it: pieces in order, and a record when it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::exchange::Exchange;
use super::file_part::FilePart;
use super::pulse::{Pulse, Waiting};
use super::response_body::{Part, PieceError, PieceStream, ResponseBody};
use super::stand_in::FileQueue;

/// A response body in the shape that its connection needs.
#[derive(Debug)]
pub(crate) struct WireBody {
    current: Source,
    later: std::vec::IntoIter<Part>,
    /// Bytes still to come, when known.
    remaining: Option<u64>,
    queue: Option<Arc<FileQueue>>,
    waiting: Waiting,
    exchange: Exchange,
}

enum Source {
    Ended,
    Bytes(Bytes),
    File(FilePart),
    Stream(PieceStream),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Ended => "Ended",
            Source::Bytes(_) => "Bytes",
            Source::File(_) => "File",
            Source::Stream(_) => "Stream",
        })
    }
}

impl WireBody {
    /// `queue` is there when the connection can send files itself.
    pub(crate) fn new(body: ResponseBody, queue: Option<Arc<FileQueue>>, exchange: Exchange) -> WireBody {
        let remaining = body.len();
        let mut wire = WireBody {
            current: Source::Ended,
            later: Vec::new().into_iter(),
            remaining,
            queue,
            waiting: Waiting::default(),
            exchange,
        };
        match body {
            ResponseBody::Empty => {}
            ResponseBody::Full(bytes) => wire.enter(Part::Bytes(bytes)),
            ResponseBody::File { file, offset, len } => wire.enter(Part::File { file, offset, len }),
            ResponseBody::Parts(parts) => wire.later = parts.into_iter(),
            ResponseBody::Stream { pieces, .. } => wire.current = Source::Stream(pieces),
        }
        wire.advance();
        if wire.is_end_stream() {
            wire.exchange.complete();
        }
        wire
    }

    fn enter(&mut self, part: Part) {
        self.current = match part {
            Part::Bytes(bytes) => Source::Bytes(bytes),
            Part::File { file, offset, len } => {
                Source::File(FilePart::new(file, offset, len, self.queue.as_ref()))
            }
        };
    }

    /// Leaves what is used up, so that the end is known without another poll.
    fn advance(&mut self) {
        loop {
            let used_up = match &self.current {
                Source::Ended => true,
                Source::Bytes(bytes) => bytes.is_empty(),
                Source::File(file) => file.remaining() == 0,
                Source::Stream(_) => self.remaining == Some(0),
            };
            if !used_up {
                return;
            }
            self.current = Source::Ended;
            match self.later.next() {
                Some(part) => self.enter(part),
                None => return,
            }
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PieceError>>> {
        match &mut self.current {
            Source::Ended => Poll::Ready(None),
            Source::Bytes(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Source::File(file) => file.poll_piece(cx).map(|piece| Some(piece.map_err(PieceError::from))),
            Source::Stream(pieces) => {
                let piece = ready!(pieces.as_mut().poll_next(cx));
                match (&piece, self.remaining) {
                    // The length was declared: a stream that ends early must not look complete.
                    (None, Some(1..)) => Poll::Ready(Some(Err("the body is shorter than declared".into()))),
                    (Some(Ok(bytes)), Some(remaining)) if bytes.len() as u64 > remaining => {
                        Poll::Ready(Some(Err("the body is longer than declared".into())))
                    }
                    _ => Poll::Ready(piece),
                }
            }
        }
    }

    fn pulse(&self) -> &Arc<Pulse> {
        self.exchange.pulse()
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = PieceError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PieceError>>> {
        let this = &mut *self;
        this.waiting.end(this.exchange.pulse());
        match ready!(this.poll_piece(cx)) {
            None => {
                this.current = Source::Ended;
                this.exchange.complete();
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                this.current = Source::Ended;
                this.pulse().break_off();
                tracing::warn!(error = %error, path = this.exchange.path(), "a response broke off");
                Poll::Ready(Some(Err(error)))
            }
            Some(Ok(bytes)) => {
                this.exchange.sent(bytes.len());
                this.remaining = this.remaining.map(|remaining| remaining - bytes.len() as u64);
                this.advance();
                if this.is_end_stream() {
                    this.exchange.complete();
                }
                // Until it is polled again, this body waits for the client to take the piece.
                this.waiting.begin(this.exchange.pulse());
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.current, Source::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for WireBody {
    fn drop(&mut self) {
        self.waiting.end(self.exchange.pulse());
    }
}
