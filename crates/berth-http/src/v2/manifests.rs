//! `/v2/<name>/manifests/<reference>`: push, pull, tag, delete.

use berth_oci::media_type::essence;
use berth_oci::{ErrorCode, Reference, RepositoryName, Tag, TagError};
use berth_registry::{
    Body, BodyError, Delete, ManifestReceipt, Mode, Push, PutManifest, RegistryError, StoredManifest,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, WARNING,
};
use serde_json::json;

use super::Call;
use crate::answer::{Answer, Describe, empty, full};
use crate::error::ApiError;
use crate::headers::{
    self, BERTH_MOVED_TAGS, DOCKER_CONTENT_DIGEST, IMMUTABLE, OCI_SUBJECT, OCI_TAG, REVALIDATE, SANDBOX,
};
use crate::identity::Identity;

/// The largest manifest: what the specification asks registries to take at least.
const MOST: usize = 4 << 20;

/// "Pulling manifests". `Accept` is a hint that is not needed: the stored bytes come with the stored type.
pub(super) async fn get(
    call: Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Answer, ApiError> {
    let place = call.place(name).await?;
    let (manifest, stale) = place.manifest(call, reference).await?;
    let identity = Identity::of(&manifest.digest);
    let freshness = if reference.digest().is_some() { IMMUTABLE } else { REVALIDATE };
    let answer =
        if identity.is_known(call.headers) { empty(StatusCode::NOT_MODIFIED) } else { content(manifest) };
    let answer = identity.tell(answer).with(CACHE_CONTROL, freshness).with(CONTENT_SECURITY_POLICY, SANDBOX);
    Ok(place.tell(answer, stale))
}

fn content(manifest: StoredManifest) -> Answer {
    // What was pushed as a header is one; still, a damaged row must not end in a panic.
    let media_type = HeaderValue::try_from(manifest.media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    full(StatusCode::OK, manifest.content)
        .with(CONTENT_TYPE, media_type)
        .with(CONTENT_LENGTH, manifest.size.into())
}

/// "Pushing Manifests", by tag or by digest, with further tags as parameters.
pub(super) async fn put(
    call: Call<'_>,
    name: &RepositoryName,
    reference: Reference,
    body: impl Body,
) -> Result<Answer, ApiError> {
    let media_type = essence(call.header(CONTENT_TYPE).unwrap_or_default()).to_owned();
    let tags = further_tags(call)?;
    let names_tags = !tags.is_empty();
    let access = call.access::<Push>(name).await?;
    let content = receive(call.content_length(), body).await?;
    let manifest = PutManifest { reference, media_type, content, tags };
    let receipt = call.registry.put_manifest(&access, manifest).await?;
    Ok(created(name, &receipt, names_tags))
}

/// The manifest is stored, and where; what was noticed about it.
fn created(name: &RepositoryName, receipt: &ManifestReceipt, names_tags: bool) -> Answer {
    let digest = receipt.digest.to_string();
    let subject = receipt.subject.as_ref().map(|subject| headers::value(subject.to_string()));
    let tags = names_tags.then(|| {
        let tags: Vec<&str> = receipt.tags.iter().map(Tag::as_str).collect();
        headers::value(tags.join(", "))
    });
    let floated: Vec<&str> = receipt.floated.iter().map(|moved| moved.tag.as_str()).collect();
    let floated = (!floated.is_empty()).then(|| floated.join(", "));
    let mut warnings = receipt.warnings.clone();
    warnings.extend(floated.as_ref().map(|tags| format!("these tags follow and name it too: {tags}")));
    empty(StatusCode::CREATED)
        .with_all(WARNING, headers::warnings(&warnings))
        .with_some(BERTH_MOVED_TAGS, floated.map(headers::value))
        .with(LOCATION, headers::value(format!("/v2/{name}/manifests/{digest}")))
        .with(DOCKER_CONTENT_DIGEST, headers::value(digest))
        .with_some(OCI_SUBJECT, subject)
        .with_some(OCI_TAG, tags)
}

/// "Deleting tags" and "Deleting Manifests".
pub(super) async fn delete(
    call: Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Answer, ApiError> {
    let access = call.access::<Delete>(name).await?;
    let deleted = call.registry.delete_manifest(&access, reference, Mode::Real).await;
    deleted.map_err(|error| ApiError::from(error).allowing("GET, HEAD, PUT"))?;
    Ok(empty(StatusCode::ACCEPTED))
}

fn further_tags(call: Call<'_>) -> Result<Vec<Tag>, ApiError> {
    let mut tags = Vec::new();
    for text in call.query.all("tag") {
        let tag = parse_tag(&text)?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn parse_tag(text: &str) -> Result<Tag, ApiError> {
    text.parse().map_err(|error: TagError| ApiError::because(ErrorCode::TagInvalid, error.to_string()))
}

/// Reads the whole manifest into memory, which is why it may not be large. A length beyond that is refused unread.
async fn receive(announced: Option<u64>, mut body: impl Body) -> Result<Bytes, ApiError> {
    if announced.is_some_and(|length| length > MOST as u64) {
        return Err(too_large());
    }
    let cut = |error: BodyError| ApiError::from(RegistryError::BodyCut(error));
    let Some(first) = body.next().await.transpose().map_err(cut)? else { return Ok(Bytes::new()) };
    let Some(second) = body.next().await.transpose().map_err(cut)? else { return within(first) };
    let expected = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let mut whole = BytesMut::with_capacity(expected.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if whole.len() + piece.len() > MOST {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
        next = body.next().await.transpose().map_err(cut)?;
    }
    within(whole.freeze())
}

fn within(content: Bytes) -> Result<Bytes, ApiError> {
    if content.len() > MOST { Err(too_large()) } else { Ok(content) }
}

fn too_large() -> ApiError {
    let reason = "a manifest has at most 4 MiB; large content belongs into blobs";
    ApiError::new(ErrorCode::TooLarge, json!({ "reason": reason, "limit": MOST }))
}
