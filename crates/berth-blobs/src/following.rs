//! Reading a stage while it is still being written.
//!
//! The writer tells how many bytes are in the file, and at last how it ended; readers wait for either. Nobody waits for
//! a reader. Until the digest was checked each reader lacks the last byte of what it asked for, so whatever it got
//! cannot be taken for the whole.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream;
use tokio::sync::watch;

use crate::FollowError;
use crate::backend::Source;
use crate::store::blocking;

/// Bytes read at once, which is what a reader holds in memory.
const READ: u64 = 256 * 1024;

/// The bytes of a stage as others see them, from [`Stage::follow`](crate::Stage::follow).
///
/// Cheap to clone. It outlives the stage: after the commit, and also if the same blob was there already, the bytes stay
/// readable as long as somebody holds this.
#[derive(Clone)]
pub struct Following {
    growth: Arc<Growth>,
    source: Arc<dyn Source>,
}

impl Following {
    /// The length of the whole in bytes, if it was known when following began.
    pub fn size(&self) -> Option<u64> {
        self.growth.size
    }

    /// The bytes of the range as they arrive, in pieces of at most 256 KiB. What lies beyond the end of the blob is left
    /// out: `0..u64::MAX` is all of it.
    ///
    /// The last byte, and the end of the stream, come only after [`Stage::verify`](crate::Stage::verify) found the digest
    /// to be right. How fast the stream is read, and whether to its end, makes no difference to the writer. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// As soon as it is known that the bytes will not be verified, whatever is still unread: see [`FollowError`].
    pub fn read(
        &self,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, FollowError>> + Send + 'static + use<> {
        let end = range.end.min(self.size().unwrap_or(u64::MAX));
        let state = self.growth.state.subscribe();
        let reader = Reader { following: self.clone(), state, at: range.start, end };
        stream::try_unfold(reader, async |mut reader| Ok(reader.next().await?.map(|piece| (piece, reader))))
    }

    /// Waits for the end, and returns the length in bytes once the digest was found to be right.
    ///
    /// # Errors
    ///
    /// As soon as it is known that the bytes will not be verified: see [`FollowError`].
    pub async fn finished(&self) -> Result<u64, FollowError> {
        let mut state = self.growth.state.subscribe();
        let ended = state.wait_for(|state| state.end.is_some()).await;
        ended.ok().and_then(|state| state.end.clone()).unwrap_or(Err(FollowError::Abandoned))
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("size", &self.growth.size).finish_non_exhaustive()
    }
}

/// One reader on its way.
struct Reader {
    following: Following,
    state: watch::Receiver<State>,
    at: u64,
    /// Where the range ends; never beyond a known size.
    end: u64,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, FollowError> {
        let Some(until) = self.readable().await? else { return Ok(None) };
        let len = (until - self.at).min(READ) as usize;
        let source = &self.following.source;
        let piece = match source.read_cached(self.at, len) {
            Some(piece) => piece,
            None => {
                let (source, at) = (source.clone(), self.at);
                blocking(move || source.read_at(at, len)).await?
            }
        };
        self.at += piece.len() as u64;
        Ok(Some(piece))
    }

    /// Waits for bytes, and tells how far they go. `None` after the last one.
    async fn readable(&mut self) -> Result<Option<u64>, FollowError> {
        loop {
            let until = {
                let state = self.state.borrow_and_update();
                match &state.end {
                    Some(Err(error)) => return Err(error.clone()),
                    Some(Ok(total)) => {
                        let end = self.end.min(*total);
                        return Ok((self.at < end).then_some(end));
                    }
                    // Without a size any byte may turn out to be the last.
                    None if self.following.size().is_none() => self.end.min(state.shown).saturating_sub(1),
                    None => self.end.saturating_sub(1).min(state.shown),
                }
            };
            if self.at < until {
                return Ok(Some(until));
            }
            self.state.changed().await.map_err(|_| FollowError::Abandoned)?;
        }
    }
}

/// How far a stage has come. Its writer tells, its followers look.
pub(crate) struct Growth {
    size: Option<u64>,
    source: OnceLock<Arc<dyn Source>>,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    /// Bytes that `source` has for sure.
    shown: u64,
    /// The length after the check of the digest, or why there is none. Does not change any more.
    end: Option<Result<u64, FollowError>>,
}

impl Growth {
    /// From now on there is something to read from.
    pub(crate) fn begin(&self, source: Arc<dyn Source>) {
        // A second one, if somebody asked twice, reads the same bytes.
        let _ = self.source.set(source);
    }

    /// Tells that the source has this many bytes. To be called only when they were written.
    pub(crate) fn show(&self, len: u64) {
        self.state.send_modify(|state| state.shown = len);
    }

    /// Tells that there will be no verified bytes, unless the end is known already.
    pub(crate) fn fail(&self, error: FollowError) {
        self.end(Err(error));
    }

    fn end(&self, end: Result<u64, FollowError>) {
        let end = match (end, self.size) {
            (Ok(actual), Some(told)) if actual != told => Err(FollowError::Length { told, actual }),
            (end, _) => end,
        };
        self.state.send_if_modified(|state| {
            let is_first = state.end.is_none();
            state.end.get_or_insert(end);
            is_first
        });
    }
}

/// The duty of a stage towards its followers: dropped without an end, it tells them that none will come.
pub(crate) struct Lead(Arc<Growth>);

impl Lead {
    pub(crate) fn new(size: Option<u64>) -> Lead {
        let (source, state) = (OnceLock::new(), watch::Sender::default());
        Lead(Arc::new(Growth { size, source, state }))
    }

    pub(crate) fn growth(&self) -> &Arc<Growth> {
        &self.0
    }

    /// A way to read, once the file is there.
    pub(crate) fn following(&self) -> Option<Following> {
        let source = self.0.source.get()?.clone();
        Some(Following { growth: self.0.clone(), source })
    }

    /// Tells the result of the check of the digest.
    pub(crate) fn end(self, end: Result<u64, FollowError>) {
        self.0.end(end);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.0.fail(FollowError::Abandoned);
    }
}
