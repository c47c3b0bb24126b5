//! What images say of themselves, as far as search needs it: labels and annotations, by repository.
//!
//! Of each key the value that was pushed last is kept, so their number is bounded by the keys that a repository uses and
//! not by its images.

use berth_db::{Tx, params};

use crate::MetaError;
use crate::repositories::RepositoryId;

/// Labels of one image that are kept.
const MOST: usize = 64;
/// Characters of a key that are kept; what has longer ones is passed over.
const KEY: usize = 128;
/// Characters of a value that are kept.
const VALUE: usize = 512;

/// Notes the labels of an image that is pushed.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    labels: &[(String, String)],
) -> Result<(), MetaError> {
    let sql = "INSERT INTO labels (repository_id, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository_id, key) DO UPDATE SET value = excluded.value WHERE labels.value <> excluded.value";
    for (key, value) in labels.iter().filter(|(key, _)| key.len() <= KEY).take(MOST) {
        // PostgreSQL stores no zero byte.
        let clean = |text: &str| text.chars().filter(|c| *c != '\0').take(VALUE).collect::<String>();
        tx.execute(sql, params![repository.0, &clean(key), &clean(value)]).await?;
    }
    Ok(())
}
