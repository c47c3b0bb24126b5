//! `/v2/<name>/blobs/uploads/…`: open, mount, append, close, ask, cancel.
//!
//! A `Location` begins with `/`, so it holds on any host and behind any proxy, and has no query of its own, so it holds
//! whatever a client does to the query.

use berth_oci::{Algorithm, ChunkRange, Digest, ErrorCode, RepositoryName};
use berth_registry::{Access, BlobReceipt, Body, Push, RegistryError, UploadId, UploadStatus};
use http::StatusCode;
use http::header::{CONTENT_RANGE, HeaderValue, LOCATION, RANGE, WARNING};
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;

use super::Call;
use crate::answer::{Answer, Describe, empty};
use crate::error::ApiError;
use crate::headers::{self, DOCKER_CONTENT_DIGEST, DOCKER_UPLOAD_UUID};

/// Opens an upload; or mounts a blob ("Mounting a blob from another repository"), or takes a whole one at once ("Single
/// POST").
pub(super) async fn post(call: Call<'_>, name: &RepositoryName, body: impl Body) -> Result<Answer, ApiError> {
    let access = call.access::<Push>(name).await?;
    let mut algorithm = match call.query.get("digest-algorithm") {
        Some(text) => Some(parse_algorithm(&text)?),
        None => None,
    };
    if let Some(mount) = call.query.get("mount") {
        // A mount is never an error: what cannot be mounted can still be uploaded, and some clients give up otherwise.
        if let Ok(digest) = mount.parse::<Digest>() {
            if let Some(receipt) = mount_blob(call, &access, &digest).await? {
                return Ok(created(name, &receipt));
            }
            algorithm = algorithm.or(Some(digest.algorithm()));
        }
    } else if let Some(text) = call.query.get("digest") {
        let digest = parse_digest(&text)?;
        let _counted = Receiving::begin(call);
        let receipt = call.registry.put_blob(&access, body, &digest).await?;
        return Ok(created(name, &receipt));
    }
    let status = call.registry.start_upload(&access, algorithm).await?;
    Ok(progress(StatusCode::ACCEPTED, name, &status))
}

/// Mounts from the repository that the client names, or from any that the caller may read.
async fn mount_blob(
    call: Call<'_>,
    access: &Access<Push>,
    digest: &Digest,
) -> Result<Option<BlobReceipt>, ApiError> {
    let from = match call.query.get("from") {
        None => None,
        // A source that is malformed or closed to the caller looks like one without the blob.
        Some(text) => match text.parse() {
            Err(_) => return Ok(None),
            Ok(from) => match call.registry.authorizer().source(call.caller, &from).await? {
                Some(from) => Some(from),
                None => return Ok(None),
            },
        },
    };
    Ok(call.registry.mount_blob(access, digest, from.as_ref()).await?)
}

/// "Pushing a blob in chunks": the next chunk, or with docker the whole blob of unknown length.
pub(super) async fn patch(
    call: Call<'_>,
    name: &RepositoryName,
    id: &str,
    body: impl Body,
) -> Result<Answer, ApiError> {
    let (id, range) = (parse_id(id)?, chunk_range(call)?);
    let access = call.access::<Push>(name).await?;
    let _counted = Receiving::begin(call);
    let appended = call.registry.append_upload(&access, &id, range, body).await;
    let status = appended.map_err(|error| refused(name, error))?;
    Ok(progress(StatusCode::ACCEPTED, name, &status))
}

/// Closes an upload with the digest of the whole, and the last chunk if there is one to come.
pub(super) async fn put(
    call: Call<'_>,
    name: &RepositoryName,
    id: &str,
    body: impl Body,
) -> Result<Answer, ApiError> {
    let (id, range) = (parse_id(id)?, chunk_range(call)?);
    let Some(digest) = call.query.get("digest") else {
        let reason = "closing an upload needs the digest of the blob: PUT <location>?digest=sha256:…";
        return Err(ApiError::because(ErrorCode::DigestInvalid, reason));
    };
    let digest = parse_digest(&digest)?;
    let access = call.access::<Push>(name).await?;
    let _counted = Receiving::begin(call);
    let finished = call.registry.finish_upload(&access, &id, range, body, &digest).await;
    let receipt = finished.map_err(|error| refused(name, error))?;
    Ok(created(name, &receipt))
}

/// Tells how far an upload is, which is how a client goes on after a cut connection or a 416.
pub(super) async fn get(call: Call<'_>, name: &RepositoryName, id: &str) -> Result<Answer, ApiError> {
    let id = parse_id(id)?;
    let access = call.access::<Push>(name).await?;
    let status = call.registry.upload_status(&access, &id).await?;
    Ok(progress(StatusCode::NO_CONTENT, name, &status))
}

/// "Cancel a blob upload".
pub(super) async fn delete(call: Call<'_>, name: &RepositoryName, id: &str) -> Result<Answer, ApiError> {
    let id = parse_id(id)?;
    let access = call.access::<Push>(name).await?;
    call.registry.cancel_upload(&access, &id).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Shows a request in the metrics while its body comes in; however it ends.
struct Receiving<'a>(&'a Gauge);

impl<'a> Receiving<'a> {
    fn begin(call: Call<'a>) -> Receiving<'a> {
        call.uploads.inc();
        Receiving(call.uploads)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Where an upload stands and where it goes on.
fn progress(code: StatusCode, name: &RepositoryName, status: &UploadStatus) -> Answer {
    let id = status.id.to_string();
    empty(code)
        .with(LOCATION, location(name, &id))
        .with(RANGE, received(status))
        .with(DOCKER_UPLOAD_UUID, headers::value(id))
}

/// A blob is stored, and where.
fn created(name: &RepositoryName, receipt: &BlobReceipt) -> Answer {
    let digest = receipt.digest.to_string();
    empty(StatusCode::CREATED)
        .with_all(WARNING, headers::warnings(&receipt.warnings))
        .with(LOCATION, headers::value(format!("/v2/{name}/blobs/{digest}")))
        .with(DOCKER_CONTENT_DIGEST, headers::value(digest))
}

/// A chunk at the wrong place is a normal way back: the answer says where the right one is.
fn refused(name: &RepositoryName, error: RegistryError) -> ApiError {
    let headers = match &error {
        RegistryError::RangeMismatch { status } => {
            Some((location(name, &status.id.to_string()), received(status)))
        }
        _ => None,
    };
    let refusal = ApiError::from(error);
    match headers {
        Some((location, range)) => refusal.with(LOCATION, location).with(RANGE, range),
        None => refusal,
    }
}

fn location(name: &RepositoryName, id: &str) -> HeaderValue {
    headers::value(format!("/v2/{name}/blobs/uploads/{id}"))
}

/// `0-N` with the last byte received: docker wants no unit and no space. An empty upload says `0-0` too, because the
/// form has no word for nothing.
fn received(status: &UploadStatus) -> HeaderValue {
    headers::value(format!("0-{}", status.length.saturating_sub(1)))
}

/// No upload has an id of another form, so a malformed one is unknown.
fn parse_id(text: &str) -> Result<UploadId, ApiError> {
    Ok(text.parse::<UploadId>()?)
}

fn parse_digest(text: &str) -> Result<Digest, ApiError> {
    text.parse().map_err(|error: berth_oci::DigestError| {
        ApiError::because(ErrorCode::DigestInvalid, error.to_string())
    })
}

fn parse_algorithm(text: &str) -> Result<Algorithm, ApiError> {
    text.parse().map_err(|error: berth_oci::DigestError| {
        ApiError::because(ErrorCode::DigestInvalid, error.to_string())
    })
}

/// The place of a chunk. A length that contradicts it is noticed before a byte is taken.
fn chunk_range(call: Call<'_>) -> Result<Option<ChunkRange>, ApiError> {
    let Some(header) = call.headers.get(CONTENT_RANGE) else { return Ok(None) };
    let text = String::from_utf8_lossy(header.as_bytes());
    let range: ChunkRange = text.parse().map_err(|error: berth_oci::ChunkRangeError| {
        ApiError::because(ErrorCode::BlobUploadInvalid, error.to_string())
    })?;
    match call.content_length() {
        Some(length) if length != range.length() => Err(ApiError::new(
            ErrorCode::SizeInvalid,
            json!({
                "reason": "Content-Length and Content-Range do not agree; nothing was taken, send the chunk again",
                "length": length,
                "range": range.to_string(),
            }),
        )),
        _ => Ok(Some(range)),
    }
}
