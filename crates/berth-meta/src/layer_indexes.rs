//! What is known of the inside of layers: made once, kept beside the blob, gone with it. The content is not read here.

use berth_db::params;
use berth_oci::Digest;
use bytes::Bytes;

use crate::{Meta, MetaError, Timestamp};

impl Meta {
    /// The index of a layer, if it was made. Whoever asks made sure that the layer may be read.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn layer_index(&self, layer: &Digest) -> Result<Option<Bytes>, MetaError> {
        let layer = layer.to_string();
        let sql =
            "SELECT i.content FROM layer_indexes i JOIN blobs b ON b.id = i.blob_id WHERE b.digest = ?1";
        let row = self
            .db
            .read(move |mut tx| {
                let layer = layer.clone();
                Box::pin(async move { tx.query_opt(sql, params![&layer]).await })
            })
            .await?;
        Ok(row.map(|row| row.get(0)).transpose()?)
    }

    /// Keeps the index of a layer. A layer that is gone meanwhile gets none.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn keep_layer_index(
        &self,
        layer: &Digest,
        content: Bytes,
        at: Timestamp,
    ) -> Result<(), MetaError> {
        let layer = layer.to_string();
        let sql = "INSERT INTO layer_indexes (blob_id, made_at, content) SELECT id, ?2, ?3 FROM blobs WHERE digest = ?1
             ON CONFLICT (blob_id) DO UPDATE SET made_at = excluded.made_at, content = excluded.content";
        self.db
            .write(move |mut tx| {
                let (layer, content) = (layer.clone(), content.clone());
                Box::pin(async move {
                    tx.execute(sql, params![&layer, at.0, &content]).await?;
                    Ok(())
                })
            })
            .await
    }
}
