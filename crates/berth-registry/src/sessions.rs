//! Upload sessions that this process is working on.
//!
//! The table of uploads remembers sessions across restarts; this map holds the running hash of each, so that bytes
//! are read once. It is a hint: a session that is not here is taken up again from its row and its file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use berth_blobs::Stage;
use berth_oci::{Algorithm, RepositoryName};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::{RegistryError, UploadId};

/// How long a request waits for another that still writes to the same upload (a cut connection is noticed late).
const BUSY: Duration = Duration::from_secs(10);
/// How long a request waits for its turn when too many uploads receive bytes.
const CROWDED: Duration = Duration::from_secs(10);

/// Sessions in memory above which idle ones leave early: nobody can fill the memory by opening uploads.
const MANY: usize = 4096;
/// How long a session is left alone even then: its row is written within 50 ms.
const YOUNG: Duration = Duration::from_secs(1);

/// One open upload.
pub(crate) struct Session {
    pub(crate) id: UploadId,
    pub(crate) repository: RepositoryName,
    pub(crate) principal: String,
    pub(crate) algorithm: Algorithm,
    slot: Arc<AsyncMutex<Slot>>,
    length: AtomicU64,
    touched: Mutex<Instant>,
}

/// Where the bytes of a session are.
pub(crate) enum Slot {
    /// Here, with their running hash.
    Open(Stage),
    /// On disk only: the hash has to be computed again.
    Cold,
    /// Nowhere: it was closed or cancelled.
    Ended,
}

impl Session {
    pub(crate) fn new(
        id: UploadId,
        repository: RepositoryName,
        principal: String,
        algorithm: Algorithm,
        slot: Slot,
    ) -> Session {
        let length = if let Slot::Open(stage) = &slot { stage.len() } else { 0 };
        Session {
            id,
            repository,
            principal,
            algorithm,
            slot: Arc::new(AsyncMutex::new(slot)),
            length: AtomicU64::new(length),
            touched: Mutex::new(Instant::now()),
        }
    }

    /// Bytes received, also while a request is still sending.
    pub(crate) fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }

    pub(crate) fn set_length(&self, length: u64) {
        self.length.store(length, Ordering::Relaxed);
    }

    pub(crate) fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn idle(&self) -> Duration {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Waits until no other request writes to the session.
    pub(crate) async fn lock(&self) -> Result<OwnedMutexGuard<Slot>, RegistryError> {
        let lock = Arc::clone(&self.slot).lock_owned();
        tokio::time::timeout(BUSY, lock).await.map_err(|_| RegistryError::UploadBusy)
    }
}

/// The sessions of this process.
pub(crate) struct Sessions {
    open: Mutex<HashMap<UploadId, Arc<Session>>>,
    receiving: Arc<Semaphore>,
}

impl Sessions {
    pub(crate) fn new(at_once: usize) -> Sessions {
        Sessions { open: Mutex::new(HashMap::new()), receiving: Arc::new(Semaphore::new(at_once)) }
    }

    /// Waits for a place among those that receive bytes: bounds memory.
    pub(crate) async fn admit(&self) -> Result<OwnedSemaphorePermit, RegistryError> {
        let permit = tokio::time::timeout(CROWDED, Arc::clone(&self.receiving).acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or(RegistryError::TooManyUploads)
    }

    pub(crate) fn get(&self, id: &UploadId) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    /// Adds a session, unless another request was quicker: then gives that one.
    pub(crate) fn insert(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        let mut open = self.lock();
        // Looking at all of them is dear, so it happens once for many that came.
        if open.len() >= MANY && open.len().is_multiple_of(MANY / 4) {
            shed(&mut open, YOUNG);
        }
        Arc::clone(open.entry(session.id).or_insert(session))
    }

    pub(crate) fn remove(&self, id: &UploadId) {
        self.lock().remove(id);
    }

    /// Lets go of sessions that nobody uses and whose bytes are on disk. They can be taken up again from there.
    pub(crate) fn shed(&self, idle: Duration) {
        shed(&mut self.lock(), idle);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UploadId, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shed(open: &mut HashMap<UploadId, Arc<Session>>, idle: Duration) {
    open.retain(|_, session| session.idle() < idle || Arc::strong_count(session) > 1);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use berth_blobs::StageId;
    use berth_oci::Algorithm;

    use super::{MANY, Session, Sessions, Slot};

    fn session(idle: Duration) -> Session {
        let id = StageId::random().into();
        let session =
            Session::new(id, "a".parse().unwrap(), "anonymous".to_owned(), Algorithm::Sha256, Slot::Cold);
        *session.touched.lock().unwrap() = Instant::now().checked_sub(idle).unwrap();
        session
    }

    #[test]
    fn idle_sessions_leave_the_memory_when_there_are_many_and_used_ones_never() {
        let sessions = Sessions::new(1);
        let used: Vec<_> = (0..10).map(|_| sessions.insert(session(Duration::from_secs(60)))).collect();
        for _ in 0..3 * MANY {
            sessions.insert(session(Duration::from_secs(60)));
        }
        assert!(sessions.len() <= MANY + MANY / 4, "{}", sessions.len());
        assert!(used.iter().all(|session| sessions.get(&session.id).is_some()));
    }
}
