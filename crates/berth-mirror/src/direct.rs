//! A blob that passes through without being stored, since there is no room: checked on the way, and never whole unless
//! it is right.

use berth_client::Download;
use berth_oci::{Digest, Hasher};
use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::MirrorError;

/// A blob on its way from the upstream to one client.
pub struct DirectStream {
    download: Download,
    hasher: Option<Hasher>,
    held: Option<Bytes>,
    upstream: String,
    digest: Digest,
}

impl DirectStream {
    pub(crate) fn new(download: Download, upstream: &str, digest: &Digest) -> DirectStream {
        let hasher = Some(Hasher::new(digest.algorithm()));
        DirectStream { download, hasher, held: None, upstream: upstream.to_owned(), digest: digest.clone() }
    }

    /// Its length, if the upstream told it.
    pub fn size(&self) -> Option<u64> {
        self.download.size()
    }

    /// Its bytes. The last piece comes only when all of them have the digest.
    pub fn pieces(self) -> impl Stream<Item = Result<Bytes, MirrorError>> + Send + 'static {
        stream::try_unfold(self, async |mut direct| Ok(direct.next().await?.map(|piece| (piece, direct))))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, MirrorError> {
        loop {
            let away = |error: berth_client::ClientError| MirrorError::Away {
                upstream: self.upstream.clone(),
                why: crate::error::told(&error),
            };
            match self.download.next().await.map_err(away)? {
                Some(piece) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&piece);
                    }
                    if let Some(before) = self.held.replace(piece) {
                        return Ok(Some(before));
                    }
                }
                None => return self.last(),
            }
        }
    }

    fn last(&mut self) -> Result<Option<Bytes>, MirrorError> {
        let Some(hasher) = self.hasher.take() else { return Ok(None) };
        if hasher.finish() == self.digest {
            return Ok(self.held.take());
        }
        Err(MirrorError::Wrong { upstream: self.upstream.clone(), expected: self.digest.clone() })
    }
}
