//! When manifests were last used, and how often they were pulled: noted by whoever serves them, written now and then.

use berth_db::params;
use berth_oci::{Digest, RepositoryName};

use crate::rows::from_size;
use crate::{Meta, MetaError, Timestamp};

/// Uses of one manifest since the last time that they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Pulls. Looking whether it is there counts as a use, and is none.
    pub pulls: u64,
    /// The last use.
    pub last_at: Timestamp,
}

/// Which manifest was used.
pub type UsedManifest = (RepositoryName, Digest);

impl Meta {
    /// Adds uses to what is known of manifests. One that is gone is passed over.
    ///
    /// # Errors
    /// [`MetaError::Db`]; nothing is added then.
    pub async fn add_uses(&self, uses: Vec<(UsedManifest, Use)>) -> Result<(), MetaError> {
        let uses = std::sync::Arc::new(uses);
        let sql =
            "UPDATE pulls SET pulls = pulls + ?1, used_at = CASE WHEN used_at < ?2 THEN ?2 ELSE used_at END
             WHERE manifest_id = (SELECT m.id FROM manifests m JOIN repositories r ON r.id = m.repository_id
                                  WHERE r.name = ?3 AND m.digest = ?4)";
        self.db
            .write(move |mut tx| {
                let uses = std::sync::Arc::clone(&uses);
                Box::pin(async move {
                    for ((name, digest), used) in uses.iter() {
                        let digest = digest.to_string();
                        let pulls = from_size(used.pulls)?;
                        tx.execute(sql, params![pulls, used.last_at.0, name.as_str(), &digest]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}
