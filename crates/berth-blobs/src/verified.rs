//! The proof that bytes have the digest they were promised to have.

use std::fmt;

use berth_oci::Digest;
use bytes::Bytes;

use crate::backend::Staged;
use crate::stage::StageLease;

/// A blob whose bytes were checked against its digest. Only [`Stage::verify`](crate::Stage::verify) makes one.
///
/// Dropping it without a commit leaves its stage file, if it has one, for the cleaner of old stages.
pub struct Verified {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) content: Content,
    pub(crate) lease: StageLease,
}

/// Where the checked bytes are.
pub(crate) enum Content {
    Inline(Bytes),
    Staged(Box<dyn Staged>),
}

impl Verified {
    /// The digest that the bytes have.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes themselves if there are at most [`INLINE_MAX`](crate::INLINE_MAX) of them; then there is no file.
    pub fn inline(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Inline(bytes) => Some(bytes),
            Content::Staged(_) => None,
        }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inline = self.inline().is_some();
        f.debug_struct("Verified")
            .field("digest", &self.digest)
            .field("size", &self.size)
            .field("inline", &inline)
            .finish()
    }
}
