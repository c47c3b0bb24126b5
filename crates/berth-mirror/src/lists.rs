//! Lists of upstreams: tags, and what refers to a manifest. They are asked each time, and told from here when the
//! upstream is away.

use berth_oci::Digest;
use berth_registry::{Access, Pull};
use bytes::Bytes;

use crate::{Mirror, MirrorError};

impl Mirror {
    /// The tags that the upstream of the repository has after `last`, and whether there are more; `None` if it cannot be
    /// asked, and what is here has to do.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn tags(
        &self,
        access: &Access<Pull>,
        n: usize,
        last: &str,
    ) -> Result<Option<(Vec<String>, bool)>, MirrorError> {
        let (upstream, filling) = self.source_of(access)?;
        let remote = upstream.remote(filling.repository())?;
        let ask =
            |client: berth_client::Client, name: String| async move { client.tags(&name, n, last).await };
        match upstream.ask(&remote, ask).await {
            Ok(page) => Ok(Some((page.tags, page.more))),
            Err(error) => {
                tracing::info!(upstream = %upstream.name, %error, "tags are listed from the cache");
                Ok(None)
            }
        }
    }

    /// What the upstream of the repository lists as referring to a manifest, as an image index; `None` if it cannot be
    /// asked or keeps no such lists.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn referrers(
        &self,
        access: &Access<Pull>,
        subject: &Digest,
    ) -> Result<Option<Bytes>, MirrorError> {
        let (upstream, filling) = self.source_of(access)?;
        let remote = upstream.remote(filling.repository())?;
        let ask = |client: berth_client::Client, name: String| async move {
            client.referrers(&name, subject).await
        };
        match upstream.ask(&remote, ask).await {
            Ok(index) => Ok(Some(index)),
            Err(error) => {
                tracing::debug!(upstream = %upstream.name, %error, "referrers are listed from the cache");
                Ok(None)
            }
        }
    }
}
