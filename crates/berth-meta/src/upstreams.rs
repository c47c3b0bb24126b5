//! Upstreams: registries that are mirrored, what was had from them, and what is pinned.

use std::sync::Arc;

use berth_db::{Row, params};
use berth_oci::{Reference, RepositoryName};
use bytes::Bytes;

use crate::rows::{from_size, size};
use crate::{Change, Meta, MetaError, Timestamp, repositories};

/// An upstream as it was set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamRow {
    /// Its name here: the first part of the names of its images.
    pub name: String,
    /// What was set, as JSON. Only the mirror reads it.
    pub settings: String,
    /// Its credentials, sealed.
    pub secret: Option<Bytes>,
    /// When it was set up.
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: String,
}

/// What was had from a cache, and what from its upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Manifests and blobs that were here.
    pub hits: u64,
    /// Those that were not.
    pub misses: u64,
    /// Bytes that nobody had to fetch.
    pub bytes_saved: u64,
    /// Bytes that were fetched.
    pub bytes_fetched: u64,
}

/// An image that stays in the cache, whatever the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its repository.
    pub repository: String,
    /// Its tag or digest.
    pub reference: String,
    /// Since when.
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: String,
}

impl Meta {
    /// All upstreams, by name.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn upstreams(&self) -> Result<Vec<UpstreamRow>, MetaError> {
        let sql = "SELECT name, settings, secret, made_at, made_by FROM upstreams ORDER BY name";
        let rows = self.db.read(move |mut tx| Box::pin(async move { tx.query(sql, &[]).await })).await?;
        let read = |row: &Row| {
            Ok(UpstreamRow {
                name: row.get(0)?,
                settings: row.get(1)?,
                secret: row.get(2)?,
                made_at: Timestamp(row.get(3)?),
                made_by: row.get(4)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Sets an upstream up, or anew. Its repositories become as visible as it is.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn put_upstream(
        &self,
        name: &str,
        settings: String,
        secret: Option<Bytes>,
        is_public: bool,
        change: &Change,
    ) -> Result<(), MetaError> {
        let row = Arc::new((name.to_owned(), settings, secret));
        let change = change.clone();
        self.db
            .write(move |mut tx| {
                let (row, change) = (Arc::clone(&row), change.clone());
                Box::pin(async move {
                    let (name, settings, secret) = &*row;
                    let sql = "INSERT INTO upstreams (name, settings, secret, made_at, made_by) VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, secret = excluded.secret";
                    let by = &change.actor.name;
                    tx.execute(sql, params![name, settings, secret.as_ref(), change.at.0, by]).await?;
                    let visibility = repositories::word(is_public);
                    let sql = "UPDATE repositories SET visibility = ?1 WHERE upstream = ?2 AND visibility <> ?1";
                    tx.execute(sql, params![visibility, name]).await?;
                    Ok(change.tell_anywhere(&mut tx, "upstream.set", name, visibility).await?)
                })
            })
            .await
    }

    /// Forgets an upstream and what is pinned of it; its images stay until they are deleted. Tells whether there was one.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn remove_upstream(&self, name: &str, change: &Change) -> Result<bool, MetaError> {
        let (name, change) = (name.to_owned(), change.clone());
        self.db
            .write(move |mut tx| {
                let (name, change) = (name.clone(), change.clone());
                Box::pin(async move {
                    let n = tx.execute("DELETE FROM upstreams WHERE name = ?1", params![&name]).await?;
                    let (first, end) = (format!("{name}/"), format!("{name}0"));
                    let sql = "DELETE FROM pins WHERE repository > ?1 AND repository < ?2";
                    tx.execute(sql, params![&first, &end]).await?;
                    if n > 0 {
                        change.tell_anywhere(&mut tx, "upstream.remove", &name, "").await?;
                    }
                    Ok(n > 0)
                })
            })
            .await
    }

    /// Adds to what was had from upstreams on a day (counted from 1970).
    ///
    /// # Errors
    /// [`MetaError::Db`]; nothing is added then.
    pub async fn add_traffic(&self, day: i64, traffic: Vec<(String, Traffic)>) -> Result<(), MetaError> {
        let traffic = Arc::new(traffic);
        let sql = "INSERT INTO upstream_days (upstream, day, hits, misses, bytes_saved, bytes_fetched)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (upstream, day) DO UPDATE SET
             hits = upstream_days.hits + excluded.hits, misses = upstream_days.misses + excluded.misses,
             bytes_saved = upstream_days.bytes_saved + excluded.bytes_saved,
             bytes_fetched = upstream_days.bytes_fetched + excluded.bytes_fetched";
        self.db
            .write(move |mut tx| {
                let traffic = Arc::clone(&traffic);
                Box::pin(async move {
                    for (name, had) in traffic.iter() {
                        let (hits, misses) = (from_size(had.hits)?, from_size(had.misses)?);
                        let (saved, fetched) = (from_size(had.bytes_saved)?, from_size(had.bytes_fetched)?);
                        tx.execute(sql, params![name, day, hits, misses, saved, fetched]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// What was had from an upstream since a day.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn traffic(&self, upstream: &str, since: i64) -> Result<Traffic, MetaError> {
        let upstream = upstream.to_owned();
        let sql = "SELECT CAST(COALESCE(SUM(hits), 0) AS BIGINT), CAST(COALESCE(SUM(misses), 0) AS BIGINT),
             CAST(COALESCE(SUM(bytes_saved), 0) AS BIGINT), CAST(COALESCE(SUM(bytes_fetched), 0) AS BIGINT)
             FROM upstream_days WHERE upstream = ?1 AND day >= ?2";
        let row = self
            .db
            .read(move |mut tx| {
                let upstream = upstream.clone();
                Box::pin(async move { tx.query_one(sql, params![&upstream, since]).await })
            })
            .await?;
        Ok(Traffic {
            hits: size(&row, 0)?,
            misses: size(&row, 1)?,
            bytes_saved: size(&row, 2)?,
            bytes_fetched: size(&row, 3)?,
        })
    }

    /// What is pinned in the repositories of an upstream's name, in order.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn pins(&self, upstream: &str) -> Result<Vec<Pin>, MetaError> {
        let (first, end) = (format!("{upstream}/"), format!("{upstream}0"));
        let sql = "SELECT repository, reference, made_at, made_by FROM pins
             WHERE repository > ?1 AND repository < ?2 ORDER BY repository, reference";
        let rows = self
            .db
            .read(move |mut tx| {
                let (first, end) = (first.clone(), end.clone());
                Box::pin(async move { tx.query(sql, params![&first, &end]).await })
            })
            .await?;
        let read = |row: &Row| {
            Ok(Pin {
                repository: row.get(0)?,
                reference: row.get(1)?,
                made_at: Timestamp(row.get(2)?),
                made_by: row.get(3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Pins an image, or lets it go. Tells whether that changed anything.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn set_pin(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        pinned: bool,
        change: &Change,
    ) -> Result<bool, MetaError> {
        let (repository, reference, change) = (repository.clone(), reference.to_string(), change.clone());
        self.db
            .write(move |mut tx| {
                let (repository, reference, change) = (repository.clone(), reference.clone(), change.clone());
                Box::pin(async move {
                    let (name, by) = (repository.as_str(), &change.actor.name);
                    let n = if pinned {
                        let sql = "INSERT INTO pins (repository, reference, made_at, made_by) VALUES (?1, ?2, ?3, ?4)
                             ON CONFLICT (repository, reference) DO NOTHING";
                        tx.execute(sql, params![name, &reference, change.at.0, by]).await?
                    } else {
                        let sql = "DELETE FROM pins WHERE repository = ?1 AND reference = ?2";
                        tx.execute(sql, params![name, &reference]).await?
                    };
                    if n > 0 {
                        let action = if pinned { "image.pin" } else { "image.unpin" };
                        change.tell(&mut tx, action, &repository, &reference, "").await?;
                    }
                    Ok(n > 0)
                })
            })
            .await
    }
}
