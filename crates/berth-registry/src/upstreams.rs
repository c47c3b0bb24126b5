//! Which names belong to upstreams, and what administrators set of those.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use berth_auth::Visibility;
use berth_meta::{MirroredTag, Page, Pin, Timestamp, Traffic, UpstreamRow};
use berth_oci::{Reference, RepositoryName};
use bytes::Bytes;

use crate::{Access, Admin, Registry, RegistryError, ServerAccess};

/// What a name says of the upstream that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The first part of the names of its images.
    pub name: Arc<str>,
    /// Who may see those.
    pub visibility: Visibility,
}

/// First parts of names that belong to upstreams. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct UpstreamNames(Arc<RwLock<BTreeMap<Arc<str>, Visibility>>>);

impl UpstreamNames {
    /// Sets all of them.
    pub fn set(&self, upstreams: impl IntoIterator<Item = Upstream>) {
        let upstreams = upstreams.into_iter().map(|upstream| (upstream.name, upstream.visibility)).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = upstreams;
    }

    /// The upstream that a name belongs to, by its first part. A name of one part belongs to none.
    pub fn of(&self, repository: &RepositoryName) -> Option<Upstream> {
        let (first, _) = repository.as_str().split_once('/')?;
        let upstreams = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (name, visibility) = upstreams.get_key_value(first)?;
        Some(Upstream { name: Arc::clone(name), visibility: *visibility })
    }
}

impl Registry {
    /// All upstreams, as they were set up. For whoever fetches from them; people are shown less.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn upstream_rows(&self) -> Result<Vec<UpstreamRow>, RegistryError> {
        Ok(self.meta.upstreams().await?)
    }

    /// Sets an upstream up, or anew.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn put_upstream(
        &self,
        access: &ServerAccess,
        name: &str,
        settings: String,
        secret: Option<Bytes>,
        visibility: Visibility,
    ) -> Result<(), RegistryError> {
        let is_public = visibility == Visibility::Public;
        Ok(self.meta.put_upstream(name, settings, secret, is_public, &access.change).await?)
    }

    /// Forgets an upstream. Tells whether there was one.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn remove_upstream(&self, access: &ServerAccess, name: &str) -> Result<bool, RegistryError> {
        Ok(self.meta.remove_upstream(name, &access.change).await?)
    }

    /// Bytes that the images of an upstream take.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn upstream_bytes(&self, _access: &ServerAccess, name: &str) -> Result<u64, RegistryError> {
        Ok(self.meta.namespace_bytes(name).await?)
    }

    /// Adds to what was had from upstreams today.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn add_traffic(&self, traffic: Vec<(String, Traffic)>) -> Result<(), RegistryError> {
        Ok(self.meta.add_traffic(Timestamp::now().day(), traffic).await?)
    }

    /// What was had from an upstream on the last `days`.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn traffic(
        &self,
        _access: &ServerAccess,
        name: &str,
        days: i64,
    ) -> Result<Traffic, RegistryError> {
        Ok(self.meta.traffic(name, Timestamp::now().day() - days).await?)
    }

    /// Tags of an upstream that were used since then, each with what is missing of it; after the row `after`.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn mirrored_tags(
        &self,
        _access: &ServerAccess,
        name: &str,
        used_since: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Page<MirroredTag>, RegistryError> {
        self.write_uses().await?;
        Ok(self.meta.mirrored_tags(name, used_since, after, limit).await?)
    }

    /// What is pinned of an upstream.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn pins(&self, _access: &ServerAccess, name: &str) -> Result<Vec<Pin>, RegistryError> {
        Ok(self.meta.pins(name).await?)
    }

    /// Pins an image, so that it stays in the cache whatever the room, or lets it go. Tells whether that changed anything.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn set_pin(
        &self,
        access: &Access<Admin>,
        at: &Reference,
        pinned: bool,
    ) -> Result<bool, RegistryError> {
        Ok(self.meta.set_pin(access.repository(), at, pinned, &access.change()).await?)
    }
}
