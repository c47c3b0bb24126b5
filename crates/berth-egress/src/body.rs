//! What comes back: piece by piece, never more than is wanted, never slower than is borne.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body::Body;
use hyper::body;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::EgressError;

/// A body on its way in: a stream of its pieces. It ends with an error if nothing comes for a while, and if the
/// connection ends before the length that was announced.
pub struct Incoming {
    body: body::Incoming,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Incoming {
    pub(crate) fn new(body: body::Incoming, idle: Duration) -> Incoming {
        Incoming { body, idle, timer: Box::pin(sleep(idle)) }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, EgressError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(EgressError::Broken(error.into()))));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let next = Instant::now() + self.idle;
                    self.timer.as_mut().reset(next);
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Pending => {
                    ready!(self.timer.as_mut().poll(cx));
                    return Poll::Ready(Some(Err(EgressError::TooSlow(self.idle))));
                }
            }
        }
    }
}

/// Reads a whole body of at most `limit` bytes, for which four times the idle limit is waited: what is read whole is
/// small, and what comes in drops would keep somebody waiting for ever.
///
/// # Errors
/// [`EgressError::TooLong`] as soon as it is longer, and those of the stream.
pub async fn whole(body: Incoming, limit: usize) -> Result<Bytes, EgressError> {
    let time = body.idle * 4;
    timeout(time, collected(body, limit)).await.map_err(|_| EgressError::TooSlow(time))?
}

async fn collected(mut body: Incoming, limit: usize) -> Result<Bytes, EgressError> {
    let Some(first) = body.next().await.transpose()? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(EgressError::TooLong { limit });
    }
    let Some(second) = body.next().await.transpose()? else { return Ok(first) };
    let mut all = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if all.len() + piece.len() > limit {
            return Err(EgressError::TooLong { limit });
        }
        all.extend_from_slice(&piece);
        next = body.next().await.transpose()?;
    }
    Ok(all.freeze())
}
