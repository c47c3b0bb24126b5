//! Repositories: named, made by the first push, and what people set of them.

use berth_db::{DbError, Row, Tx, params};
use berth_oci::{RepositoryName, Tag};

use crate::recent;
use crate::rows::probe;
use crate::rules::{RuleKind, Rules};
use crate::{Change, Meta, MetaError, Page, Timestamp, quotas, renames, usage};

/// Row number of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RepositoryId(pub(crate) i64);

/// A repository in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryEntry {
    /// Its name.
    pub name: String,
    /// Whether everybody may pull from it.
    pub is_public: bool,
}

/// What decides who may enter a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    /// Whether everybody may pull from it.
    pub is_public: bool,
    /// Whether it holds images of an upstream.
    pub is_mirrored: bool,
}

/// A repository with what people set of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// Its name.
    pub name: RepositoryName,
    /// Whether everybody may pull from it.
    pub is_public: bool,
    /// One line about it.
    pub description: String,
    /// A page about it, in Markdown.
    pub readme: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is to be set of a repository; absent parts stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryChange {
    /// Whether everybody may pull from it.
    pub is_public: Option<bool>,
    /// One line about it.
    pub description: Option<String>,
    /// A page about it, in Markdown.
    pub readme: Option<String>,
}

impl Meta {
    /// Lists repositories after `after` in byte order of their names.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn repositories(&self, after: &str, limit: usize) -> Result<Page<RepositoryEntry>, MetaError> {
        let after = after.to_owned();
        let sql =
            "SELECT name, visibility FROM repositories WHERE name > ?1 AND name < '~' ORDER BY name LIMIT ?2";
        let rows = self
            .db
            .read(move |mut tx| {
                let after = after.clone();
                Box::pin(async move { tx.query(sql, params![&after, probe(limit)]).await })
            })
            .await?;
        let entry = |row: &Row| Ok(RepositoryEntry { name: row.get(0)?, is_public: is_public(row, 1)? });
        Ok(Page::cut(rows.iter().map(entry).collect::<Result<_, MetaError>>()?, limit))
    }

    /// Names of repositories in the namespace, `limit` at most, in byte order.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn repositories_in(&self, namespace: &str, limit: usize) -> Result<Vec<String>, MetaError> {
        // The byte after the slash is the zero, so this is every name that begins with `namespace/`.
        let (first, end) = (format!("{namespace}/"), format!("{namespace}0"));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT name FROM repositories WHERE name > ?1 AND name < ?2 ORDER BY name LIMIT ?3";
        let rows = self
            .db
            .read(move |mut tx| {
                let (first, end) = (first.clone(), end.clone());
                Box::pin(async move { tx.query(sql, params![&first, &end, limit]).await })
            })
            .await?;
        names(&rows)
    }

    /// Whether a repository is public; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn is_public(&self, name: &RepositoryName) -> Result<Option<bool>, MetaError> {
        Ok(self.door(name).await?.map(|door| door.is_public))
    }

    /// What decides who may enter a repository; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn door(&self, name: &RepositoryName) -> Result<Option<Door>, MetaError> {
        let question = recent::question(&[name.as_str()]);
        let epoch = self.db.epoch();
        if let Some(answer) = self.recent.doors.get(epoch, &question) {
            return Ok(answer);
        }
        let name = name.clone();
        let sql = "SELECT visibility, upstream FROM repositories WHERE name = ?1";
        let row = self
            .db
            .read(move |mut tx| {
                let name = name.clone();
                Box::pin(async move { tx.query_opt(sql, params![name.as_str()]).await })
            })
            .await?;
        let read = |row: Row| {
            Ok::<_, MetaError>(Door {
                is_public: is_public(&row, 0)?,
                is_mirrored: row.get::<Option<String>>(1)?.is_some(),
            })
        };
        let answer = row.map(read).transpose()?;
        if epoch.is_some() && epoch == self.db.epoch() {
            self.recent.doors.put(epoch, question, &answer, 0);
        }
        Ok(answer)
    }

    /// A repository with what people set of it.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn repository(&self, name: &RepositoryName) -> Result<RepositoryRow, MetaError> {
        let wanted = name.clone();
        let sql = "SELECT visibility, description, readme, created_at FROM repositories WHERE name = ?1";
        let row = self
            .db
            .read(move |mut tx| {
                let name = wanted.clone();
                Box::pin(async move { tx.query_opt(sql, params![name.as_str()]).await })
            })
            .await?
            .ok_or(MetaError::RepositoryUnknown)?;
        Ok(RepositoryRow {
            name: name.clone(),
            is_public: is_public(&row, 0)?,
            description: row.get(1)?,
            readme: row.get(2)?,
            created_at: Timestamp(row.get(3)?),
        })
    }

    /// Sets something of a repository.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn change_repository(
        &self,
        name: &RepositoryName,
        set: RepositoryChange,
        change: &Change,
    ) -> Result<(), MetaError> {
        let (name, change) = (name.clone(), change.clone());
        self.db
            .write(move |mut tx| {
                let (name, set, change) = (name.clone(), set.clone(), change.clone());
                Box::pin(async move { apply(&mut tx, &name, &set, &change).await })
            })
            .await
    }

    /// Whether there is such a repository.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn repository_exists(&self, name: &RepositoryName) -> Result<bool, MetaError> {
        let name = name.clone();
        self.db
            .read(move |mut tx| {
                let name = name.clone();
                Box::pin(async move { Ok(find(&mut tx, &name).await?.is_some()) })
            })
            .await
    }
}

/// First column of each row, as text.
pub(crate) fn names(rows: &[Row]) -> Result<Vec<String>, MetaError> {
    rows.iter().map(|row| Ok(row.get(0)?)).collect()
}

pub(crate) async fn find(tx: &mut Tx<'_>, name: &RepositoryName) -> Result<Option<RepositoryId>, MetaError> {
    let row = tx.query_opt("SELECT id FROM repositories WHERE name = ?1", params![name.as_str()]).await?;
    row.map(|row| Ok(RepositoryId(row.get(0)?))).transpose()
}

pub(crate) async fn require(tx: &mut Tx<'_>, name: &RepositoryName) -> Result<RepositoryId, MetaError> {
    find(tx, name).await?.ok_or(MetaError::RepositoryUnknown)
}

pub(crate) async fn find_or_make(
    tx: &mut Tx<'_>,
    name: &RepositoryName,
    change: &Change,
) -> Result<RepositoryId, MetaError> {
    if let Some(id) = find(tx, name).await? {
        return Ok(id);
    }
    renames::require_unused(tx, name, change.at).await?;
    let namespace = usage::find_or_make(tx, usage::namespace_of(name)).await?;
    let visibility = word(change.makes_public);
    let sql = "INSERT INTO repositories (name, namespace_id, visibility, created_at, upstream)
         VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id";
    let values = params![name.as_str(), namespace, visibility, change.at.0, change.upstream.as_deref()];
    let row = tx.query_one(sql, values).await?;
    change.tell(tx, "repository.make", name, name.as_str(), visibility).await?;
    Ok(RepositoryId(row.get(0)?))
}

/// Gives a repository a name that nobody has, and counts its bytes where it belongs by that name.
pub(crate) async fn take_name(
    tx: &mut Tx<'_>,
    id: RepositoryId,
    from: i64,
    name: &RepositoryName,
) -> Result<(), MetaError> {
    if find(tx, name).await?.is_some() {
        return Err(MetaError::NameTaken { name: name.to_string() });
    }
    let to = usage::find_or_make(tx, usage::namespace_of(name)).await?;
    let sql = "UPDATE repositories SET name = ?1, namespace_id = ?2 WHERE id = ?3";
    tx.execute(sql, params![name.as_str(), to, id.0]).await?;
    if from != to {
        usage::moved(tx, id, from, to).await?;
        quotas::within_quota(tx, name).await?;
    }
    Ok(())
}

/// Refuses if a tag of the repository may not go.
pub(crate) async fn require_no_immutable(
    tx: &mut Tx<'_>,
    id: RepositoryId,
    rules: &Rules,
) -> Result<(), MetaError> {
    /// Tags that are looked at with one query.
    const BATCH: i64 = 1000;
    if !rules.0.iter().any(|rule| rule.kind == RuleKind::Immutable) {
        return Ok(());
    }
    let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND ended_at IS NULL AND name > ?2 ORDER BY name LIMIT ?3";
    let mut after = String::new();
    loop {
        let names = names(&tx.query(sql, params![id.0, &after, BATCH]).await?)?;
        let Some(last) = names.last() else { return Ok(()) };
        for tag in names.iter().filter_map(|name| name.parse::<Tag>().ok()) {
            rules.require_mutable(&tag)?;
        }
        after = last.clone();
    }
}

/// Counts the repositories of before there were sums. Afterwards there are none, and this is one look at an empty index.
pub(crate) async fn count_uncounted(db: &berth_db::Db) -> Result<(), MetaError> {
    loop {
        let done = db
            .write(|mut tx| {
                Box::pin(async move {
                    let sql =
                        "SELECT id, name FROM repositories WHERE namespace_id IS NULL ORDER BY id LIMIT 1";
                    let Some(row) = tx.query_opt(sql, &[]).await? else { return Ok::<_, MetaError>(true) };
                    let (id, name) = (RepositoryId(row.get(0)?), row.get::<String>(1)?);
                    usage::count_all(&mut tx, id, &name).await?;
                    crate::tags::note_versions(&mut tx, id).await?;
                    Ok(false)
                })
            })
            .await?;
        if done {
            return Ok(());
        }
    }
}

async fn apply(
    tx: &mut Tx<'_>,
    name: &RepositoryName,
    set: &RepositoryChange,
    change: &Change,
) -> Result<(), MetaError> {
    let id = require(tx, name).await?;
    let visibility = set.is_public.map(word);
    let sql = "UPDATE repositories SET visibility = COALESCE(?1, visibility),
             description = COALESCE(?2, description), readme = COALESCE(?3, readme) WHERE id = ?4";
    let (description, readme) = (set.description.as_deref(), set.readme.as_deref());
    tx.execute(sql, params![visibility, description, readme, id.0]).await?;
    let parts = [("description", description.is_some()), ("readme", readme.is_some())];
    let changed = visibility.into_iter().chain(parts.iter().filter(|(_, set)| *set).map(|(part, _)| *part));
    let changed = changed.collect::<Vec<_>>().join(", ");
    Ok(change.tell(tx, "repository.change", name, name.as_str(), &changed).await?)
}

/// How the column says it.
pub(crate) fn word(is_public: bool) -> &'static str {
    if is_public { "public" } else { "private" }
}

pub(crate) fn is_public(row: &Row, column: usize) -> Result<bool, DbError> {
    Ok(row.get::<String>(column)? == word(true))
}
