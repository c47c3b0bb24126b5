//! Manifests of upstreams: here if they can be, from there if they must.

use std::sync::Arc;
use std::time::Duration;

use berth_client::{ClientError, FetchedManifest, ManifestHead, Patience};
use berth_oci::{ErrorCode, Reference, Tag};
use berth_registry::{
    Access, Filling, Pull, PutManifest, Registry, RegistryError, StoredManifest, Timestamp,
};
use bytes::Bytes;

use crate::error::chain;
use crate::traffic::Had;
use crate::upstream::Upstream;
use crate::{Mirror, MirrorError};

/// A manifest of an upstream.
#[derive(Debug, Clone)]
pub struct MirroredManifest {
    /// The manifest; without content if only its head was wanted.
    pub manifest: StoredManifest,
    /// For how long the upstream could not be asked about the tag, and why, if that is so.
    pub stale: Option<(Duration, String)>,
}

impl From<StoredManifest> for MirroredManifest {
    fn from(manifest: StoredManifest) -> MirroredManifest {
        MirroredManifest { manifest, stale: None }
    }
}

/// How much of a manifest is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Head,
    Whole,
}

/// Everything that a question about a manifest goes along with.
#[derive(Clone)]
struct Question {
    mirror: Mirror,
    upstream: Arc<Upstream>,
    filling: Filling,
    /// What the repository is called there.
    remote: String,
    at: Reference,
    want: Want,
}

impl Mirror {
    /// What a reference names at the upstream of the repository, without its content.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn stat_manifest(
        &self,
        access: &Access<Pull>,
        at: &Reference,
    ) -> Result<MirroredManifest, MirrorError> {
        self.question(access, at, Want::Head)?.answer().await
    }

    /// The manifest that a reference names at the upstream of the repository. It is kept here then.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn get_manifest(
        &self,
        access: &Access<Pull>,
        at: &Reference,
    ) -> Result<MirroredManifest, MirrorError> {
        self.question(access, at, Want::Whole)?.answer().await
    }

    fn question(&self, access: &Access<Pull>, at: &Reference, want: Want) -> Result<Question, MirrorError> {
        let (upstream, filling) = self.source_of(access)?;
        let remote = upstream.remote(filling.repository())?;
        Ok(Question { mirror: self.clone(), upstream, filling, remote, at: at.clone(), want })
    }
}

impl Question {
    async fn answer(self) -> Result<MirroredManifest, MirrorError> {
        let asked_at = Timestamp::now();
        if let Some(answer) = self.at_once(asked_at).await? {
            return Ok(self.had_here(answer));
        }
        let turn =
            self.mirror.shared().turns.take(&format!("{}@{}", self.filling.repository(), self.at)).await;
        // Somebody may have asked the same in the meantime.
        if let Some(answer) = self.at_once(asked_at).await? {
            return Ok(self.had_here(answer));
        }
        // What was asked of the upstream is stored also if this client is gone by then.
        let asking = tokio::spawn(async move {
            let _turn = turn;
            match self.at.tag().cloned() {
                Some(tag) => self.by_tag(&tag).await,
                None => self.by_digest().await,
            }
        });
        asking.await.unwrap_or_else(|error| Err(RegistryError::Internal(Box::new(error)).into()))
    }

    /// The answer for which nobody has to be asked: by digest what is here, by tag what was compared recently (or after
    /// `asked_at`), or is not compared to spare the upstream.
    async fn at_once(&self, asked_at: Timestamp) -> Result<Option<StoredManifest>, MirrorError> {
        let Some(stored) = self.stored().await? else { return Ok(None) };
        let Some(tag) = self.at.tag() else { return Ok(Some(stored)) };
        let checked_at = self.checked_at(tag).await?;
        let fresh_since = Timestamp::now().minus(self.upstream.settings.fresh()).min(asked_at);
        let is_fresh = checked_at.is_some_and(|at| at >= fresh_since);
        Ok(Some(stored).filter(|_| is_fresh || self.upstream.spares()))
    }

    async fn by_digest(&self) -> Result<MirroredManifest, MirrorError> {
        if self.want == Want::Head {
            let head = self.head(Patience::Long).await.map_err(|error| self.error(&error))?;
            if let Some(manifest) = self.of_head(&head) {
                return Ok(manifest.into());
            }
        }
        let fetched = self.fetch(&self.at, Patience::Long).await;
        let tags =
            self.at.digest().map(|digest| self.mirror.shared().freshness.promised(&self.filling, digest));
        let tags = tags.unwrap_or_default();
        match fetched {
            Err(ClientError::NotFound) if !tags.is_empty() => Err(self.contradiction()),
            fetched => self.keep(fetched.map_err(|error| self.error(&error))?, tags).await.map(Into::into),
        }
    }

    async fn by_tag(&self, tag: &Tag) -> Result<MirroredManifest, MirrorError> {
        let stored = self.stored().await?;
        let asked = match &stored {
            None if self.want == Want::Whole => {
                let fetched = self.fetch(&self.at, Patience::Long).await;
                return self.keep(self.settled(tag, fetched).await?, vec![tag.clone()]).await.map(Into::into);
            }
            None => self.head(Patience::Long).await,
            Some(_) => self.head(Patience::Short).await,
        };
        let (answer, stored) = match (asked, stored) {
            (Ok(head), Some(stored)) if head.digest.as_ref() == Some(&stored.digest) => {
                self.mirror.shared().freshness.note(&self.filling, tag);
                return Ok(self.had_here(stored));
            }
            (Ok(head), stored) => (self.moved(tag, &head).await, stored),
            (Err(error), stored) => (self.settled(tag, Err(error)).await, stored),
        };
        match (answer, stored) {
            (Err(error), Some(stored)) if error.is_passing() => self.stale(tag, stored, error).await,
            (answer, _) => answer,
        }
    }

    /// The tag names something that it did not name here.
    async fn moved(&self, tag: &Tag, head: &ManifestHead) -> Result<MirroredManifest, MirrorError> {
        let freshness = &self.mirror.shared().freshness;
        let Some(digest) = head.digest.clone() else {
            let fetched = self.fetch(&self.at, Patience::Long).await;
            return self.keep(self.settled(tag, fetched).await?, vec![tag.clone()]).await.map(Into::into);
        };
        let at = Reference::Digest(digest.clone());
        if let Some(known) = self.stored_at(&at, Want::Whole).await? {
            self.upstream.counters.note(Had::Here, known.size);
            let fetched = FetchedManifest { digest, media_type: known.media_type, content: known.content };
            return self.keep(fetched, vec![tag.clone()]).await.map(Into::into);
        }
        if self.want == Want::Head
            && let Some(manifest) = self.of_head(head)
        {
            // A look is no pull, and stays none: the tag is set when what it names is asked for.
            freshness.promise(&self.filling, tag, &digest);
            return Ok(manifest.into());
        }
        let fetched = match self.fetch(&at, Patience::Long).await {
            // The tag moved on in between, or the look was a lie.
            Err(ClientError::NotFound) => self.fetch(&self.at, Patience::Long).await,
            fetched => fetched,
        };
        self.keep(self.settled(tag, fetched).await?, vec![tag.clone()]).await.map(Into::into)
    }

    /// The upstream named this a moment ago, and does not have it. That is no word on whether the image exists.
    fn contradiction(&self) -> MirrorError {
        let why = format!("it says that {} is there, and does not give it", self.image());
        self.upstream.complain(why.clone());
        MirrorError::Away { upstream: self.upstream.name.to_string(), why }
    }

    /// What is here under a tag that the upstream could not be asked about.
    async fn stale(
        &self,
        tag: &Tag,
        stored: StoredManifest,
        error: MirrorError,
    ) -> Result<MirroredManifest, MirrorError> {
        let now = Timestamp::now();
        let checked_at = self.checked_at(tag).await?.unwrap_or(now);
        let age = Duration::from_micros(now.0.saturating_sub(checked_at.0).unsigned_abs());
        if age > self.upstream.settings.stale() {
            return Err(error);
        }
        let why = error.why();
        tracing::warn!(upstream = %self.upstream.name, image = %self.image(), age_s = age.as_secs(), why, "served as it was last known");
        Ok(MirroredManifest { stale: Some((age, why)), ..self.had_here(stored) })
    }

    /// What the upstream said, where "no such image" ends the tag here too.
    async fn settled<T>(&self, tag: &Tag, said: Result<T, ClientError>) -> Result<T, MirrorError> {
        if let Err(ClientError::NotFound) = &said {
            self.registry().forget_tag(&self.filling, tag).await?;
        }
        said.map_err(|error| self.error(&error))
    }

    /// Keeps what came. What cannot be kept is still handed on, if it is a manifest at all.
    async fn keep(&self, fetched: FetchedManifest, tags: Vec<Tag>) -> Result<StoredManifest, MirrorError> {
        let put = PutManifest {
            reference: Reference::Digest(fetched.digest.clone()),
            media_type: fetched.media_type.clone(),
            content: fetched.content.clone(),
            tags: tags.clone(),
        };
        match self.registry().fill_manifest(&self.filling, put).await {
            Ok(_) => tags.iter().for_each(|tag| self.mirror.shared().freshness.note(&self.filling, tag)),
            Err(RegistryError::ManifestInvalid(error)) => {
                let why = format!("it sent no manifest for {}: {error}", self.image());
                self.upstream.complain(why.clone());
                return Err(MirrorError::Away { upstream: self.upstream.name.to_string(), why });
            }
            Err(error) => {
                self.upstream.complain(format!("{} could not be kept: {}", self.image(), chain(&error)));
            }
        }
        let content = if self.want == Want::Head { Bytes::new() } else { fetched.content.clone() };
        Ok(StoredManifest {
            digest: fetched.digest,
            media_type: fetched.media_type,
            size: fetched.content.len() as u64,
            content,
        })
    }

    fn had_here(&self, stored: StoredManifest) -> MirroredManifest {
        self.upstream.counters.note(Had::Here, stored.size);
        stored.into()
    }

    /// An answer by the head alone, if the upstream tells enough.
    fn of_head(&self, head: &ManifestHead) -> Option<StoredManifest> {
        let (digest, size) = (head.digest.clone()?, head.size?);
        if self.at.digest().is_some_and(|asked| *asked != digest) || head.media_type.is_empty() {
            return None;
        }
        Some(StoredManifest { digest, media_type: head.media_type.clone(), size, content: Bytes::new() })
    }

    async fn head(&self, patience: Patience) -> Result<ManifestHead, ClientError> {
        let at = &self.at;
        let ask = |client: berth_client::Client, name: String| async move {
            client.head_manifest(&name, at, patience).await
        };
        self.upstream.ask(&self.remote, ask).await
    }

    async fn fetch(&self, at: &Reference, patience: Patience) -> Result<FetchedManifest, ClientError> {
        let ask = |client: berth_client::Client, name: String| async move {
            client.get_manifest(&name, at, patience).await
        };
        let fetched = self.upstream.ask(&self.remote, ask).await;
        match &fetched {
            Ok(fetched) => {
                self.upstream.counters.note(Had::Fetched, 0);
                self.upstream.counters.fetched(fetched.content.len() as u64);
            }
            Err(error @ ClientError::Useless { .. }) => {
                self.upstream.complain(format!("{}: {error}", self.image()));
            }
            Err(_) => {}
        }
        fetched
    }

    async fn stored(&self) -> Result<Option<StoredManifest>, MirrorError> {
        self.stored_at(&self.at, self.want).await
    }

    async fn stored_at(&self, at: &Reference, want: Want) -> Result<Option<StoredManifest>, MirrorError> {
        let access = self.filling.access();
        let found = match want {
            Want::Head => self.registry().stat_manifest(access, at).await,
            Want::Whole => self.registry().get_manifest(access, at).await,
        };
        match found {
            Ok(stored) => Ok(Some(stored)),
            Err(RegistryError::ManifestUnknown { .. } | RegistryError::RepositoryUnknown) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn checked_at(&self, tag: &Tag) -> Result<Option<Timestamp>, MirrorError> {
        Ok(self.mirror.shared().freshness.checked_at(self.registry(), &self.filling, tag).await?)
    }

    fn registry(&self) -> &Registry {
        self.mirror.registry()
    }

    fn image(&self) -> String {
        match &self.at {
            Reference::Tag(tag) => format!("{}:{tag}", self.filling.repository()),
            Reference::Digest(digest) => format!("{}@{digest}", self.filling.repository()),
        }
    }

    fn error(&self, error: &ClientError) -> MirrorError {
        let what = format!("manifest {}", self.at);
        MirrorError::of(&self.upstream.name, &what, ErrorCode::ManifestUnknown, error)
    }
}
