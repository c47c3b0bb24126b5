//! `/v2/<name>/blobs/<digest>`: look, read, remove.

use berth_mirror::{DirectStream, MirroredBlob};
use berth_oci::{Digest, RepositoryName};
use berth_registry::Delete;
use futures_util::TryStreamExt;
use http::StatusCode;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use super::Call;
use crate::answer::{Answer, Describe, empty, full};
use crate::error::ApiError;
use crate::headers::{BYTES, IMMUTABLE, SANDBOX};
use crate::identity::Identity;
use crate::range;
use crate::server::{PieceError, ResponseBody};

/// "Pulling blobs" and "Checking if content exists". The bytes are sent as they are, whatever `Accept-Encoding` says.
pub(super) async fn get(call: Call<'_>, name: &RepositoryName, digest: &Digest) -> Result<Answer, ApiError> {
    let place = call.place(name).await?;
    let identity = Identity::of(digest);
    let answer = if call.is_head() {
        let stat = place.stat_blob(call, digest).await?;
        if identity.is_known(call.headers) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            empty(StatusCode::OK).with(CONTENT_TYPE, range::OCTETS).with(CONTENT_LENGTH, stat.size.into())
        }
    } else {
        let blob = place.open_blob(call, digest).await?;
        match blob {
            _ if identity.is_known(call.headers) => empty(StatusCode::NOT_MODIFIED),
            MirroredBlob::Here(blob) => {
                let selection = range::wanted(call.headers, &identity, blob.size);
                range::send(&blob.body, blob.size, selection)?
            }
            MirroredBlob::Passing(direct) => passing(*direct),
        }
    };
    let answer = identity
        .tell(answer)
        .with(ACCEPT_RANGES, BYTES)
        .with(CACHE_CONTROL, IMMUTABLE)
        .with(CONTENT_SECURITY_POLICY, SANDBOX);
    Ok(place.tell(answer, None))
}

/// A blob that is not kept comes as a whole, whatever part is wanted.
fn passing(direct: DirectStream) -> Answer {
    let size = direct.size();
    let pieces = direct.pieces().map_err(|error| PieceError::from(Box::new(error)));
    full(StatusCode::OK, ResponseBody::stream(size, pieces)).with(CONTENT_TYPE, range::OCTETS)
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
