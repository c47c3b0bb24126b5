//! A rehearsal: what would fail if an upstream were away now.

use std::time::Duration;

use berth_oci::Digest;
use berth_registry::{MirroredTag, RegistryError, ServerAccess, Timestamp};

use crate::Mirror;

/// Tags looked at in one transaction.
const PAGE: usize = 500;

/// What came of a rehearsal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// Images in use that could be pulled.
    pub n_good: u64,
    /// Images in use that could not, or not wholly.
    pub fail: Vec<WouldFail>,
}

/// An image that could not be pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldFail {
    /// Its name, as it is pulled here.
    pub image: String,
    /// What it names.
    pub digest: Digest,
    /// When it was last used.
    pub used_at: Timestamp,
    /// Why.
    pub why: String,
}

impl Mirror {
    /// Looks at the images of an upstream that were used within `used_within`: each could be pulled without it if its
    /// manifest is here, a platform of it if it is an index, and all blobs of those. Nothing is asked or changed.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn rehearse(
        &self,
        access: &ServerAccess,
        upstream: &str,
        used_within: Duration,
    ) -> Result<Rehearsal, RegistryError> {
        let since = Timestamp::now().minus(used_within);
        let (mut rehearsal, mut after) = (Rehearsal::default(), 0);
        loop {
            let page = self.registry().mirrored_tags(access, upstream, since, after, PAGE).await?;
            let Some(last) = page.items.last() else { return Ok(rehearsal) };
            after = last.id;
            for tag in &page.items {
                match why(tag) {
                    None => rehearsal.n_good += 1,
                    Some(why) => rehearsal.fail.push(WouldFail {
                        image: format!("{}:{}", tag.repository, tag.tag),
                        digest: tag.digest.clone(),
                        used_at: tag.used_at,
                        why,
                    }),
                }
            }
            if !page.more {
                return Ok(rehearsal);
            }
        }
    }
}

fn why(tag: &MirroredTag) -> Option<String> {
    match (tag.is_index, tag.platforms, tag.missing.len()) {
        (true, 0, _) => Some("none of its platforms is here".to_owned()),
        (_, _, 0) => None,
        (_, _, 1) => Some("1 of its blobs is not here".to_owned()),
        (_, _, n) => Some(format!("{n} of its blobs are not here")),
    }
}
