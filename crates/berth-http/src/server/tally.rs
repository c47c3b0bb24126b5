//! What one request received and sent, counted while it happens.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::body::Incoming;

/// The counters of one request, shared by its body, its answer and its record in log and metrics.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    received: AtomicU64,
    leftover: Mutex<Option<Incoming>>,
}

impl Tally {
    pub(crate) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Keeps a small body that the handler dropped unread, so that its rest can still be read.
    pub(crate) fn leave(&self, incoming: Incoming) {
        *self.leftover.lock().unwrap_or_else(PoisonError::into_inner) = Some(incoming);
    }

    pub(crate) fn take_leftover(&self) -> Option<Incoming> {
        self.leftover.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
