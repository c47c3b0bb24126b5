//! `/v2/<name>/blobs/<digest>`: look, read, remove.

use berth_oci::{Digest, RepositoryName};
use berth_registry::{Delete, Pull};
use http::StatusCode;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use super::Call;
use crate::answer::{Answer, Describe, empty};
use crate::error::ApiError;
use crate::headers::{BYTES, IMMUTABLE, SANDBOX};
use crate::identity::Identity;
use crate::range;

/// "Pulling blobs" and "Checking if content exists". The bytes are sent as they are, whatever `Accept-Encoding` says.
pub(super) async fn get(call: Call<'_>, name: &RepositoryName, digest: &Digest) -> Result<Answer, ApiError> {
    let access = call.access::<Pull>(name).await?;
    let identity = Identity::of(digest);
    let answer = if call.is_head() {
        let stat = call.registry.stat_blob(&access, digest).await?;
        if identity.is_known(call.headers) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            empty(StatusCode::OK).with(CONTENT_TYPE, range::OCTETS).with(CONTENT_LENGTH, stat.size.into())
        }
    } else {
        let blob = call.registry.open_blob(&access, digest).await?;
        if identity.is_known(call.headers) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            let selection = range::wanted(call.headers, &identity, blob.size);
            range::send(&blob.body, blob.size, selection)?
        }
    };
    Ok(identity
        .tell(answer)
        .with(ACCEPT_RANGES, BYTES)
        .with(CACHE_CONTROL, IMMUTABLE)
        .with(CONTENT_SECURITY_POLICY, SANDBOX))
}

/// "Deleting Blobs".
pub(super) async fn delete(
    call: Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Answer, ApiError> {
    let access = call.access::<Delete>(name).await?;
    let deleted = call.registry.delete_blob(&access, digest).await;
    deleted.map_err(|error| ApiError::from(error).allowing("GET, HEAD"))?;
    Ok(empty(StatusCode::ACCEPTED))
}
