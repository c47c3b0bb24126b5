//! A rate of bytes that holds over any stretch of time.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::lock;

/// So much lost time is made up for: a sleep ends late, and the rate must hold nevertheless.
const SLACK: Duration = Duration::from_millis(20);

/// A line with a rate; its users wait for their turn.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes per second.
    rate: u64,
    /// When the line is free again.
    free: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(rate: u64) -> Pace {
        Pace { rate: rate.max(1), free: Mutex::new(Instant::now()) }
    }

    /// The most bytes to send at once: those of a hundredth of a second.
    pub(super) fn piece(&self) -> usize {
        usize::try_from(self.rate / 100).unwrap_or(usize::MAX).clamp(1, 64 * 1024)
    }

    /// Waits until so many bytes may be sent.
    pub(super) fn wait(&self, bytes: usize) {
        let now = Instant::now();
        let mut free = lock(&self.free);
        let turn = now.checked_sub(SLACK).map_or(*free, |earliest| earliest.max(*free));
        *free = turn + Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        drop(free);
        thread::sleep(turn.saturating_duration_since(now));
    }
}
