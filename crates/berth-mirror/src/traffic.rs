//! What was had from the cache, and what from the upstream: counted in memory, written now and then.

use std::sync::atomic::{AtomicU64, Ordering};

use berth_registry::Traffic;

/// Where something was had from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Had {
    /// It was here.
    Here,
    /// The upstream gave it.
    Fetched,
}

/// Counters of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    saved: AtomicU64,
    fetched: AtomicU64,
}

impl Counters {
    /// Somebody had something of `bytes`.
    pub(crate) fn note(&self, had: Had, bytes: u64) {
        match had {
            Had::Here => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                self.saved.fetch_add(bytes, Ordering::Relaxed);
            }
            Had::Fetched => {
                self.misses.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Bytes came from the upstream.
    pub(crate) fn fetched(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was counted since the last time.
    pub(crate) fn take(&self) -> Traffic {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Traffic {
            hits: take(&self.hits),
            misses: take(&self.misses),
            bytes_saved: take(&self.saved),
            bytes_fetched: take(&self.fetched),
        }
    }

    /// Counts once more what could not be written.
    pub(crate) fn put_back(&self, traffic: Traffic) {
        self.hits.fetch_add(traffic.hits, Ordering::Relaxed);
        self.misses.fetch_add(traffic.misses, Ordering::Relaxed);
        self.saved.fetch_add(traffic.bytes_saved, Ordering::Relaxed);
        self.fetched.fetch_add(traffic.bytes_fetched, Ordering::Relaxed);
    }
}
