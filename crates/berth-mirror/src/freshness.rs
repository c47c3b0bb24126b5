//! When tags were last compared with their upstream, and who compares them now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use berth_oci::{Digest, RepositoryName, Tag};
use berth_registry::{Filling, Registry, RegistryError, Timestamp};
use tokio::sync::OwnedMutexGuard;

use crate::lock;

/// Tags that are remembered. Beyond it all are forgotten, and asked about once more.
const REMEMBERED: usize = 100_000;
/// How long a client takes at most from asking what a tag names to asking for that.
const SOON: Duration = Duration::from_secs(600);

type Key = (RepositoryName, Tag);
type Manifest = (RepositoryName, Digest);

/// What is known in memory; the database has it some seconds later.
#[derive(Debug, Default)]
pub(crate) struct Freshness {
    checked: Mutex<HashMap<Key, Timestamp>>,
    unwritten: Mutex<HashMap<Key, Timestamp>>,
    /// Tags that the upstream said to name a manifest which is not here yet: they are set when it comes.
    promised: Mutex<HashMap<Manifest, Vec<(Tag, Instant)>>>,
}

impl Freshness {
    /// A tag names at the upstream what it names here.
    pub(crate) fn note(&self, filling: &Filling, tag: &Tag) {
        let (key, now) = ((filling.repository().clone(), tag.clone()), Timestamp::now());
        remember(&mut lock(&self.checked), key.clone(), now);
        remember(&mut lock(&self.unwritten), key, now);
    }

    /// When that was last so, as far as anybody knows.
    pub(crate) async fn checked_at(
        &self,
        registry: &Registry,
        filling: &Filling,
        tag: &Tag,
    ) -> Result<Option<Timestamp>, RegistryError> {
        let key = (filling.repository().clone(), tag.clone());
        if let Some(at) = lock(&self.checked).get(&key) {
            return Ok(Some(*at));
        }
        let at = registry.checked_at(filling, tag).await?;
        if let Some(at) = at {
            remember(&mut lock(&self.checked), key, at);
        }
        Ok(at)
    }

    /// A tag names a manifest that somebody will ask for.
    pub(crate) fn promise(&self, filling: &Filling, tag: &Tag, digest: &Digest) {
        let key = (filling.repository().clone(), digest.clone());
        let mut promised = lock(&self.promised);
        if promised.len() >= REMEMBERED {
            promised.clear();
        }
        let tags = promised.entry(key).or_default();
        tags.retain(|(other, _)| other != tag);
        tags.push((tag.clone(), Instant::now()));
    }

    /// The tags that a manifest was said to have a moment ago.
    pub(crate) fn promised(&self, filling: &Filling, digest: &Digest) -> Vec<Tag> {
        let tags = lock(&self.promised).remove(&(filling.repository().clone(), digest.clone()));
        let soon = |(tag, at): (Tag, Instant)| (at.elapsed() < SOON).then_some(tag);
        tags.unwrap_or_default().into_iter().filter_map(soon).collect()
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// Only internal ones; it is then written the next time.
    pub(crate) async fn write(&self, registry: &Registry) -> Result<(), RegistryError> {
        let batch: Vec<_> = std::mem::take(&mut *lock(&self.unwritten)).into_iter().collect();
        if batch.is_empty() {
            return Ok(());
        }
        let written = registry.note_checked(batch.clone()).await;
        if written.is_err() {
            let mut unwritten = lock(&self.unwritten);
            batch.into_iter().for_each(|(key, at)| {
                unwritten.entry(key).or_insert(at);
            });
        }
        written
    }
}

fn remember(map: &mut HashMap<Key, Timestamp>, key: Key, at: Timestamp) {
    if map.len() >= REMEMBERED && !map.contains_key(&key) {
        map.clear();
    }
    map.insert(key, at);
}

/// One at a time for each thing: the others wait, and then look at what the first one got.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn.
    pub(crate) async fn take(&self, what: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = lock(&self.0);
            // What nobody waits for any more is swept out now and then.
            if turns.len() >= 1024 && turns.len().is_power_of_two() {
                turns.retain(|_, turn| turn.strong_count() > 0);
            }
            match turns.get(what).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::new(tokio::sync::Mutex::new(()));
                    turns.insert(what.to_owned(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}
