//! Writing rows inside of other transactions, and reading them back in pages.

use std::net::IpAddr;

use berth_db::{Db, DbError, Row, Tx, Value, params};

use crate::schema::SCHEMA;

/// Who did something, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Stable and never used again: `user:7`, `robot:9`, `anonymous`, `owner`.
    pub id: String,
    /// The name at that time, for people.
    pub name: String,
    /// Where the request came from, if it came over a network.
    pub address: Option<IpAddr>,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// When, in microseconds since 1970.
    pub at: i64,
    /// What, as `noun.verb`: `manifest.push`, `tag.delete`, `user.add`, `login.refuse`.
    pub action: &'static str,
    /// In which repository, if in one.
    pub repository: Option<&'a str>,
    /// To what: a tag, a digest, the name of an account, a pattern.
    pub target: &'a str,
    /// What else is worth knowing; never a secret.
    pub detail: &'a str,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position; later rows have larger ones.
    pub id: i64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Who.
    pub actor: Actor,
    /// What, as in [`Event::action`].
    pub action: String,
    /// In which repository.
    pub repository: Option<String>,
    /// To what.
    pub target: String,
    /// What else.
    pub detail: String,
}

/// What is looked for; absent parts match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The actor's name.
    pub actor: Option<String>,
    /// A whole action (`tag.delete`), or all of a noun (`tag`).
    pub action: Option<String>,
    /// The repository.
    pub repository: Option<String>,
    /// Not before, in microseconds since 1970.
    pub since: Option<i64>,
    /// Before, in microseconds since 1970.
    pub until: Option<i64>,
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Adds a row, in the transaction that makes the change.
///
/// # Errors
/// Any [`DbError`] of the engine.
pub async fn append(tx: &mut Tx<'_>, actor: &Actor, event: &Event<'_>) -> Result<(), DbError> {
    let address = actor.address.map(|address| address.to_string());
    let sql = "INSERT INTO audit (at, actor_id, actor, address, action, repository, target, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        event.at,
        &actor.id,
        &actor.name,
        address.as_deref(),
        event.action,
        event.repository,
        event.target,
        event.detail
    ];
    tx.execute(sql, values).await.map(|_| ())
}

/// The log, for reading. Clones share the database.
#[derive(Clone)]
pub struct AuditLog(Db);

impl AuditLog {
    /// Takes a database into use and brings the log's schema up to date.
    ///
    /// # Errors
    /// [`AuditError::Db`].
    pub async fn open(db: Db) -> Result<AuditLog, AuditError> {
        db.migrate(SCHEMA).await?;
        Ok(AuditLog(db))
    }

    /// Rows that match, newest first, before the position `before`; `limit` at most.
    ///
    /// # Errors
    /// [`AuditError::Db`].
    pub async fn search(
        &self,
        filter: &Filter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Entry>, AuditError> {
        let (filter, limit) = (filter.clone(), i64::try_from(limit).unwrap_or(i64::MAX));
        let before = before.unwrap_or(i64::MAX);
        let rows = self
            .0
            .read(move |mut tx| {
                let filter = filter.clone();
                Box::pin(async move { tx.query(SEARCH, &filter.values(before, limit)).await })
            })
            .await?;
        rows.iter().map(|row| Ok(entry(row)?)).collect()
    }
}

/// One statement for every filter: a part that is absent is empty, or so wide that it holds everything.
const SEARCH: &str = "SELECT id, at, actor_id, actor, address, action, repository, target, detail FROM audit
     WHERE id < ?1 AND at >= ?2 AND at < ?3
       AND (?4 = '' OR actor = ?4) AND (?5 = '' OR repository = ?5)
       AND (?6 = '' OR action = ?6 OR substr(action, 1, length(?6) + 1) = ?6 || '.')
     ORDER BY id DESC LIMIT ?7";

impl Filter {
    fn values(&self, before: i64, limit: i64) -> [Value<'_>; 7] {
        fn text(part: &Option<String>) -> Value<'_> {
            Value::Text(part.as_deref().unwrap_or_default())
        }
        [
            Value::Int(before),
            Value::Int(self.since.unwrap_or(i64::MIN)),
            Value::Int(self.until.unwrap_or(i64::MAX)),
            text(&self.actor),
            text(&self.repository),
            text(&self.action),
            Value::Int(limit),
        ]
    }
}

fn entry(row: &Row) -> Result<Entry, DbError> {
    let address: Option<String> = row.get(4)?;
    Ok(Entry {
        id: row.get(0)?,
        at: row.get(1)?,
        actor: Actor {
            id: row.get(2)?,
            name: row.get(3)?,
            address: address.and_then(|address| address.parse().ok()),
        },
        action: row.get(5)?,
        repository: row.get(6)?,
        target: row.get(7)?,
        detail: row.get(8)?,
    })
}
