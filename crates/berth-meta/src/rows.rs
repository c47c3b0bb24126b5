//! Typed columns.

use berth_db::Row;
use berth_oci::Digest;

use crate::MetaError;

/// Reads a digest.
pub(crate) fn digest(row: &Row, column: usize) -> Result<Digest, MetaError> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| MetaError::Damaged { what: "a digest" })
}

/// Reads a size.
pub(crate) fn size(row: &Row, column: usize) -> Result<u64, MetaError> {
    u64::try_from(row.get::<i64>(column)?).map_err(|_| MetaError::Damaged { what: "a size" })
}

/// Writes a size. Nothing of 2⁶³ bytes is ever stored.
pub(crate) fn from_size(size: u64) -> Result<i64, MetaError> {
    i64::try_from(size).map_err(|_| MetaError::Damaged { what: "a size" })
}

/// The limit of a page, plus one row to learn whether there are more.
pub(crate) fn probe(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}
