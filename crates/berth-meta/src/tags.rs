//! Tags: rows with a lifetime. The open row is the tag; the closed ones are its history.

use berth_db::{Tx, params};
use berth_oci::{Digest, Level, RepositoryName, Tag, VersionTag};

use crate::preview::{self, Mode, Removal};
use crate::repositories::{self, RepositoryId, names};
use crate::rows::{digest, probe};
use crate::rules::Rules;
use crate::{Change, Meta, MetaError, Page, life};

/// What a push did to a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagMove {
    /// The tag.
    pub tag: Tag,
    /// What it named before; `None` if it is new.
    pub from: Option<Digest>,
}

impl Meta {
    /// Lists the tags of a repository after `after` in byte order.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        after: &str,
        limit: usize,
    ) -> Result<Page<String>, MetaError> {
        let (repository, after) = (repository.clone(), after.to_owned());
        let sql = "SELECT name FROM tags WHERE repository_id = ?1 AND ended_at IS NULL AND name > ?2
             ORDER BY name LIMIT ?3";
        self.db
            .read(move |mut tx| {
                let (repository, after) = (repository.clone(), after.clone());
                Box::pin(async move {
                    let id = repositories::require(&mut tx, &repository).await?;
                    let rows = tx.query(sql, params![id.0, &after, probe(limit)]).await?;
                    Ok(Page::cut(names(&rows)?, limit))
                })
            })
            .await
    }

    /// Ends a tag. The other tags of its manifest stay; a manifest that nothing else holds becomes loose.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`], [`MetaError::ManifestUnknown`] if there is no such tag,
    /// [`MetaError::TagImmutable`].
    pub async fn remove_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        change: &Change,
        mode: Mode,
    ) -> Result<Removal, MetaError> {
        let (repository, tag, change) = (repository.clone(), tag.clone(), change.clone());
        preview::run(&self.db, mode, move |mut tx| {
            let (repository, tag, change) = (repository.clone(), tag.clone(), change.clone());
            Box::pin(async move {
                let id = repositories::require(&mut tx, &repository).await?;
                let open = find_open(&mut tx, id, &tag).await?.ok_or(MetaError::ManifestUnknown)?;
                Rules::of(&mut tx, &repository).await?.require_mutable(&tag)?;
                let removal = remove(&mut tx, id, &[(open, "")], &change).await?;
                change.tell(&mut tx, "tag.delete", &repository, tag.as_str(), "").await?;
                Ok(removal)
            })
        })
        .await
    }

    /// The tags that a push of `tag` would move, by the rules that hold.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn floating(&self, repository: &RepositoryName, tag: &Tag) -> Result<Vec<Tag>, MetaError> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.db
            .read(move |mut tx| {
                let (repository, tag) = (repository.clone(), tag.clone());
                Box::pin(async move {
                    let rules = Rules::of(&mut tx, &repository).await?;
                    let id = repositories::find(&mut tx, &repository).await?.unwrap_or(RepositoryId(-1));
                    follow(&mut tx, id, &rules, &tag, &[]).await
                })
            })
            .await
    }
}

/// The open row of a tag.
#[derive(Debug, Clone)]
pub(crate) struct OpenTag {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) digest: String,
}

pub(crate) async fn find_open(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    tag: &Tag,
) -> Result<Option<OpenTag>, MetaError> {
    let sql = "SELECT id, digest FROM tags WHERE repository_id = ?1 AND name = ?2 AND ended_at IS NULL";
    let row = tx.query_opt(sql, params![repository.0, tag.as_str()]).await?;
    row.map(|row| Ok(OpenTag { id: row.get(0)?, name: tag.to_string(), digest: row.get(1)? })).transpose()
}

/// Ends tags, each with its reason if a rule did it, and lets go of what only they held.
pub(crate) async fn remove(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    tags: &[(OpenTag, &str)],
    change: &Change,
) -> Result<Removal, MetaError> {
    let (mut ended, mut touched) = (Vec::new(), Vec::new());
    for (tag, why) in tags {
        if end(tx, tag.id, change, why).await? {
            ended.push(tag.name.clone());
            touched.extend(life::find(tx, repository, &tag.digest).await?.map(|manifest| manifest.id));
        }
    }
    let mut removal = Removal::default();
    removal.end(&ended);
    let loosened = life::settle(tx, repository, touched, change.at).await?;
    removal.count(tx, repository, &loosened).await?;
    Ok(removal)
}

/// Ends the tag of that row, if it is still open.
pub(crate) async fn end(tx: &mut Tx<'_>, id: i64, change: &Change, why: &str) -> Result<bool, MetaError> {
    let sql =
        "UPDATE tags SET ended_at = ?1, ended_by = ?2, ended_why = ?3 WHERE id = ?4 AND ended_at IS NULL";
    let why = (!why.is_empty()).then_some(why);
    Ok(tx.execute(sql, params![change.at.0, &change.actor.name, why, id]).await? > 0)
}

/// What a tag is set to, and why.
pub(crate) struct Setting<'a> {
    pub(crate) tag: &'a Tag,
    pub(crate) target: &'a str,
    /// Empty if somebody asked for just this.
    pub(crate) why: &'a str,
}

/// Makes a tag name a manifest. Naming again what it names already changes nothing.
///
/// Whoever calls this settles what the tag named before, and what it names now.
pub(crate) async fn set(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    setting: &Setting<'_>,
    rules: &Rules,
    change: &Change,
) -> Result<Option<TagMove>, MetaError> {
    let Setting { tag, target, why } = setting;
    let mut from = None;
    if let Some(open) = find_open(tx, repository, tag).await? {
        if open.digest == *target {
            return Ok(None);
        }
        // What a rule moves is meant to move.
        if why.is_empty() {
            rules.require_mutable(tag)?;
        }
        from = Some(open.digest.parse().map_err(|_| MetaError::Damaged { what: "a digest" })?);
        end(tx, open.id, change, why).await?;
    }
    let version = VersionTag::of(tag);
    let [major, minor, patch] = match &version {
        Some(version) => version.numbers().map(|number| i64::try_from(number).ok()),
        None => [None; 3],
    };
    let series = version.as_ref().map(VersionTag::variant);
    let why = (!why.is_empty()).then_some(*why);
    let sql = "INSERT INTO tags
             (repository_id, name, digest, began_at, began_by, began_why, series, major, minor, patch)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let (name, by) = (tag.as_str(), &change.actor.name);
    let values = params![repository.0, name, *target, change.at.0, by, why, series, major, minor, patch];
    tx.execute(sql, values).await?;
    Ok(Some(TagMove { tag: (*tag).clone(), from }))
}

/// The floating tags that go with a version that is being pushed: at each level, if no newer version is there.
pub(crate) async fn follow(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    rules: &Rules,
    pushed: &Tag,
    explicit: &[Tag],
) -> Result<Vec<Tag>, MetaError> {
    let (Some((_, levels)), Some(version)) = (rules.levels(), VersionTag::of(pushed)) else {
        return Ok(Vec::new());
    };
    let mut following = Vec::new();
    for &level in levels {
        let Some(float) = version.floating(level).filter(|float| !explicit.contains(float)) else { continue };
        if is_newest(tx, repository, &version, level).await? {
            following.push(float);
        }
    }
    Ok(following)
}

/// Whether no tag of the repository is a newer version of the same variant, within what the level spans.
async fn is_newest(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    version: &VersionTag,
    level: Level,
) -> Result<bool, MetaError> {
    let sql = match level {
        Level::Minor => {
            "SELECT 1 FROM tags WHERE repository_id = ?1 AND ended_at IS NULL AND series = ?2
             AND major = ?3 AND minor = ?4 AND patch > ?5 LIMIT 1"
        }
        Level::Major => {
            "SELECT 1 FROM tags WHERE repository_id = ?1 AND ended_at IS NULL AND series = ?2
             AND major = ?3 AND (minor, patch) > (?4, ?5) LIMIT 1"
        }
        Level::Latest => {
            "SELECT 1 FROM tags WHERE repository_id = ?1 AND ended_at IS NULL AND series = ?2
             AND (major, minor, patch) > (?3, ?4, ?5) LIMIT 1"
        }
    };
    let [major, minor, patch] = version.numbers().map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let newer = tx.query_opt(sql, params![repository.0, version.variant(), major, minor, patch]).await?;
    Ok(newer.is_none())
}

/// Sets tags to a manifest that is there, with the tags that float after them, and settles all that this touches. The
/// tags that were asked for come first.
pub(crate) async fn set_all(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    tags: &[Tag],
    target: &str,
    rules: &Rules,
    change: &Change,
) -> Result<(Vec<TagMove>, Vec<TagMove>), MetaError> {
    let (mut asked, mut floated) = (Vec::new(), Vec::new());
    for tag in tags {
        asked.extend(set(tx, repository, &Setting { tag, target, why: "" }, rules, change).await?);
    }
    for pushed in tags {
        for float in follow(tx, repository, rules, pushed, tags).await? {
            let rule = rules.levels().map_or(0, |(rule, _)| rule);
            let why = format!("follows {pushed} by rule {rule}");
            let setting = Setting { tag: &float, target, why: &why };
            floated.extend(set(tx, repository, &setting, rules, change).await?);
        }
    }
    let mut touched = Vec::new();
    for from in asked.iter().chain(&floated).filter_map(|moved| moved.from.as_ref()) {
        touched.extend(life::find(tx, repository, &from.to_string()).await?.map(|manifest| manifest.id));
    }
    life::settle(tx, repository, touched, change.at).await?;
    Ok((asked, floated))
}

/// Reads the versions among tags that were set before versions were noted.
pub(crate) async fn note_versions(tx: &mut Tx<'_>, repository: RepositoryId) -> Result<(), MetaError> {
    let sql = "SELECT id, name FROM tags WHERE repository_id = ?1 AND ended_at IS NULL";
    for row in tx.query(sql, params![repository.0]).await? {
        let version = row.get::<String>(1)?.parse().ok().and_then(|tag| VersionTag::of(&tag));
        let Some(version) = version else { continue };
        let [major, minor, patch] = version.numbers().map(|number| i64::try_from(number).ok());
        let sql = "UPDATE tags SET series = ?1, major = ?2, minor = ?3, patch = ?4 WHERE id = ?5";
        tx.execute(sql, params![version.variant(), major, minor, patch, row.get::<i64>(0)?]).await?;
    }
    Ok(())
}

/// The open tags that name a manifest.
pub(crate) async fn naming(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    target: &str,
) -> Result<Vec<OpenTag>, MetaError> {
    let sql =
        "SELECT id, name, digest FROM tags WHERE repository_id = ?1 AND digest = ?2 AND ended_at IS NULL";
    let rows = tx.query(sql, params![repository.0, target]).await?;
    let open = |row: &berth_db::Row| {
        Ok(OpenTag { id: row.get(0)?, name: row.get(1)?, digest: digest(row, 2)?.to_string() })
    };
    rows.iter().map(open).collect()
}
