//! Who is busy with the file of a blob: its pushers and the cleaning, one at a time for each digest.
//!
//! A push may rely on a file that it finds. Without this, the cleaning could unlink that file between the look and the
//! row that makes it wanted. One server owns a blob folder, so it is enough to know it in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use berth_oci::Digest;
use tokio::sync::OwnedMutexGuard;

type Turn = Arc<tokio::sync::Mutex<()>>;

/// The digests that somebody is busy with.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<HashMap<Digest, Turn>>);

/// The turn at one digest.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    holds: &'a Holds,
    digest: Digest,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Holds {
    /// Waits for the turn.
    pub(crate) async fn take(&self, digest: &Digest) -> Hold<'_> {
        let turn = Arc::clone(self.lock().entry(digest.clone()).or_default());
        let guard = turn.lock_owned().await;
        Hold { holds: self, digest: digest.clone(), guard: Some(guard) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Turn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut turns = self.holds.lock();
        self.guard = None;
        // Whoever waits has a handle; new ones are only given out under the lock that is held here.
        if turns.get(&self.digest).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_each_digest_and_nothing_is_left() {
        let holds = Holds::default();
        let (one, two) = (Digest::sha256(b"1"), Digest::sha256(b"2"));
        let held = holds.take(&one).await;
        let _other = holds.take(&two).await;
        let waits = tokio::time::timeout(Duration::from_millis(20), holds.take(&one)).await;
        assert!(waits.is_err());
        drop(held);
        drop(holds.take(&one).await);
        assert_eq!(holds.lock().len(), 1, "only the other is held");
    }
}
