//! How long a manifest lives: while something holds it.
//!
//! A manifest is **held** by a tag that names it, by a living index that lists it, and by its living subject; a tag that
//! is itself attached to a digest (`sha256-….sig`) holds only while that image lives. A manifest that loses its last hold
//! becomes **loose**: it can still be pulled by digest, and the trash time begins. A new hold ends that. One that was
//! pushed by digest and never held stays until somebody deletes it: nobody knows what it is for. **Deleted** is what a
//! person deleted by digest; it is answered as unknown, and the trash time begins.
//!
//! *Living* is what is neither loose nor deleted. Each change that may end or begin a hold calls [`settle`] with the
//! manifests that it touched, in its transaction, so the rule holds after every commit.

use berth_db::{Row, Tx, params};
use berth_oci::{Digest, Tag};

use crate::repositories::RepositoryId;
use crate::{MetaError, Timestamp};

/// A manifest as its life is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) id: i64,
    pub(crate) digest: String,
    pub(crate) subject: Option<String>,
    pub(crate) loose_since: Option<i64>,
    pub(crate) deleted_at: Option<i64>,
}

const COLUMNS: &str = "id, digest, subject, loose_since, deleted_at";

impl Life {
    fn read(row: &Row) -> Result<Life, MetaError> {
        Ok(Life {
            id: row.get(0)?,
            digest: row.get(1)?,
            subject: row.get(2)?,
            loose_since: row.get(3)?,
            deleted_at: row.get(4)?,
        })
    }

    pub(crate) fn is_living(&self) -> bool {
        self.loose_since.is_none() && self.deleted_at.is_none()
    }
}

/// Finds a manifest, whatever its state.
pub(crate) async fn find(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    digest: &str,
) -> Result<Option<Life>, MetaError> {
    let sql = format!("SELECT {COLUMNS} FROM manifests WHERE repository_id = ?1 AND digest = ?2");
    tx.query_opt(&sql, params![repository.0, digest]).await?.map(|row| Life::read(&row)).transpose()
}

async fn by_id(tx: &mut Tx<'_>, id: i64) -> Result<Option<Life>, MetaError> {
    let sql = format!("SELECT {COLUMNS} FROM manifests WHERE id = ?1");
    tx.query_opt(&sql, params![id]).await?.map(|row| Life::read(&row)).transpose()
}

/// What holds a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// A tag names it.
    Tag(String),
    /// A living index lists it.
    Index(String),
    /// It is about a living manifest.
    Subject(String),
}

/// One thing that holds a manifest, if anything does.
pub(crate) async fn hold(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    life: &Life,
) -> Result<Option<Hold>, MetaError> {
    if let Some(tag) = holding_tag(tx, repository, &life.digest).await? {
        return Ok(Some(Hold::Tag(tag)));
    }
    let sql = "SELECT p.digest FROM manifest_references e JOIN manifests p ON p.id = e.manifest_id
         WHERE e.digest = ?1 AND e.repository_id = ?2 AND e.role <> 'blob'
           AND p.loose_since IS NULL AND p.deleted_at IS NULL LIMIT 1";
    if let Some(row) = tx.query_opt(sql, params![&life.digest, repository.0]).await? {
        return Ok(Some(Hold::Index(row.get(0)?)));
    }
    let Some(subject) = &life.subject else { return Ok(None) };
    let subject = find(tx, repository, subject).await?.filter(Life::is_living);
    Ok(subject.map(|subject| Hold::Subject(subject.digest)))
}

async fn holding_tag(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    digest: &str,
) -> Result<Option<String>, MetaError> {
    // One of another kind decides, and a manifest may have a hundred thousand of those.
    let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND digest = ?2 AND ended_at IS NULL
         AND name NOT LIKE 'sha%-%' LIMIT 1";
    if let Some(row) = tx.query_opt(sql, params![repository.0, digest]).await? {
        return Ok(Some(row.get(0)?));
    }
    let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND digest = ?2 AND ended_at IS NULL LIMIT 8";
    for row in tx.query(sql, params![repository.0, digest]).await? {
        let name: String = row.get(0)?;
        let attached = name.parse::<Tag>().ok().and_then(|tag| tag.attached_to());
        let image = match attached {
            Some(image) => find(tx, repository, &image.to_string()).await?,
            None => None,
        };
        // An image that was never here cannot have gone.
        if image.is_none_or(|image| image.is_living()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether a manifest without a hold belongs to something that is on its way out: it goes with that.
async fn belongs_to_the_dying(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    life: &Life,
) -> Result<bool, MetaError> {
    match &life.subject {
        Some(subject) => Ok(find(tx, repository, subject).await?.is_some()),
        None => Ok(false),
    }
}

/// What lives and dies with a manifest: its children, its referrers, and what is attached to it by name.
pub(crate) async fn dependents(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    life: &Life,
) -> Result<Vec<i64>, MetaError> {
    let mut found = Vec::new();
    let sql = "SELECT c.id FROM manifest_references e
         JOIN manifests c ON c.repository_id = e.repository_id AND c.digest = e.digest
         WHERE e.manifest_id = ?1 AND e.role <> 'blob'";
    found.extend(tx.query(sql, params![life.id]).await?);
    let sql = "SELECT id FROM manifests WHERE repository_id = ?1 AND subject = ?2";
    found.extend(tx.query(sql, params![repository.0, &life.digest]).await?);
    let sql = "SELECT m.id FROM tags t JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
         WHERE t.repository_id = ?1 AND t.name = ?2 AND t.ended_at IS NULL";
    for name in attached_names(&life.digest) {
        found.extend(tx.query(sql, params![repository.0, &name]).await?);
    }
    found.iter().map(|row| Ok(row.get(0)?)).collect()
}

/// The tags by which clients attach things to a digest.
pub(crate) fn attached_names(digest: &str) -> Vec<String> {
    let stem = digest.replacen(':', "-", 1);
    // Longer names are no tags.
    let names = ["", ".sig", ".att", ".sbom"].iter().map(|end| format!("{stem}{end}"));
    names.filter(|name| name.len() <= Tag::MAX_LEN).collect()
}

/// Brings the state of manifests, and of all that depends on them, in line with what holds them. Gives those that became
/// loose.
pub(crate) async fn settle(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    touched: Vec<i64>,
    now: Timestamp,
) -> Result<Vec<i64>, MetaError> {
    let (mut queue, mut loosened) = (touched, Vec::new());
    while let Some(id) = queue.pop() {
        let Some(life) = by_id(tx, id).await?.filter(|life| life.deleted_at.is_none()) else { continue };
        let is_held = hold(tx, repository, &life).await?.is_some();
        match (is_held, life.loose_since) {
            (true, Some(_)) => {
                set_loose(tx, id, None).await?;
                loosened.retain(|loose| *loose != id);
            }
            (false, None) => {
                set_loose(tx, id, Some(now)).await?;
                loosened.push(id);
            }
            _ => continue,
        }
        queue.extend(dependents(tx, repository, &life).await?);
    }
    Ok(loosened)
}

/// The state of a manifest that was just pushed, and of what depends on it.
pub(crate) async fn settle_pushed(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    id: i64,
    now: Timestamp,
) -> Result<(), MetaError> {
    let Some(life) = by_id(tx, id).await? else { return Ok(()) };
    let is_held = hold(tx, repository, &life).await?.is_some();
    let goes = !is_held && belongs_to_the_dying(tx, repository, &life).await?;
    let loose_since = goes.then_some(now);
    if loose_since.is_some() != life.loose_since.is_some() {
        set_loose(tx, id, loose_since).await?;
    }
    if goes {
        return Ok(());
    }
    let mut waiting = Vec::new();
    for dependent in dependents(tx, repository, &life).await? {
        let sql = "SELECT 1 FROM manifests WHERE id = ?1 AND loose_since IS NOT NULL";
        if tx.query_opt(sql, params![dependent]).await?.is_some() {
            waiting.push(dependent);
        }
    }
    settle(tx, repository, waiting, now).await?;
    Ok(())
}

async fn set_loose(tx: &mut Tx<'_>, id: i64, since: Option<Timestamp>) -> Result<(), MetaError> {
    let since = since.map(|since| since.0);
    tx.execute("UPDATE manifests SET loose_since = ?1 WHERE id = ?2", params![since, id]).await?;
    Ok(())
}

/// The living index that lists a manifest, if there is one.
pub(crate) async fn holding_index(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    digest: &str,
) -> Result<Option<Digest>, MetaError> {
    let sql = "SELECT p.digest FROM manifest_references e JOIN manifests p ON p.id = e.manifest_id
         WHERE e.digest = ?1 AND e.repository_id = ?2 AND e.role = 'child'
           AND p.loose_since IS NULL AND p.deleted_at IS NULL LIMIT 1";
    let row = tx.query_opt(sql, params![digest, repository.0]).await?;
    row.map(|row| crate::rows::digest(&row, 0)).transpose()
}
