//! Quotas: how many bytes a namespace, or everything, may use.

use berth_db::{Tx, params};
use berth_oci::RepositoryName;

use crate::rows::{from_size, size};
use crate::usage::{TOTAL, namespace_of, used};
use crate::{Change, Meta, MetaError};

/// Percent of a quota from which on pushes are told of it.
const NEARLY: u64 = 80;

/// How much of a quota is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fullness {
    /// The namespace, or [`TOTAL`].
    pub namespace: String,
    /// Bytes used.
    pub used: u64,
    /// Bytes allowed.
    pub quota: u64,
}

impl Fullness {
    /// Whole percent, rounded down.
    pub fn percent(&self) -> u64 {
        self.used.saturating_mul(100).checked_div(self.quota).unwrap_or(100)
    }
}

async fn quota(tx: &mut Tx<'_>, namespace: &str) -> Result<Option<u64>, MetaError> {
    let sql = "SELECT bytes FROM quotas WHERE namespace = ?1";
    tx.query_opt(sql, params![namespace]).await?.map(|row| size(&row, 0)).transpose()
}

/// Refuses a transaction that put more into a namespace than its quota or that of everything allows. Gives the quotas
/// that are nearly used up.
///
/// Called after the change and before the commit, so there is no moment at which the sum is wrong or over.
pub(crate) async fn within_quota(tx: &mut Tx<'_>, name: &RepositoryName) -> Result<Vec<Fullness>, MetaError> {
    let mut nearly = Vec::new();
    for namespace in [namespace_of(name), TOTAL] {
        let Some(quota) = quota(tx, namespace).await? else { continue };
        let fullness = Fullness { namespace: namespace.to_owned(), used: used(tx, namespace).await?, quota };
        if fullness.used > quota {
            return Err(MetaError::QuotaExceeded(fullness));
        }
        if fullness.percent() >= NEARLY {
            nearly.push(fullness);
        }
    }
    Ok(nearly)
}

impl Meta {
    /// Whether `more` bytes fit into the quotas of a repository's namespace, for a refusal before they are sent. What is
    /// decided is decided again when they are stored.
    ///
    /// # Errors
    /// [`MetaError::QuotaExceeded`], with the use that there would be.
    pub async fn has_room(&self, name: &RepositoryName, more: u64) -> Result<(), MetaError> {
        let name = name.clone();
        self.db
            .read(move |mut tx| {
                let name = name.clone();
                Box::pin(async move {
                    for namespace in [namespace_of(&name), TOTAL] {
                        let Some(quota) = quota(&mut tx, namespace).await? else { continue };
                        let used = used(&mut tx, namespace).await?.saturating_add(more);
                        if used > quota {
                            let namespace = namespace.to_owned();
                            return Err(MetaError::QuotaExceeded(Fullness { namespace, used, quota }));
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The quotas that are set, in byte order of the namespaces.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn quotas(&self) -> Result<Vec<Fullness>, MetaError> {
        self.db
            .read(|mut tx| {
                Box::pin(async move {
                    let rows =
                        tx.query("SELECT namespace, bytes FROM quotas ORDER BY namespace", &[]).await?;
                    let mut quotas = Vec::with_capacity(rows.len());
                    for row in rows {
                        let namespace: String = row.get(0)?;
                        let used = used(&mut tx, &namespace).await?;
                        quotas.push(Fullness { namespace, used, quota: size(&row, 1)? });
                    }
                    Ok(quotas)
                })
            })
            .await
    }

    /// Sets the quota of a namespace, or of everything ([`TOTAL`]); `None` takes it away.
    ///
    /// # Errors
    /// [`MetaError::QuotaTooSmall`] if more is used already.
    pub async fn set_quota(
        &self,
        namespace: &str,
        quota: Option<u64>,
        change: &Change,
    ) -> Result<Fullness, MetaError> {
        let (namespace, change) = (namespace.to_owned(), change.clone());
        self.db
            .write(move |mut tx| {
                let (namespace, change) = (namespace.clone(), change.clone());
                Box::pin(async move {
                    let used = used(&mut tx, &namespace).await?;
                    let Some(quota) = quota else {
                        tx.execute("DELETE FROM quotas WHERE namespace = ?1", params![&namespace]).await?;
                        change.tell_anywhere(&mut tx, "quota.remove", &namespace, "").await?;
                        return Ok(Fullness { namespace, used, quota: u64::MAX });
                    };
                    let fullness = Fullness { namespace, used, quota };
                    if used > quota {
                        return Err(MetaError::QuotaTooSmall(fullness));
                    }
                    let sql = "INSERT INTO quotas (namespace, bytes) VALUES (?1, ?2)
                         ON CONFLICT (namespace) DO UPDATE SET bytes = excluded.bytes";
                    tx.execute(sql, params![&fullness.namespace, from_size(quota)?]).await?;
                    let detail = quota.to_string();
                    change.tell_anywhere(&mut tx, "quota.set", &fullness.namespace, &detail).await?;
                    Ok(fullness)
                })
            })
            .await
    }
}
