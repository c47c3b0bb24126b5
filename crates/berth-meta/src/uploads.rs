//! Open uploads: who may continue which session, and which are forgotten.

use berth_db::{DbError, Tx, params};
use berth_oci::RepositoryName;

use crate::{Meta, MetaError, Timestamp};

/// An upload session. It belongs to one repository and one principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// Unguessable name, 32 hexadecimal digits.
    pub id: String,
    /// Name of the repository (it may not exist yet).
    pub repository: String,
    /// Who opened it.
    pub principal: String,
    /// Algorithm that its bytes are hashed with.
    pub algorithm: String,
    /// When bytes last came.
    pub touched_at: Timestamp,
}

impl Meta {
    /// Remembers a new session, soon but not at once: a power cut right after costs the client a new start, no data.
    pub fn add_upload_later(&self, upload: UploadRow) {
        self.db.write_later(move |mut tx| {
            let upload = upload.clone();
            Box::pin(async move { save(&mut tx, &upload).await })
        });
    }

    /// Notes that bytes came, and comes back when the session is sure to be found again after a restart.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn save_upload(&self, upload: UploadRow) -> Result<(), MetaError> {
        self.db
            .write(move |mut tx| {
                let upload = upload.clone();
                Box::pin(async move { Ok(save(&mut tx, &upload).await?) })
            })
            .await
    }

    /// Finds a session by its id, within the repository and for the principal that it belongs to.
    ///
    /// # Errors
    /// [`MetaError::UploadUnknown`], also if it belongs to another.
    pub async fn upload(
        &self,
        id: &str,
        repository: &RepositoryName,
        principal: &str,
    ) -> Result<UploadRow, MetaError> {
        let (id, repository, principal) = (id.to_owned(), repository.clone(), principal.to_owned());
        let sql = "SELECT id, repository, principal, algorithm, touched_at FROM uploads
             WHERE id = ?1 AND repository = ?2 AND principal = ?3";
        let row = self
            .db
            .read(move |mut tx| {
                let (id, repository, principal) = (id.clone(), repository.clone(), principal.clone());
                Box::pin(
                    async move { tx.query_opt(sql, params![&id, repository.as_str(), &principal]).await },
                )
            })
            .await?;
        read(&row.ok_or(MetaError::UploadUnknown)?)
    }

    /// Forgets a session. Doing it twice is doing it once.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn remove_upload(&self, id: &str) -> Result<(), MetaError> {
        let id = id.to_owned();
        self.db
            .write(move |mut tx| {
                let id = id.clone();
                Box::pin(async move {
                    Ok(tx.execute("DELETE FROM uploads WHERE id = ?1", params![&id]).await.map(|_| ())?)
                })
            })
            .await
    }

    /// Sessions to which no byte came since `before`; `limit` of them, oldest first.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn idle_uploads(&self, before: Timestamp, limit: usize) -> Result<Vec<UploadRow>, MetaError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT id, repository, principal, algorithm, touched_at FROM uploads
             WHERE touched_at < ?1 ORDER BY touched_at LIMIT ?2";
        let rows = self
            .db
            .read(move |mut tx| Box::pin(async move { tx.query(sql, params![before.0, limit]).await }))
            .await?;
        rows.iter().map(read).collect()
    }

    /// Whether a session is remembered, whoever it belongs to.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn upload_exists(&self, id: &str) -> Result<bool, MetaError> {
        let id = id.to_owned();
        let row = self
            .db
            .read(move |mut tx| {
                let id = id.clone();
                Box::pin(
                    async move { tx.query_opt("SELECT 1 FROM uploads WHERE id = ?1", params![&id]).await },
                )
            })
            .await?;
        Ok(row.is_some())
    }
}

async fn save(tx: &mut Tx<'_>, upload: &UploadRow) -> Result<(), DbError> {
    let sql = "INSERT INTO uploads (id, repository, principal, algorithm, created_at, touched_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT (id) DO UPDATE SET touched_at = excluded.touched_at";
    let UploadRow { id, repository, principal, algorithm, touched_at } = upload;
    tx.execute(sql, params![id, repository, principal, algorithm, touched_at.0]).await.map(|_| ())
}

fn read(row: &berth_db::Row) -> Result<UploadRow, MetaError> {
    Ok(UploadRow {
        id: row.get(0)?,
        repository: row.get(1)?,
        principal: row.get(2)?,
        algorithm: row.get(3)?,
        touched_at: Timestamp(row.get(4)?),
    })
}
