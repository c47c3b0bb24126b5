//! Repositories that get another name, and the old names that lead to them for a time.

use berth_db::{Tx, params};
use berth_oci::RepositoryName;

use crate::preview::{self, Mode};
use crate::rules::Rules;
use crate::{Change, Meta, MetaError, Timestamp, recent, repositories};

/// A rename of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Its name.
    pub from: RepositoryName,
    /// Its new name.
    pub to: RepositoryName,
    /// Until when pulls by the old name lead to the new one; `None` if they do not.
    pub redirect_until: Option<Timestamp>,
}

impl Meta {
    /// Gives a repository another name, with everything that is in it.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`]; [`MetaError::NameTaken`] and [`MetaError::Renamed`] if the new name is not free;
    /// [`MetaError::QuotaExceeded`] of the namespace that it comes into; [`MetaError::TagImmutable`] if a tag would lose
    /// its protection.
    pub async fn rename_repository(
        &self,
        rename: Rename,
        change: &Change,
        mode: Mode,
    ) -> Result<(), MetaError> {
        let change = change.clone();
        preview::run(&self.db, mode, move |mut tx| {
            let (rename, change) = (rename.clone(), change.clone());
            Box::pin(async move { apply(&mut tx, &rename, &change).await })
        })
        .await
    }

    /// The repository that a former name leads to now.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn renamed(
        &self,
        name: &RepositoryName,
        now: Timestamp,
    ) -> Result<Option<RepositoryName>, MetaError> {
        let question = recent::question(&["renamed", name.as_str()]);
        let epoch = self.db.epoch();
        let answer = match self.recent.aliases.get(epoch, &question) {
            Some(answer) => answer,
            None => {
                let name = name.clone();
                let answer = self
                    .db
                    .read(move |mut tx| {
                        let name = name.clone();
                        Box::pin(async move { find(&mut tx, &name).await })
                    })
                    .await?;
                if epoch.is_some() && epoch == self.db.epoch() {
                    self.recent.aliases.put(epoch, question, &answer, 0);
                }
                answer
            }
        };
        Ok(answer.filter(|(_, until)| *until > now).and_then(|(name, _)| name.parse().ok()))
    }
}

async fn apply(tx: &mut Tx<'_>, rename: &Rename, change: &Change) -> Result<(), MetaError> {
    let Rename { from, to, redirect_until } = rename;
    let id = repositories::require(tx, from).await?;
    // Going back to a former name of its own is no conflict.
    let sql = "DELETE FROM aliases WHERE name = ?1 AND repository_id = ?2";
    tx.execute(sql, params![to.as_str(), id.0]).await?;
    require_unused(tx, to, change.at).await?;
    let (old, new) = (Rules::of(tx, from).await?, Rules::of(tx, to).await?);
    // A name to which the rule does not apply would be a way around it.
    let mut lost = old.clone();
    lost.0.retain(|rule| !new.0.contains(rule));
    repositories::require_no_immutable(tx, id, &lost).await?;
    let namespace =
        tx.query_one("SELECT namespace_id FROM repositories WHERE id = ?1", params![id.0]).await?;
    repositories::take_name(tx, id, namespace.get(0)?, to).await?;
    if let Some(until) = redirect_until {
        let sql = "INSERT INTO aliases (name, repository_id, expires_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET repository_id = excluded.repository_id, expires_at = excluded.expires_at";
        tx.execute(sql, params![from.as_str(), id.0, until.0]).await?;
    }
    change.tell(tx, "repository.rename", from, to.as_str(), "").await?;
    Ok(change.tell(tx, "repository.rename", to, from.as_str(), "was").await?)
}

async fn find(tx: &mut Tx<'_>, name: &RepositoryName) -> Result<Option<(String, Timestamp)>, MetaError> {
    let sql = "SELECT r.name, a.expires_at FROM aliases a JOIN repositories r ON r.id = a.repository_id
         WHERE a.name = ?1 AND r.deleted_at IS NULL";
    let row = tx.query_opt(sql, params![name.as_str()]).await?;
    row.map(|row| Ok((row.get(0)?, Timestamp(row.get(1)?)))).transpose()
}

/// Refuses a name that still leads to a repository that had it; frees one whose time is over.
pub(crate) async fn require_unused(
    tx: &mut Tx<'_>,
    name: &RepositoryName,
    now: Timestamp,
) -> Result<(), MetaError> {
    match find(tx, name).await? {
        Some((to, until)) if until > now => Err(MetaError::Renamed { to }),
        _ => {
            tx.execute("DELETE FROM aliases WHERE name = ?1", params![name.as_str()]).await?;
            Ok(())
        }
    }
}
