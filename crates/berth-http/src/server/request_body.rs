//! The body of a request, as a stream of byte pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::pulse::{Pulse, Waiting};
use super::tally::Tally;

/// A body this small that the handler did not read is read to its end, so that the connection can be used again.
const SMALL: u64 = 64 << 10;
/// How long the rest of a small body may take to arrive.
const SMALL_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request: a stream of pieces that asks the socket for more only when it is polled.
///
/// A body that is dropped unread is no error: the answer is sent, a bounded rest is read and thrown away.
#[derive(Debug)]
pub struct RequestBody {
    /// `None` once the end, or an error, was seen.
    incoming: Option<Incoming>,
    pulse: Arc<Pulse>,
    tally: Arc<Tally>,
    waiting: Waiting,
    /// Whether reading would be harmless: with `Expect: 100-continue` it would invite the client to send.
    invited: bool,
}

/// Why the body of a request ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the client stopped sending the request body")]
pub struct RequestBodyError(#[source] hyper::Error);

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        expects_continue: bool,
        pulse: Arc<Pulse>,
        tally: Arc<Tally>,
    ) -> RequestBody {
        let incoming = (!incoming.is_end_stream()).then_some(incoming);
        RequestBody { incoming, pulse, tally, waiting: Waiting::default(), invited: !expects_continue }
    }

    /// The number of bytes still to come, when the client declared it.
    pub fn exact_len(&self) -> Option<u64> {
        self.incoming.as_ref().map_or(Some(0), |incoming| incoming.size_hint().exact())
    }

    /// Whether nothing more will come, known without reading.
    pub fn is_end(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, RequestBodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.invited = true;
        while let Some(incoming) = &mut this.incoming {
            let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
                this.waiting.begin(&this.pulse);
                return Poll::Pending;
            };
            this.waiting.end(&this.pulse);
            match frame {
                None => this.incoming = None,
                Some(Err(error)) => {
                    this.incoming = None;
                    this.pulse.leave_unread();
                    return Poll::Ready(Some(Err(RequestBodyError(error))));
                }
                // Trailers carry nothing that a registry reads.
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        this.tally.receive(bytes.len());
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.waiting.end(&self.pulse);
        let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) else {
            return;
        };
        if self.invited && incoming.size_hint().upper().is_some_and(|len| len <= SMALL) {
            self.tally.leave(incoming);
        } else {
            self.pulse.leave_unread();
        }
    }
}

/// Reads the rest of a small body that the handler left, if there is one and it comes soon.
pub(crate) async fn finish_small(pulse: &Pulse, tally: &Tally) {
    let Some(mut incoming) = tally.take_leftover() else { return };
    let rest = async {
        while let Some(frame) = incoming.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(())
    };
    if !matches!(tokio::time::timeout(SMALL_TIMEOUT, rest).await, Ok(Ok(()))) {
        pulse.leave_unread();
    }
}
