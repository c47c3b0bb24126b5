//! Where a name leads: to an own repository, or to an upstream's that is filled while it is read.

use std::time::Duration;

use berth_mirror::{Entrance, Mirror, MirroredBlob, MirroredManifest, Named};
use berth_oci::{Digest, ErrorCode, Reference, RepositoryName};
use berth_registry::{Access, BlobStat, Page, Pull, StoredManifest};
use bytes::Bytes;
use http::header::{AGE, VIA, WARNING};

use super::Call;
use crate::answer::{Answer, Describe};
use crate::error::ApiError;
use crate::headers::{self, OCI_NAMESPACE};

/// A repository that the caller may pull from, and the mirror that fills it if it is an upstream's.
pub(super) struct Place<'a> {
    access: Access<Pull>,
    mirror: Option<&'a Mirror>,
    ns: Option<String>,
}

/// For how long an upstream could not be asked, and why.
pub(super) type Stale = Option<(Duration, String)>;

impl<'a> Call<'a> {
    /// The place that a name leads to, if the caller may pull there.
    pub(super) async fn place(&self, name: &RepositoryName) -> Result<Place<'a>, ApiError> {
        let Some(mirror) = self.mirror else {
            return Ok(Place { access: self.access(name).await?, mirror: None, ns: None });
        };
        let ns = self.query.get("ns");
        let own = self.origin.base.split_once("://").map(|(_, authority)| authority);
        let repository = match mirror.named(self.entrance, ns.as_deref(), own, name)? {
            Named::Own(name) => {
                return Ok(Place { access: self.access(&name).await?, mirror: None, ns: None });
            }
            Named::Upstream(repository) => repository,
        };
        // A token says the name that the client uses, which is not always the whole name here; what its account may is
        // decided for the whole name.
        let unscoped;
        let caller = if repository == *name {
            self.caller
        } else {
            unscoped = self.caller.unscoped();
            &unscoped
        };
        let access = self.registry.authorizer().authorize::<Pull>(caller, &repository).await?;
        if access.upstream().is_none() {
            return self.not_theirs(access, ns.is_some());
        }
        if self.header(VIA).is_some_and(|via| mirror.is_own_request(via)) {
            let reason =
                "this server is its own upstream; look at the address of that upstream (berth mirror list)";
            return Err(ApiError::because(ErrorCode::Unavailable, reason).saying(reason));
        }
        let ns = ns.map(|ns| ns.into_owned());
        Ok(Place { access, mirror: Some(mirror), ns })
    }

    /// An own repository that has an upstream's name, from before there was that upstream. Who asks for the upstream's is
    /// not given it.
    fn not_theirs(&self, access: Access<Pull>, asked_by_ns: bool) -> Result<Place<'a>, ApiError> {
        if asked_by_ns || self.entrance == Entrance::Mirror {
            let reason = "the repository of that name was pushed here, and is not the upstream's";
            return Err(ApiError::because(ErrorCode::NameUnknown, reason));
        }
        Ok(Place { access, mirror: None, ns: None })
    }
}

impl Place<'_> {
    /// The right to read there.
    pub(super) fn access(&self) -> &Access<Pull> {
        &self.access
    }

    /// The registry that the client said it means.
    pub(super) fn ns(&self) -> Option<&str> {
        self.ns.as_deref()
    }

    /// What a reference names; without content for HEAD.
    pub(super) async fn manifest(
        &self,
        call: Call<'_>,
        at: &Reference,
    ) -> Result<(StoredManifest, Stale), ApiError> {
        let found: MirroredManifest = match (self.mirror, call.is_head()) {
            (Some(mirror), true) => mirror.stat_manifest(&self.access, at).await?,
            (Some(mirror), false) => mirror.get_manifest(&self.access, at).await?,
            (None, true) => call.registry.stat_manifest(&self.access, at).await?.into(),
            (None, false) => call.registry.get_manifest(&self.access, at).await?.into(),
        };
        Ok((found.manifest, found.stale))
    }

    pub(super) async fn stat_blob(&self, call: Call<'_>, digest: &Digest) -> Result<BlobStat, ApiError> {
        match self.mirror {
            Some(mirror) => Ok(mirror.stat_blob(&self.access, digest).await?),
            None => Ok(call.registry.stat_blob(&self.access, digest).await?),
        }
    }

    pub(super) async fn open_blob(&self, call: Call<'_>, digest: &Digest) -> Result<MirroredBlob, ApiError> {
        match self.mirror {
            Some(mirror) => Ok(mirror.open_blob(&self.access, digest).await?),
            None => Ok(MirroredBlob::Here(call.registry.open_blob(&self.access, digest).await?)),
        }
    }

    /// The tags after one; those that are here if the upstream cannot be asked.
    pub(super) async fn tags(
        &self,
        call: Call<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, ApiError> {
        if let Some(mirror) = self.mirror
            && let Some((items, more)) = mirror.tags(&self.access, limit, after.unwrap_or_default()).await?
        {
            return Ok(Page { items, more });
        }
        Ok(call.registry.list_tags(&self.access, after, limit).await?)
    }

    /// What the upstream lists as referring to a manifest; `None` where our own list is the answer.
    pub(super) async fn referrers(
        &self,
        call: Call<'_>,
        subject: &Digest,
    ) -> Result<Option<Bytes>, ApiError> {
        match self.mirror {
            // A page that is asked for is one of our own list.
            Some(mirror) if call.query.get("last").is_none() => {
                Ok(mirror.referrers(&self.access, subject).await?)
            }
            _ => Ok(None),
        }
    }

    /// Tells whose image it is, and how old if the upstream could not be asked.
    pub(super) fn tell(&self, answer: Answer, stale: Stale) -> Answer {
        let (age, why) = stale.unzip();
        let why =
            why.map(|why| format!("the upstream could not be asked, this is what was last known: {why}"));
        let warnings: Vec<String> = why.into_iter().collect();
        answer
            .with_some(OCI_NAMESPACE, self.ns.clone().map(headers::value))
            .with_some(AGE, age.map(|age| age.as_secs().into()))
            .with_all(WARNING, headers::warnings(&warnings))
    }
}
