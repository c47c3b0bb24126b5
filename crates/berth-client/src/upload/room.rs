//! How large a body may be: learnt from what is refused.

use std::sync::atomic::{AtomicU64, Ordering};

/// The size of bodies that is tried first after one was refused, in bytes: 100 MB is the limit of some that stand before
/// registries, and what is cut has to be sent again.
const FIRST: u64 = 32 << 20;
/// Below this, in bytes, nothing is tried any more: the smallest usual limit is 1 MiB.
const SMALLEST: u64 = 256 * 1024;

/// The largest body that was not refused yet, in bytes. Uploads of one client learn from each other.
#[derive(Debug)]
pub(crate) struct Room(AtomicU64);

impl Default for Room {
    fn default() -> Room {
        Room(AtomicU64::new(u64::MAX))
    }
}

impl Room {
    /// The largest body that is worth a try, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A body of so many bytes was refused. Whether a smaller one is worth a try.
    pub(crate) fn refused(&self, sent: u64) -> bool {
        match smaller(sent) {
            Some(less) => {
                self.0.fetch_min(less, Ordering::Relaxed);
                true
            }
            None => false,
        }
    }
}

/// The next size below one that did not come through.
pub(super) fn smaller(sent: u64) -> Option<u64> {
    (sent > SMALLEST).then(|| (sent / 4).clamp(SMALLEST, FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_tries_lead_below_any_usual_limit() {
        let room = Room::default();
        assert_eq!(room.limit(), u64::MAX);
        let mut sizes = vec![];
        let mut sent = 1 << 40;
        while room.refused(sent) {
            sent = room.limit();
            sizes.push(sent >> 10);
        }
        assert_eq!(sizes, [32 << 10, 8 << 10, 2 << 10, 512, 256]);
        // What was refused elsewhere in the meantime counts.
        assert!(room.refused(1 << 40));
        assert_eq!(room.limit(), SMALLEST);
    }
}
