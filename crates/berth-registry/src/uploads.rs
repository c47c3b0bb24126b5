//! Uploads: open, append, close, cancel. Bytes are hashed while they are written; memory per upload is constant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use berth_blobs::{Stage, StageId};
use berth_meta::{Timestamp, UploadRow};
use berth_oci::{Algorithm, ChunkRange, Digest};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;

use crate::sessions::{Session, Slot};
use crate::{Access, BlobReceipt, Push, Registry, RegistryError};

/// The name of an upload: 128 random bits, as 32 hexadecimal digits. Whoever can guess it can do nothing with it that
/// he may not do anyway: a session is looked up by its repository and principal as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId(StageId);

impl UploadId {
    /// The name of its bytes in the blob store.
    pub(crate) fn stage(&self) -> &StageId {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<StageId> for UploadId {
    fn from(stage: StageId) -> UploadId {
        UploadId(stage)
    }
}

impl FromStr for UploadId {
    type Err = RegistryError;

    /// # Errors
    /// [`RegistryError::UploadUnknown`]: no upload has a name of another form.
    fn from_str(text: &str) -> Result<UploadId, RegistryError> {
        text.parse().map(UploadId).map_err(|_| RegistryError::UploadUnknown)
    }
}

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadStatus {
    /// Its name.
    pub id: UploadId,
    /// Bytes received.
    pub length: u64,
}

/// A body that ended before its end.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BodyError(pub Box<dyn std::error::Error + Send + Sync>);

/// A request body.
pub trait Body: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + 'static {}
impl<S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + 'static> Body for S {}

impl Registry {
    /// Opens an upload. `algorithm` is what its final digest will use, SHA-256 if nothing is said.
    ///
    /// # Errors
    /// [`RegistryError::QuotaExceeded`] if there is no room for a single byte, [`RegistryError::Renamed`]: what can only
    /// fail in the end is refused before it is sent.
    pub async fn start_upload(
        &self,
        access: &Access<Push>,
        algorithm: Option<Algorithm>,
    ) -> Result<UploadStatus, RegistryError> {
        if let Some(to) = self.meta.renamed(access.repository(), Timestamp::now()).await?
            && !self.meta.repository_exists(access.repository()).await?
        {
            return Err(self.renamed(access, to.as_str()).await);
        }
        self.meta.has_room(access.repository(), 1).await?;
        let session = self.new_session(access, algorithm.unwrap_or(Algorithm::Sha256)).await?;
        self.meta.add_upload_later(row(&session));
        let session = self.sessions.insert(session);
        Ok(UploadStatus { id: session.id, length: 0 })
    }

    /// Tells how far an upload is.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`], also for an upload of another repository or principal.
    pub async fn upload_status(
        &self,
        access: &Access<Push>,
        id: &UploadId,
    ) -> Result<UploadStatus, RegistryError> {
        let session = self.session(access, id).await?;
        Ok(UploadStatus { id: *id, length: session.length() })
    }

    /// Receives the next part of an upload. What came before a cut connection counts.
    ///
    /// # Errors
    /// [`RegistryError::RangeMismatch`] if the part is not the next, [`RegistryError::SizeMismatch`],
    /// [`RegistryError::BodyCut`], [`RegistryError::StorageFull`] (then the upload is over).
    pub async fn append_upload(
        &self,
        access: &Access<Push>,
        id: &UploadId,
        range: Option<ChunkRange>,
        body: impl Body,
    ) -> Result<UploadStatus, RegistryError> {
        let session = self.session(access, id).await?;
        let registry = self.clone();
        finish_alone(async move {
            let _place = registry.sessions.admit().await?;
            let mut slot = session.lock().await?;
            let mut stage = registry.take(&session, &mut slot, range).await?;
            match receive(&mut stage, &session, range, body).await {
                Ok(()) => registry.keep(&session, &mut slot, stage).await?,
                Err(error) => return Err(registry.salvage(&session, &mut slot, stage, error).await),
            }
            Ok(UploadStatus { id: session.id, length: session.length() })
        })
        .await
    }

    /// Receives the last part of an upload (perhaps nothing) and stores the blob if it has the digest `expected`.
    ///
    /// A digest of another algorithm than the upload was opened for costs one more reading of its bytes.
    ///
    /// # Errors
    /// As [`Registry::append_upload`]; [`RegistryError::DigestMismatch`] (then the upload is over and nothing stored).
    pub async fn finish_upload(
        &self,
        access: &Access<Push>,
        id: &UploadId,
        range: Option<ChunkRange>,
        body: impl Body,
        expected: &Digest,
    ) -> Result<BlobReceipt, RegistryError> {
        let session = self.session(access, id).await?;
        let (registry, access, expected) = (self.clone(), access.clone(), expected.clone());
        finish_alone(async move {
            let _place = registry.sessions.admit().await?;
            let mut slot = session.lock().await?;
            let mut stage = registry.take(&session, &mut slot, range).await?;
            match receive(&mut stage, &session, range, body).await {
                Ok(()) => registry.close(&access, &session, &mut slot, stage, &expected).await,
                Err(error) => Err(registry.salvage(&session, &mut slot, stage, error).await),
            }
        })
        .await
    }

    /// Receives a whole blob in one request and stores it if it has the digest `expected`.
    ///
    /// # Errors
    /// As [`Registry::finish_upload`]; nothing is left behind.
    pub async fn put_blob(
        &self,
        access: &Access<Push>,
        body: impl Body,
        expected: &Digest,
    ) -> Result<BlobReceipt, RegistryError> {
        let session = self.new_session(access, expected.algorithm()).await?;
        let (registry, access, expected) = (self.clone(), access.clone(), expected.clone());
        finish_alone(async move {
            let _place = registry.sessions.admit().await?;
            let mut slot = session.lock().await?;
            let mut stage = registry.take(&session, &mut slot, None).await?;
            if let Err(error) = receive(&mut stage, &session, None, body).await {
                drop(stage);
                registry.blobs.discard(session.id.stage()).await?;
                return Err(error);
            }
            let verified = stage.verify(&expected).await?;
            registry.store(&access, verified, None).await
        })
        .await
    }

    /// Ends an upload and forgets its bytes.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`].
    pub async fn cancel_upload(&self, access: &Access<Push>, id: &UploadId) -> Result<(), RegistryError> {
        let session = self.session(access, id).await?;
        let mut slot = session.lock().await?;
        if matches!(*slot, Slot::Ended) {
            return Err(RegistryError::UploadUnknown);
        }
        self.end(&session, &mut slot).await
    }

    async fn new_session(
        &self,
        access: &Access<Push>,
        algorithm: Algorithm,
    ) -> Result<Session, RegistryError> {
        let id = UploadId::from(StageId::random());
        let stage = self.blobs.stage(id.stage(), algorithm).await?;
        let principal = access.caller().principal().to_owned();
        Ok(Session::new(id, access.repository().clone(), principal, algorithm, Slot::Open(stage)))
    }

    /// Finds a session of this repository and principal, in memory or from its row.
    async fn session(&self, access: &Access<Push>, id: &UploadId) -> Result<Arc<Session>, RegistryError> {
        let (repository, principal) = (access.repository(), access.caller().principal());
        if let Some(session) = self.sessions.get(id) {
            let own = session.repository == *repository && session.principal == principal;
            return if own { Ok(session) } else { Err(RegistryError::UploadUnknown) };
        }
        let row = self.meta.upload(&id.to_string(), repository, principal).await?;
        let algorithm: Algorithm = row.algorithm.parse().map_err(|_| RegistryError::UploadUnknown)?;
        let stage = self.blobs.resume(id.stage(), algorithm).await?;
        let session = Session::new(*id, repository.clone(), row.principal, algorithm, Slot::Open(stage));
        Ok(self.sessions.insert(session))
    }

    /// Takes the stage out of its slot for one request; the slot is cold until it is put back.
    async fn take(
        &self,
        session: &Session,
        slot: &mut Slot,
        range: Option<ChunkRange>,
    ) -> Result<Stage, RegistryError> {
        let stage = match std::mem::replace(slot, Slot::Cold) {
            Slot::Open(stage) => stage,
            Slot::Cold => self.blobs.resume(session.id.stage(), session.algorithm).await?,
            Slot::Ended => {
                *slot = Slot::Ended;
                return Err(RegistryError::UploadUnknown);
            }
        };
        session.touch();
        session.set_length(stage.len());
        if range.is_some_and(|range| range.start() != stage.len()) {
            let status = UploadStatus { id: session.id, length: stage.len() };
            *slot = Slot::Open(stage);
            return Err(RegistryError::RangeMismatch { status });
        }
        Ok(stage)
    }

    /// Puts the stage back after a request, with what it received; if that cannot be kept the session ends.
    async fn keep(&self, session: &Session, slot: &mut Slot, mut stage: Stage) -> Result<(), RegistryError> {
        if let Err(error) = stage.persist().await {
            drop(stage);
            self.end(session, slot).await?;
            return Err(error.into());
        }
        session.set_length(stage.len());
        session.touch();
        *slot = Slot::Open(stage);
        // What this request is answered is true after a restart as well.
        Ok(self.meta.save_upload(row(session)).await?)
    }

    /// After a failed request: what came before a cut counts, but a store that failed ends the session.
    async fn salvage(
        &self,
        session: &Session,
        slot: &mut Slot,
        stage: Stage,
        error: RegistryError,
    ) -> RegistryError {
        let kept = match error {
            RegistryError::BodyCut(_) | RegistryError::SizeMismatch { .. } => {
                self.keep(session, slot, stage).await
            }
            _ => {
                drop(stage);
                self.end(session, slot).await
            }
        };
        if let Err(second) = kept {
            tracing::warn!(upload = %session.id, error = &second as &dyn std::error::Error, "a failed upload could not be tidied up");
        }
        error
    }

    /// Checks the digest and stores the blob. The session is over either way.
    async fn close(
        &self,
        access: &Access<Push>,
        session: &Session,
        slot: &mut Slot,
        stage: Stage,
        expected: &Digest,
    ) -> Result<BlobReceipt, RegistryError> {
        let stored = match stage.verify(expected).await {
            Ok(verified) => self.store(access, verified, Some(&session.id)).await,
            Err(error) => Err(error.into()),
        };
        if stored.is_err() {
            self.end(session, slot).await?;
        } else {
            *slot = Slot::Ended;
            self.sessions.remove(&session.id);
        }
        stored
    }

    async fn end(&self, session: &Session, slot: &mut Slot) -> Result<(), RegistryError> {
        *slot = Slot::Ended;
        self.sessions.remove(&session.id);
        self.blobs.discard(session.id.stage()).await?;
        Ok(self.meta.remove_upload(&session.id.to_string()).await?)
    }
}

/// What is remembered of a session.
fn row(session: &Session) -> UploadRow {
    UploadRow {
        id: session.id.to_string(),
        repository: session.repository.to_string(),
        principal: session.principal.clone(),
        algorithm: session.algorithm.to_string(),
        touched_at: Timestamp::now(),
    }
}

/// Writes a body into the stage.
async fn receive(
    stage: &mut Stage,
    session: &Session,
    range: Option<ChunkRange>,
    mut body: impl Body,
) -> Result<(), RegistryError> {
    let announced = range.map(ChunkRange::length);
    let mut received = 0;
    while let Some(part) = body.next().await {
        let part = part.map_err(RegistryError::BodyCut)?;
        received += part.len() as u64;
        if let Some(announced) = announced.filter(|announced| received > *announced) {
            return Err(RegistryError::SizeMismatch { received, announced });
        }
        stage.write(part).await?;
        session.set_length(stage.len());
    }
    match announced {
        Some(announced) if received != announced => Err(RegistryError::SizeMismatch { received, announced }),
        _ => Ok(()),
    }
}

/// Runs `work` to its end also when the request is dropped: a stage is never torn out of a running write.
async fn finish_alone<T: Send + 'static>(
    work: impl Future<Output = Result<T, RegistryError>> + Send + 'static,
) -> Result<T, RegistryError> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(error) => Err(RegistryError::Internal(Box::new(error))),
    }
}
