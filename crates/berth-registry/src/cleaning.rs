//! Cleaning: cycles of small steps that free what nobody can ask for any more, while everything goes on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use berth_meta::{Cleaned, CleanedDay, CleaningState, Horizon, Tombstone};
use futures_util::{StreamExt, stream};

use crate::{Authorizer, Registry, RegistryError, ServerAccess, Timestamp};

/// Time from the start to the first round of the rules that keep tags: a start has other things to do.
const RETENTION_FIRST: Duration = Duration::from_secs(10 * 60);
/// Time between two rounds of the rules that keep tags.
const RETENTION_EVERY: Duration = Duration::from_secs(60 * 60);
/// The shortest time between two cycles.
const SHORTEST: Duration = Duration::from_millis(50);
/// Files that are unlinked at the same time.
const UNLINKED_AT_ONCE: usize = 8;
/// Files that are unlinked before the list is read again.
const TOMBSTONES: usize = 200;
/// After a step the cleaning rests so many times as long as the step took, while nobody asks for anything.
const REST: f64 = 3.0;
/// It rests once more for so many requests in a second: others come first.
const REQUESTS_PER_REST: f64 = 40.0;
/// It rests no longer than this: below one part in a hundred, a step is not seen in the slowest hundredth of requests.
const LONGEST_REST: f64 = 120.0;

/// What the cleaning has done since the server began, and the lock that lets one cycle run at a time.
#[derive(Debug, Default)]
pub struct Cleaner {
    turn: tokio::sync::Mutex<()>,
    freed: Freed,
}

/// Counters since the server began.
#[derive(Debug, Default)]
pub struct Freed {
    cycles: AtomicU64,
    failures: AtomicU64,
    manifests: AtomicU64,
    blobs: AtomicU64,
    bytes: AtomicU64,
}

impl Freed {
    /// Cycles that ended well, cycles that failed, manifests purged, blobs freed, their bytes.
    pub fn read(&self) -> [u64; 5] {
        [&self.cycles, &self.failures, &self.manifests, &self.blobs, &self.bytes]
            .map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// What one cycle did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Manifests whose trash time was over.
    pub manifests: u64,
    /// Blobs that left a repository.
    pub memberships: u64,
    /// Blobs whose bytes are free now.
    pub blobs: u64,
    /// Those bytes, and those of the manifests.
    pub bytes: u64,
    /// The longest transaction, in microseconds: so long others may have waited.
    pub longest_step: u64,
}

impl Registry {
    /// Runs for ever: a cycle of cleaning now and then, the rules that keep tags every hour.
    pub async fn run_cleaning(self) {
        let mut next_round = Instant::now() + RETENTION_FIRST;
        loop {
            tokio::time::sleep(self.policy.clean_every.max(SHORTEST)).await;
            if Instant::now() >= next_round {
                next_round = Instant::now() + RETENTION_EVERY;
                self.tell_retention().await;
            }
            match self.clean().await {
                Ok(cycle) if cycle.manifests + cycle.blobs > 0 => tracing::info!(
                    manifests = cycle.manifests,
                    blobs = cycle.blobs,
                    bytes = cycle.bytes,
                    longest_step_us = cycle.longest_step,
                    "cleaned"
                ),
                Ok(_) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        error,
                        "the cleaning stopped and keeps what it has not seen; it tries again"
                    );
                }
            }
        }
    }

    async fn tell_retention(&self) {
        match self.apply_retention().await {
            Ok(0) => {}
            Ok(n_tags) => tracing::info!(n_tags, "tags ended by rules"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the rules could not be applied; the next round tries again");
            }
        }
    }

    /// One cycle: everything that is due goes, in the order in which one thing makes the next one due.
    ///
    /// # Errors
    /// The first that stopped it. What was freed until then stays freed, and nothing is half done.
    pub async fn clean(&self) -> Result<Cycle, RegistryError> {
        let _turn = self.cleaning.turn.lock().await;
        let done = self.cycle().await;
        let freed = &self.cleaning.freed;
        match &done {
            Ok(_) => freed.cycles.fetch_add(1, Ordering::Relaxed),
            Err(_) => freed.failures.fetch_add(1, Ordering::Relaxed),
        };
        done
    }

    async fn cycle(&self) -> Result<Cycle, RegistryError> {
        // What was noted as used must be known before it is judged as unused.
        self.write_uses().await?;
        let now = self.clock.earliest();
        let horizon = Horizon { now, trash: now.minus(self.policy.trash) };
        let (meta, mut cycle) = (&self.meta, Cycle::default());
        let freed = &self.cleaning.freed;
        let mut pace = Pace {
            authorizer: &self.authorizer,
            decisions: self.authorizer.decisions(),
            since: Instant::now(),
        };
        let purged = cycle.repeat(&mut pace, freed, Step::Purge, || meta.purge_repositories(horizon)).await?;
        cycle.note_manifests(purged);
        let purged = cycle.repeat(&mut pace, freed, Step::Purge, || meta.purge_manifests(horizon)).await?;
        cycle.note_manifests(purged);
        // What the purging queued was queued at this very time.
        let left = cycle.repeat(&mut pace, freed, Step::Other, || meta.review_memberships(horizon)).await?;
        cycle.memberships += left.removed;
        let doomed = cycle.repeat(&mut pace, freed, Step::Other, || meta.doom_blobs(horizon)).await?;
        cycle.bytes += doomed.bytes;
        let (files, bytes) = self.unlink().await?;
        // What was doomed without a file is free already; what has one is counted when it is unlinked.
        cycle.blobs += files + doomed.inline;
        cycle.bytes += bytes;
        meta.expire_aliases(horizon).await?;
        Ok(cycle)
    }

    /// Unlinks the files of tombstones, also those that an earlier process left.
    async fn unlink(&self) -> Result<(u64, u64), RegistryError> {
        let (mut files, mut bytes) = (0, 0);
        loop {
            let tombstones = self.meta.tombstones(TOMBSTONES).await?;
            let n = tombstones.len();
            let mut unlinking = stream::iter(tombstones)
                .map(|tombstone| self.unlink_one(tombstone))
                .buffer_unordered(UNLINKED_AT_ONCE);
            while let Some(freed) = unlinking.next().await {
                if let Some(size) = freed? {
                    files += 1;
                    bytes += size;
                }
            }
            if n < TOMBSTONES {
                return Ok((files, bytes));
            }
        }
    }

    async fn unlink_one(&self, tombstone: Tombstone) -> Result<Option<u64>, RegistryError> {
        let _hold = self.holds.take(&tombstone.digest).await;
        if !self.meta.is_doomed(&tombstone.digest).await? {
            return Ok(None);
        }
        self.blobs.delete(&tombstone.digest).await?;
        self.meta.bury(&tombstone.digest, self.clock.earliest()).await?;
        self.cleaning.freed.blobs.fetch_add(1, Ordering::Relaxed);
        self.cleaning.freed.bytes.fetch_add(tombstone.size, Ordering::Relaxed);
        Ok(Some(tombstone.size))
    }

    /// Runs a cycle now.
    ///
    /// # Errors
    /// As [`Registry::clean`].
    pub async fn clean_now(&self, _access: &ServerAccess) -> Result<Cycle, RegistryError> {
        self.clean().await
    }

    /// How far the cleaning is.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn cleaning_state(&self, _access: &ServerAccess) -> Result<CleaningState, RegistryError> {
        Ok(self.meta.cleaning_state(self.clock.earliest()).await?)
    }

    /// What was cleaned on each of the last `days`, as far as anything was, the oldest first.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn cleaned_days(
        &self,
        _access: &ServerAccess,
        days: i64,
    ) -> Result<Vec<CleanedDay>, RegistryError> {
        Ok(self.meta.cleaned_days(Timestamp::now(), days).await?)
    }

    /// What was freed since the server began, for metrics.
    pub fn freed(&self) -> &Freed {
        &self.cleaning.freed
    }
}

/// Whether the rows that a step removes are manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Purge,
    Other,
}

/// How long to rest between steps, by how much others ask.
struct Pace<'a> {
    authorizer: &'a Authorizer,
    decisions: u64,
    since: Instant,
}

impl Pace<'_> {
    async fn rest(&mut self, took: Duration) {
        let (decisions, elapsed) = (self.authorizer.decisions(), self.since.elapsed());
        let rate = decisions.saturating_sub(self.decisions) as f64 / elapsed.as_secs_f64().max(0.001);
        (self.decisions, self.since) = (decisions, Instant::now());
        tokio::time::sleep(took.mul_f64((REST + rate / REQUESTS_PER_REST).min(LONGEST_REST))).await;
    }
}

impl Cycle {
    fn note_manifests(&mut self, purged: Cleaned) {
        self.manifests += purged.removed;
        self.bytes += purged.bytes;
    }

    /// Repeats a step until nothing is due, with a rest after each.
    async fn repeat<F, E>(
        &mut self,
        pace: &mut Pace<'_>,
        freed: &Freed,
        kind: Step,
        step: impl Fn() -> F,
    ) -> Result<Cleaned, RegistryError>
    where
        F: Future<Output = Result<Cleaned, E>>,
        RegistryError: From<E>,
    {
        let mut sum = Cleaned::default();
        loop {
            let done = step().await?;
            let took = u64::try_from(done.took.as_micros()).unwrap_or(u64::MAX);
            self.longest_step = self.longest_step.max(took);
            if kind == Step::Purge {
                freed.manifests.fetch_add(done.removed, Ordering::Relaxed);
            }
            freed.blobs.fetch_add(done.inline, Ordering::Relaxed);
            freed.bytes.fetch_add(done.bytes, Ordering::Relaxed);
            sum.looked_at += done.looked_at;
            sum.removed += done.removed;
            sum.inline += done.inline;
            sum.bytes += done.bytes;
            if done.looked_at == 0 {
                return Ok(sum);
            }
            pace.rest(done.took).await;
        }
    }
}
