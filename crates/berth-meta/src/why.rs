//! Why something is still there, and why something is not.

use berth_db::{Tx, params};
use berth_oci::{Digest, Reference, RepositoryName};

use crate::life::{self, Hold};
use crate::repositories;
use crate::rules::Rules;
use crate::{Meta, MetaError, Timestamp, tags};

/// Why a manifest is there, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub digest: Digest,
    /// What holds it.
    pub hold: Option<Hold>,
    /// Since when nothing holds it any more.
    pub loose_since: Option<Timestamp>,
    /// The rule by which the tag that was asked for never changes.
    pub immutable_by: Option<i64>,
}

/// Why something is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// What the name meant last.
    pub digest: Digest,
    /// When it went.
    pub at: Timestamp,
    /// Who made it go; `None` if the cleaning did.
    pub by: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// Whether it can still be had back.
    pub is_restorable: bool,
}

impl Meta {
    /// Why a manifest is there.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`], [`MetaError::ManifestUnknown`].
    pub async fn why_kept(&self, repository: &RepositoryName, at: &Reference) -> Result<Standing, MetaError> {
        let (repository, at) = (repository.clone(), at.clone());
        self.db
            .read(move |mut tx| {
                let (repository, at) = (repository.clone(), at.clone());
                Box::pin(async move { standing(&mut tx, &repository, &at).await })
            })
            .await
    }

    /// Why a tag or a manifest is not there any more; `None` if it is there.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`]; [`MetaError::NoHistory`] if nothing is known of it.
    pub async fn why_gone(
        &self,
        repository: &RepositoryName,
        at: &Reference,
    ) -> Result<Option<Gone>, MetaError> {
        let (repository, at) = (repository.clone(), at.clone());
        self.db
            .read(move |mut tx| {
                let (repository, at) = (repository.clone(), at.clone());
                Box::pin(async move { gone(&mut tx, &repository, &at).await })
            })
            .await
    }
}

fn parsed(digest: &str) -> Result<Digest, MetaError> {
    digest.parse().map_err(|_| MetaError::Damaged { what: "a digest" })
}

async fn standing(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    at: &Reference,
) -> Result<Standing, MetaError> {
    let id = repositories::require(tx, repository).await?;
    let (target, immutable_by) = match at {
        Reference::Digest(digest) => (digest.to_string(), None),
        Reference::Tag(tag) => {
            let open = tags::find_open(tx, id, tag).await?.ok_or(MetaError::ManifestUnknown)?;
            (open.digest, Rules::of(tx, repository).await?.forbids(tag))
        }
    };
    let found = life::find(tx, id, &target).await?.filter(|manifest| manifest.deleted_at.is_none());
    let manifest = found.ok_or(MetaError::ManifestUnknown)?;
    Ok(Standing {
        digest: parsed(&target)?,
        hold: life::hold(tx, id, &manifest).await?,
        loose_since: manifest.loose_since.map(Timestamp),
        immutable_by,
    })
}

async fn gone(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    at: &Reference,
) -> Result<Option<Gone>, MetaError> {
    let id = repositories::require(tx, repository).await?;
    match at {
        Reference::Tag(tag) => {
            if tags::find_open(tx, id, tag).await?.is_some() {
                return Ok(None);
            }
            let sql = "SELECT digest, ended_at, ended_by, ended_why FROM tags
                 WHERE repository_id = ?1 AND name = ?2 AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1";
            let row = tx.query_opt(sql, params![id.0, tag.as_str()]).await?.ok_or(MetaError::NoHistory)?;
            let target: String = row.get(0)?;
            let is_restorable = life::find(tx, id, &target).await?.is_some();
            let (at, by, why) = (Timestamp(row.get(1)?), row.get(2)?, row.get(3)?);
            Ok(Some(Gone { digest: parsed(&target)?, at, by, why, is_restorable }))
        }
        Reference::Digest(digest) => {
            let target = digest.to_string();
            let sql = "SELECT deleted_at, deleted_by FROM manifests WHERE repository_id = ?1 AND digest = ?2";
            if let Some(row) = tx.query_opt(sql, params![id.0, &target]).await? {
                let Some(at) = row.get::<Option<i64>>(0)? else { return Ok(None) };
                let (at, by) = (Timestamp(at), row.get(1)?);
                return Ok(Some(Gone { digest: digest.clone(), at, by, why: None, is_restorable: true }));
            }
            let sql = "SELECT purged_at, why FROM purged WHERE digest = ?1 AND repository = ?2
                 ORDER BY id DESC LIMIT 1";
            let row = tx.query_opt(sql, params![&target, repository.as_str()]).await?;
            let row = row.ok_or(MetaError::NoHistory)?;
            let (at, why) = (Timestamp(row.get(0)?), row.get(1)?);
            Ok(Some(Gone { digest: digest.clone(), at, by: None, why, is_restorable: false }))
        }
    }
}
