//! Manifests that say something about another: signatures, SBOMs, attestations.

use berth_db::{Row, params};
use berth_oci::{Digest, RepositoryName};

use crate::rows::{digest, probe, size};
use crate::{Meta, MetaError, Page};

/// A manifest with a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its artifact type, or its config's media type.
    pub artifact_type: Option<String>,
    /// Its annotations, as a JSON object.
    pub annotations: Option<String>,
}

impl Meta {
    /// Lists what refers to `subject` in a repository, after `after` by digest; nothing if there is no such thing.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Page<Referrer>, MetaError> {
        let (repository, subject, after) = (repository.clone(), subject.to_string(), after.to_owned());
        // No artifact type is the empty text, so the empty text can mean "any".
        let wanted = artifact_type.unwrap_or_default().to_owned();
        let sql = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations FROM repositories r
             JOIN manifests m ON m.repository_id = r.id
             WHERE r.name = ?1 AND m.subject = ?2 AND m.digest > ?3 AND m.deleted_at IS NULL AND (?4 = '' OR m.artifact_type = ?4)
             ORDER BY m.digest LIMIT ?5";
        let rows = self
            .db
            .read(move |mut tx| {
                let (repository, subject) = (repository.clone(), subject.clone());
                let (after, wanted) = (after.clone(), wanted.clone());
                Box::pin(async move {
                    tx.query(sql, params![repository.as_str(), &subject, &after, &wanted, probe(limit)]).await
                })
            })
            .await?;
        Ok(Page::cut(rows.iter().map(read).collect::<Result<_, MetaError>>()?, limit))
    }
}

fn read(row: &Row) -> Result<Referrer, MetaError> {
    Ok(Referrer {
        digest: digest(row, 0)?,
        media_type: row.get(1)?,
        size: size(row, 2)?,
        artifact_type: row.get(3)?,
        annotations: row.get(4)?,
    })
}
