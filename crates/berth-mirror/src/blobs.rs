//! Blobs of upstreams: from here, or from there to everybody who waits and to the disk at once.

use std::sync::Arc;

use berth_client::{Download, Patience};
use berth_oci::{Digest, ErrorCode};
use berth_registry::{
    Access, BlobBody, BlobContent, BlobStat, Filling, INLINE_MAX, Pull, Registry, RegistryError, Stage,
    VerifyError,
};

use crate::error::chain;
use crate::flights::{Passenger, Pilot, Progress};
use crate::traffic::Had;
use crate::upstream::Upstream;
use crate::{DirectStream, Mirror, MirrorError};

/// A blob of an upstream.
pub enum MirroredBlob {
    /// It is here, or arriving.
    Here(BlobContent),
    /// It passes through, for want of room.
    Passing(Box<DirectStream>),
}

/// Everything that a download goes along with.
#[derive(Clone)]
struct Wanted {
    mirror: Mirror,
    upstream: Arc<Upstream>,
    filling: Filling,
    remote: String,
    digest: Digest,
}

impl Mirror {
    /// Tells whether the upstream of the repository has a blob.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn stat_blob(&self, access: &Access<Pull>, digest: &Digest) -> Result<BlobStat, MirrorError> {
        let wanted = self.wanted(access, digest)?;
        match self.registry().stat_blob(access, digest).await {
            Err(RegistryError::BlobUnknown { .. }) => {}
            found => return Ok(found?),
        }
        let announced = self.registry().announced_size(&wanted.filling, digest).await?;
        let told = wanted.head(Patience::Long).await?;
        let unknown = || MirrorError::Away {
            upstream: wanted.upstream.name.to_string(),
            why: "it does not tell the length of the blob".to_owned(),
        };
        Ok(BlobStat { digest: digest.clone(), size: told.or(announced).ok_or_else(unknown)? })
    }

    /// A blob of the upstream of the repository. What is not here is fetched, once, and can be read while it arrives.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn open_blob(
        &self,
        access: &Access<Pull>,
        digest: &Digest,
    ) -> Result<MirroredBlob, MirrorError> {
        let wanted = self.wanted(access, digest)?;
        if let Some(content) = wanted.stored().await? {
            wanted.upstream.counters.note(Had::Here, content.size);
            return Ok(MirroredBlob::Here(content));
        }
        wanted.upstream.counters.note(Had::Fetched, 0);
        match wanted.board().news().await {
            Progress::Arriving(following, size) => {
                let body = BlobBody::Growing(following);
                Ok(MirroredBlob::Here(BlobContent { digest: digest.clone(), size, body }))
            }
            Progress::NoRoom => {
                let download = wanted.download().await?;
                let direct = DirectStream::new(download, &wanted.upstream.name, digest);
                Ok(MirroredBlob::Passing(Box::new(direct)))
            }
            end => wanted.ended(end).await.map(MirroredBlob::Here),
        }
    }

    /// Fetches a blob if it is not here, and waits until it is stored. Tells its length.
    pub(crate) async fn store_blob(
        &self,
        access: &Access<Pull>,
        digest: &Digest,
    ) -> Result<(u64, Had), MirrorError> {
        let wanted = self.wanted(access, digest)?;
        if let Some(content) = wanted.stored().await? {
            return Ok((content.size, Had::Here));
        }
        let end = wanted.board().end().await;
        Ok((wanted.ended(end).await?.size, Had::Fetched))
    }

    fn wanted(&self, access: &Access<Pull>, digest: &Digest) -> Result<Wanted, MirrorError> {
        let (upstream, filling) = self.source_of(access)?;
        let remote = upstream.remote(filling.repository())?;
        Ok(Wanted { mirror: self.clone(), upstream, filling, remote, digest: digest.clone() })
    }
}

impl Wanted {
    /// Waits with the others. The first one starts the download, which goes on when he leaves.
    fn board(&self) -> Passenger {
        let flights = &self.mirror.shared().flights;
        let (passenger, pilot) = flights.board(self.filling.repository(), &self.digest);
        if let Some(pilot) = pilot {
            tokio::spawn(self.clone().fly(pilot));
        }
        passenger
    }

    async fn fly(self, pilot: Pilot) {
        let end = match self.carry(&pilot).await {
            Ok(()) => Progress::Stored,
            Err(MirrorError::Registry(error)) if matches!(*error, RegistryError::StorageFull) => {
                Progress::NoRoom
            }
            Err(error) => {
                if !matches!(error, MirrorError::NotThere { .. }) {
                    let (blob, image) = (&self.digest, self.filling.repository());
                    self.upstream.complain(format!("{blob} of {image}: {}", chain(&error)));
                }
                Progress::Failed(error)
            }
        };
        pilot.land(end);
    }

    async fn carry(&self, pilot: &Pilot) -> Result<(), MirrorError> {
        // Never closed, so an error cannot be; without a place it would be one download more.
        let _place = self.upstream.downloads.acquire().await;
        // Somebody may have stored it between the look and the duty.
        if self.stored().await?.is_some() || self.take_from_sibling().await? {
            return Ok(());
        }
        let announced = self.registry().announced_size(&self.filling, &self.digest).await?;
        let download = self.download().await?;
        let size = match (announced, download.size()) {
            (Some(announced), Some(told)) if announced != told => return Err(self.wrong()),
            (announced, told) => told.or(announced),
        };
        let mut stage = self.registry().begin_fill(self.digest.algorithm()).await?;
        if let Some(size) = size.filter(|size| *size > INLINE_MAX as u64) {
            let following = stage.follow(Some(size)).await.map_err(RegistryError::from)?;
            pilot.arriving(following, size);
        }
        if let Err(error) = self.receive(download, &mut stage, size).await {
            if let Err(error) = self.registry().give_up_fill(stage).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a part of a blob stays for a while"
                );
            }
            return Err(error);
        }
        let verified = stage.verify(&self.digest).await.map_err(|error| match error {
            VerifyError::Mismatch { .. } => self.wrong(),
            VerifyError::Store(error) => RegistryError::from(error).into(),
        })?;
        self.registry().fill_blob(&self.filling, verified).await?;
        Ok(())
    }

    /// Takes the blob from another repository of the upstream, if that has it and the upstream says that this one has it
    /// too: images share their bases.
    async fn take_from_sibling(&self) -> Result<bool, MirrorError> {
        let Some(sibling) = self.registry().sibling_with(&self.filling, &self.digest).await? else {
            return Ok(false);
        };
        // If it does not say so there is nothing to take, and if it is away the download will tell.
        if self.head(Patience::Short).await.is_err() {
            return Ok(false);
        }
        Ok(self.registry().fill_from_sibling(&self.filling, &sibling, &self.digest).await?)
    }

    async fn receive(
        &self,
        mut download: Download,
        stage: &mut Stage,
        size: Option<u64>,
    ) -> Result<(), MirrorError> {
        loop {
            let bytes = {
                let next = download.next();
                tokio::pin!(next);
                let at_once = tokio::select! {
                    biased;
                    bytes = &mut next => Some(bytes),
                    () = std::future::ready(()) => None,
                };
                match at_once {
                    Some(bytes) => bytes,
                    None => {
                        // Nothing more for the moment: the readers get what there is.
                        stage.show().await.map_err(RegistryError::from)?;
                        next.await
                    }
                }
            };
            let Some(bytes) = bytes.map_err(|error| self.error(&error))? else { return Ok(()) };
            self.upstream.counters.fetched(bytes.len() as u64);
            if size.is_some_and(|size| stage.len() + bytes.len() as u64 > size) {
                return Err(self.wrong());
            }
            stage.write(bytes).await.map_err(RegistryError::from)?;
        }
    }

    /// The blob after the end of a download.
    async fn ended(&self, end: Progress) -> Result<BlobContent, MirrorError> {
        match end {
            Progress::Failed(error) => Err(error),
            Progress::NoRoom => Err(RegistryError::StorageFull.into()),
            _ => self.stored().await?.ok_or_else(|| MirrorError::Away {
                upstream: self.upstream.name.to_string(),
                why: "it was stored and is gone again; the cache may be too small for the image".to_owned(),
            }),
        }
    }

    async fn stored(&self) -> Result<Option<BlobContent>, MirrorError> {
        match self.registry().open_blob(self.filling.access(), &self.digest).await {
            Ok(content) => Ok(Some(content)),
            Err(RegistryError::BlobUnknown { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn head(&self, patience: Patience) -> Result<Option<u64>, MirrorError> {
        let digest = &self.digest;
        let ask = |client: berth_client::Client, name: String| async move {
            client.head_blob(&name, digest, patience).await
        };
        self.upstream.ask(&self.remote, ask).await.map_err(|error| self.error(&error))
    }

    async fn download(&self) -> Result<Download, MirrorError> {
        let digest = &self.digest;
        let ask =
            |client: berth_client::Client, name: String| async move { client.get_blob(&name, digest).await };
        self.upstream.ask(&self.remote, ask).await.map_err(|error| self.error(&error))
    }

    fn registry(&self) -> &Registry {
        self.mirror.registry()
    }

    fn wrong(&self) -> MirrorError {
        MirrorError::Wrong { upstream: self.upstream.name.to_string(), expected: self.digest.clone() }
    }

    fn error(&self, error: &berth_client::ClientError) -> MirrorError {
        let what = format!("blob {}", self.digest);
        MirrorError::of(&self.upstream.name, &what, ErrorCode::BlobUnknown, error)
    }
}
