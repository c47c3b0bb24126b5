//! Downloads under way: one for each blob, whoever waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use berth_oci::{Digest, RepositoryName};
use berth_registry::Following;
use tokio::sync::watch;

use crate::{MirrorError, lock};

/// Which blob, for which repository: what one may read says nothing about another.
type Key = (RepositoryName, Digest);
/// Who waits for a blob finds its download here, from its beginning to its end.
type Departures = Arc<Mutex<HashMap<Key, watch::Receiver<Progress>>>>;

/// How far a download is.
#[derive(Debug, Clone, Default)]
pub(crate) enum Progress {
    /// The upstream is being asked.
    #[default]
    Asking,
    /// Bytes arrive and can be read. The whole has this length.
    Arriving(Following, u64),
    /// It is stored.
    Stored,
    /// It cannot be stored, for want of room; who wants it has to have it from the upstream himself.
    NoRoom,
    /// It failed.
    Failed(MirrorError),
}

/// All downloads under way.
#[derive(Debug, Default)]
pub(crate) struct Flights(Departures);

/// A download that somebody else may be waiting for already.
#[derive(Debug)]
pub(crate) struct Passenger(watch::Receiver<Progress>);

/// The duty to carry a download out. Dropped without an end it tells that it failed.
#[derive(Debug)]
pub(crate) struct Pilot {
    flights: Departures,
    key: Key,
    progress: watch::Sender<Progress>,
}

impl Flights {
    /// Waits with the others for a blob. The first who comes gets the duty as well.
    pub(crate) fn board(&self, repository: &RepositoryName, digest: &Digest) -> (Passenger, Option<Pilot>) {
        let key = (repository.clone(), digest.clone());
        let mut flights = lock(&self.0);
        if let Some(flight) = flights.get(&key) {
            return (Passenger(flight.clone()), None);
        }
        let (progress, flight) = watch::channel(Progress::default());
        flights.insert(key.clone(), flight.clone());
        (Passenger(flight), Some(Pilot { flights: Arc::clone(&self.0), key, progress }))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        lock(&self.0).len()
    }
}

impl Passenger {
    /// Waits until there is something to read, or an end.
    pub(crate) async fn news(&mut self) -> Progress {
        self.until(|progress| !matches!(progress, Progress::Asking)).await
    }

    /// Waits for the end.
    pub(crate) async fn end(&mut self) -> Progress {
        self.until(|progress| !matches!(progress, Progress::Asking | Progress::Arriving(..))).await
    }

    async fn until(&mut self, is_enough: impl Fn(&Progress) -> bool) -> Progress {
        let waited = self.0.wait_for(|progress| is_enough(progress)).await.map(|progress| progress.clone());
        // The pilot says how it ended before it goes.
        waited.unwrap_or_else(|_| self.0.borrow().clone())
    }
}

impl Pilot {
    /// Bytes arrive.
    pub(crate) fn arriving(&self, following: Following, size: u64) {
        self.progress.send_replace(Progress::Arriving(following, size));
    }

    /// It is over. Who comes from now on begins anew, or finds the blob.
    pub(crate) fn land(self, end: Progress) {
        lock(&self.flights).remove(&self.key);
        self.progress.send_replace(end);
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
        let lost = || MirrorError::Away {
            upstream: self.key.0.to_string(),
            why: "the download was broken off".to_owned(),
        };
        self.progress.send_if_modified(|progress| {
            let is_open = matches!(progress, Progress::Asking | Progress::Arriving(..));
            if is_open {
                *progress = Progress::Failed(lost());
            }
            is_open
        });
    }
}
