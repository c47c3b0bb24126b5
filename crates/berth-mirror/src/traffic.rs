//! What was had from the cache, and what from the upstream: counted in memory, written now and then.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use berth_registry::Traffic;

use crate::lock;

/// Where something was had from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Had {
    /// It was here.
    Here,
    /// The upstream gave it.
    Fetched,
}

/// Counters of one upstream, since the process began.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    saved: AtomicU64,
    fetched: AtomicU64,
    /// What of it is written.
    written: Mutex<Traffic>,
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

    /// All that was counted.
    pub(crate) fn read(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            hits: read(&self.hits),
            misses: read(&self.misses),
            bytes_saved: read(&self.saved),
            bytes_fetched: read(&self.fetched),
        }
    }

    /// What is not written yet.
    pub(crate) fn unwritten(&self) -> Traffic {
        let (all, written) = (self.read(), *lock(&self.written));
        Traffic {
            hits: all.hits - written.hits,
            misses: all.misses - written.misses,
            bytes_saved: all.bytes_saved - written.bytes_saved,
            bytes_fetched: all.bytes_fetched - written.bytes_fetched,
        }
    }

    /// So much more is written now.
    pub(crate) fn wrote(&self, traffic: Traffic) {
        let mut written = lock(&self.written);
        written.hits += traffic.hits;
        written.misses += traffic.misses;
        written.bytes_saved += traffic.bytes_saved;
        written.bytes_fetched += traffic.bytes_fetched;
    }
}
