//! What the scenarios push and then read: blobs and manifests, put into a registry or below a web root.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use berth_oci::Digest;

use crate::args::UploadStyle;
use crate::connection::{Body, Connection, Request};
use crate::payload::Variant;

/// Media type of the image manifests pushed here.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the image indexes pushed here.
pub(crate) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const BLOB_TYPE: &str = "application/octet-stream";

/// Digest and size of a blob that is stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl From<&Variant<'_>> for Stored {
    fn from(variant: &Variant<'_>) -> Stored {
        Stored { digest: variant.digest().clone(), size: variant.size() }
    }
}

/// The path of a blob.
pub(crate) fn blob_path(repository: &str, digest: &Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

/// The path of a manifest.
pub(crate) fn manifest_path(repository: &str, reference: &str) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

/// The bytes of an image manifest; `note` makes it differ from others with the same blobs.
pub(crate) fn image_manifest(config: &Stored, layers: &[&Stored], note: &str) -> Vec<u8> {
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            serde_json::json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": layer.digest.to_string(),
                "size": layer.size,
            })
        })
        .collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config.digest.to_string(),
            "size": config.size,
        },
        "layers": layers,
        "annotations": { "org.opencontainers.image.version": note },
    });
    manifest.to_string().into_bytes()
}

/// The bytes of an index of no images: the smallest manifest, which needs no blob.
pub(crate) fn empty_index(note: &str) -> Vec<u8> {
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [],
        "annotations": { "org.opencontainers.image.version": note },
    })
    .to_string()
    .into_bytes()
}

/// Uploads a blob: POST, then what `style` says.
pub(crate) async fn push_blob(
    connection: &mut Connection,
    repository: &str,
    variant: &Variant<'_>,
    style: UploadStyle,
) -> anyhow::Result<()> {
    let post = format!("/v2/{repository}/blobs/uploads/");
    let (head, _) = connection.call(Request::new("POST", &post), 202).await?;
    let parts = variant.parts();
    let close = match style {
        UploadStyle::Put => {
            let path = closing_path(head.upload_path()?, variant.digest());
            let body = Body::Sized(&parts);
            connection.call(Request::new("PUT", &path).with_body(BLOB_TYPE, body), 201).await?
        }
        UploadStyle::Patch => {
            let patch = Request::new("PATCH", head.upload_path()?);
            let (head, _) = connection.call(patch.with_body(BLOB_TYPE, Body::Chunked(&parts)), 202).await?;
            let path = closing_path(head.upload_path()?, variant.digest());
            connection.call(Request::new("PUT", &path), 201).await?
        }
    };
    check_digest(close.0.digest.as_deref(), variant.digest())
}

/// Stores a manifest under a tag or digest.
pub(crate) async fn push_manifest(
    connection: &mut Connection,
    repository: &str,
    reference: &str,
    content_type: &str,
    content: &[u8],
) -> anyhow::Result<()> {
    let path = manifest_path(repository, reference);
    let body = Body::Sized(&[content]);
    connection.call(Request::new("PUT", &path).with_body(content_type, body), 201).await?;
    Ok(())
}

/// Downloads a blob and compares its bytes with its digest.
pub(crate) async fn verify(connection: &mut Connection, path: &str, expected: &Digest) -> anyhow::Result<()> {
    let mut hasher = berth_oci::Hasher::new(expected.algorithm());
    connection.call_with(Request::new("GET", path), 200, |piece| hasher.update(piece)).await?;
    let actual = hasher.finish();
    ensure!(actual == *expected, "GET {path}: the bytes have the digest {actual}");
    Ok(())
}

/// Compares a `Docker-Content-Digest`, where there is one, with what it must be.
pub(crate) fn check_digest(header: Option<&str>, expected: &Digest) -> anyhow::Result<()> {
    if let Some(header) = header {
        ensure!(header == expected.to_string(), "Docker-Content-Digest is {header}, not {expected}");
    }
    Ok(())
}

/// The path that closes an upload: its own, with the digest in the query.
fn closing_path(upload: &str, digest: &Digest) -> String {
    let joint = if upload.contains('?') { '&' } else { '?' };
    format!("{upload}{joint}digest={}:{}", digest.algorithm(), digest.hex())
}

/// Where content to be pulled is put.
pub(crate) enum Place {
    /// A registry, by its own API.
    Registry(Box<Connection>),
    /// The web root of a static file server.
    Folder(PathBuf),
}

impl Place {
    /// Puts a blob.
    pub(crate) async fn put_blob(&mut self, repository: &str, variant: &Variant<'_>) -> anyhow::Result<()> {
        match self {
            Place::Registry(connection) => push_blob(connection, repository, variant, UploadStyle::Put).await,
            Place::Folder(root) => write(root, &blob_path(repository, variant.digest()), &variant.parts()),
        }
    }

    /// Puts an image manifest under a tag.
    pub(crate) async fn put_manifest(
        &mut self,
        repository: &str,
        tag: &str,
        content: &[u8],
    ) -> anyhow::Result<()> {
        match self {
            Place::Registry(connection) => {
                push_manifest(connection, repository, tag, MANIFEST_TYPE, content).await
            }
            Place::Folder(root) => write(root, &manifest_path(repository, tag), &[content]),
        }
    }
}

fn write(root: &Path, path: &str, parts: &[&[u8]]) -> anyhow::Result<()> {
    let file = root.join(path.trim_start_matches('/'));
    let folder = file.parent().context("a path of /v2 has a parent")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(&file, parts.concat()).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use berth_oci::{Digest, Manifest};

    use super::{Place, Stored, check_digest, closing_path, empty_index, image_manifest};
    use crate::payload::Payload;

    #[test]
    fn a_digest_joins_a_query_that_is_there() {
        let digest = Digest::sha256(b"");
        assert_eq!(
            closing_path("/v2/a/blobs/uploads/1", &digest),
            format!("/v2/a/blobs/uploads/1?digest={digest}")
        );
        assert_eq!(closing_path("/u?_state=x", &digest), format!("/u?_state=x&digest={digest}"));
    }

    #[test]
    fn what_is_pushed_is_valid() {
        let stored = Stored { digest: Digest::sha256(b"x"), size: 1 };
        let image = image_manifest(&stored, &[&stored, &stored], "1");
        assert_eq!(Manifest::read(super::MANIFEST_TYPE, &image).unwrap().references.len(), 3);
        assert!(Manifest::read(super::INDEX_TYPE, &empty_index("1")).unwrap().references.is_empty());
        assert_ne!(empty_index("1"), empty_index("2"));
    }

    #[test]
    fn a_wrong_digest_header_is_an_error_and_a_missing_one_is_not() {
        let digest = Digest::sha256(b"x");
        assert!(check_digest(None, &digest).is_ok());
        assert!(check_digest(Some(&digest.to_string()), &digest).is_ok());
        assert!(check_digest(Some("sha256:00"), &digest).is_err());
    }

    #[tokio::test]
    async fn a_folder_mirrors_the_paths_of_the_api() {
        let root = std::env::temp_dir().join(format!("berth-bench-{}", std::process::id()));
        let payload = Payload::new(100, 1);
        let variant = payload.variant(1);
        let mut place = Place::Folder(root.clone());
        place.put_blob("a/b", &variant).await.unwrap();
        place.put_manifest("a/b", "latest", b"{}").await.unwrap();
        let blob = std::fs::read(root.join(format!("v2/a/b/blobs/{}", variant.digest()))).unwrap();
        assert_eq!(Digest::sha256(&blob), *variant.digest());
        assert_eq!(std::fs::read(root.join("v2/a/b/manifests/latest")).unwrap(), b"{}");
        std::fs::remove_dir_all(root).unwrap();
    }
}
