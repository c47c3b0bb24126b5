//! Header fields of the distribution API, and the values that never change.

use http::header::{HeaderName, HeaderValue};

/// The digest of the content that an answer is about.
pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The name of an upload; clients keep it as a label.
pub(crate) const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// What old engines and monitoring scripts look for to know a registry.
pub(crate) const DOCKER_API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// The subject of a manifest that was taken note of.
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// The tags that a push by digest set.
pub(crate) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// The filters that a list went through.
pub(crate) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The registry that a client said it means, by `?ns=`.
pub(crate) const OCI_NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");

/// The tags that a push moved beside those that it asked for, by a rule.
pub(crate) const BERTH_MOVED_TAGS: HeaderName = HeaderName::from_static("berth-moved-tags");

/// Value of [`DOCKER_API_VERSION`].
pub(crate) const API_VERSION: HeaderValue = HeaderValue::from_static("registry/2.0");
/// For `X-Content-Type-Options`: a browser must not guess what stored bytes are.
pub(crate) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// For `Content-Security-Policy`: a stored page that a browser opens runs nothing and loads nothing.
pub(crate) const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
/// For `Cache-Control` of what a digest names: it never changes.
pub(crate) const IMMUTABLE: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");
/// For `Cache-Control` of what a tag names: ask again, a 304 is cheap.
pub(crate) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// For `Cache-Control` of errors: "not found" ends with the next push.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// For `Accept-Ranges`.
pub(crate) const BYTES: HeaderValue = HeaderValue::from_static("bytes");

/// Sentences for people as `Warning` values (distribution-spec, "Warnings"): those that fit into 4 KiB together.
pub(crate) fn warnings(sentences: &[String]) -> impl Iterator<Item = HeaderValue> {
    /// The longest sum of all, in bytes.
    const MOST: usize = 4096;
    let mut room = MOST;
    sentences.iter().filter_map(move |sentence| {
        let is_plain = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || *c == ' ';
        let plain: String = sentence.chars().filter(is_plain).collect();
        let value = format!("299 - \"{plain}\"");
        room = room.checked_sub(value.len())?;
        HeaderValue::try_from(value).ok()
    })
}

/// Text of ours as a header value: digests, names, tags, numbers, and what is percent-encoded.
pub(crate) fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digests, names, tags and paths are visible ASCII")
}
