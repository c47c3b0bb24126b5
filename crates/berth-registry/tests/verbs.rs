//! The verbs as a whole, on real rows and files.

use std::time::Duration;

use berth_db::Db;
use berth_meta::Timestamp;
use berth_oci::{Algorithm, ChunkRange, Digest, ErrorCode, Reference};
use berth_registry::{
    Access, Authorizer, BlobBody, BlobStore, BodyError, Caller, Delete, Meta, Mode, Policy, Pull, Push,
    PutManifest, Registry, RegistryError, Right,
};
use bytes::Bytes;
use futures_util::stream;
use tempfile::TempDir;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

async fn open(folder: &TempDir, policy: Policy) -> Registry {
    let db = Db::open_sqlite(&folder.path().join("berth.db")).await.unwrap();
    let blobs = BlobStore::open(folder.path()).await.unwrap();
    Registry::new(Meta::open(db).await.unwrap(), blobs, Authorizer::open(), policy)
}

async fn fresh() -> (TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&folder, Policy::default()).await;
    (folder, registry)
}

async fn may<R: Right>(registry: &Registry, repository: &str) -> Access<R> {
    registry.authorizer().authorize(&Caller::anonymous(None), &repository.parse().unwrap()).await.unwrap()
}

/// A body that comes in parts of 10,000 bytes.
fn body(content: &[u8]) -> impl futures_util::Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + use<> {
    let parts: Vec<_> = content.chunks(10_000).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    stream::iter(parts)
}

/// A body that is cut after `content`.
fn cut(content: &[u8]) -> impl futures_util::Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + use<> {
    stream::iter([Ok(Bytes::copy_from_slice(content)), Err(BodyError("connection reset".into()))])
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

async fn read(registry: &Registry, repository: &str, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
    let blob = registry.open_blob(&may::<Pull>(registry, repository).await, digest).await?;
    Ok(match blob.body {
        BlobBody::Inline(content) => content.to_vec(),
        BlobBody::File(file) => file.read_at(0, file.size() as usize).unwrap().to_vec(),
        BlobBody::Growing(_) => panic!("pushed blobs are whole"),
    })
}

fn staged(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path().join("stage")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_every_size_come_back_as_they_went_in() {
    let (folder, registry) = fresh().await;
    let push = may::<Push>(&registry, "a").await;
    for length in [0, 1, 65_535, 65_536, 65_537, 3_000_000] {
        let content = bytes(length);
        let digest = Digest::sha256(&content);
        let upload = registry.start_upload(&push, None).await.unwrap();
        let receipt = registry.finish_upload(&push, &upload.id, None, body(&content), &digest).await.unwrap();
        assert_eq!((receipt.digest, receipt.size), (digest.clone(), length as u64));
        assert_eq!(read(&registry, "a", &digest).await.unwrap(), content, "{length}");
        let again = registry.put_blob(&push, body(&content), &digest).await.unwrap();
        assert_eq!(again.size, length as u64);
    }
    assert_eq!(staged(&folder), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest_stores_nothing_and_ends_the_upload() {
    let (folder, registry) = fresh().await;
    let push = may::<Push>(&registry, "a").await;
    for length in [10, 200_000] {
        let (content, other) = (bytes(length), Digest::sha256(b"other"));
        let upload = registry.start_upload(&push, None).await.unwrap();
        let error =
            registry.finish_upload(&push, &upload.id, None, body(&content), &other).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::DigestInvalid);
        let error = registry.upload_status(&push, &upload.id).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::BlobUploadUnknown);
        for digest in [Digest::sha256(&content), other] {
            assert_eq!(read(&registry, "a", &digest).await.unwrap_err().code(), ErrorCode::BlobUnknown);
        }
    }
    assert_eq!(staged(&folder), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_in_the_next_request_and_after_a_cut_and_after_a_restart() {
    let (folder, registry) = fresh().await;
    let content = bytes(300_000);
    let push = may::<Push>(&registry, "a").await;
    let id = registry.start_upload(&push, None).await.unwrap().id;
    let status = registry.append_upload(&push, &id, None, body(&content[..1_000])).await.unwrap();
    assert_eq!(status.length, 1_000);
    let error = registry.append_upload(&push, &id, None, cut(&content[1_000..90_000])).await.unwrap_err();
    assert!(matches!(error, RegistryError::BodyCut(_)));
    assert_eq!(registry.upload_status(&push, &id).await.unwrap().length, 90_000);

    drop(registry);
    let registry = open(&folder, Policy::default()).await;
    let push = may::<Push>(&registry, "a").await;
    assert_eq!(registry.upload_status(&push, &id).await.unwrap().length, 90_000);
    let next = ChunkRange::new(90_000, 199_999);
    registry.append_upload(&push, &id, next, body(&content[90_000..200_000])).await.unwrap();
    let digest = Digest::sha256(&content);
    registry.finish_upload(&push, &id, None, body(&content[200_000..]), &digest).await.unwrap();
    assert_eq!(read(&registry, "a", &digest).await.unwrap(), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_not_the_next_changes_nothing() {
    let (_folder, registry) = fresh().await;
    let push = may::<Push>(&registry, "a").await;
    let id = registry.start_upload(&push, None).await.unwrap().id;
    registry.append_upload(&push, &id, None, body(&bytes(100))).await.unwrap();
    for start in [0, 99, 101] {
        let range = ChunkRange::new(start, start + 9);
        match registry.append_upload(&push, &id, range, body(&bytes(10))).await {
            Err(RegistryError::RangeMismatch { status }) => assert_eq!(status.length, 100),
            other => panic!("{other:?}"),
        }
    }
    let range = ChunkRange::new(100, 104);
    let error = registry.append_upload(&push, &id, range, body(&bytes(10))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SizeInvalid);
    assert_eq!(registry.upload_status(&push, &id).await.unwrap().length, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_unknown_from_another_repository_and_after_its_end() {
    let (folder, registry) = fresh().await;
    let (own, foreign) = (may::<Push>(&registry, "b/x").await, may::<Push>(&registry, "a/x").await);
    let id = registry.start_upload(&own, None).await.unwrap().id;
    let unknown = |error: RegistryError| assert_eq!(error.code(), ErrorCode::BlobUploadUnknown);
    unknown(registry.upload_status(&foreign, &id).await.unwrap_err());
    unknown(registry.append_upload(&foreign, &id, None, body(b"x")).await.unwrap_err());
    unknown(
        registry.finish_upload(&foreign, &id, None, body(b"x"), &Digest::sha256(b"x")).await.unwrap_err(),
    );
    unknown(registry.cancel_upload(&foreign, &id).await.unwrap_err());
    registry.append_upload(&own, &id, None, body(&bytes(100_000))).await.unwrap();
    registry.cancel_upload(&own, &id).await.unwrap();
    unknown(registry.cancel_upload(&own, &id).await.unwrap_err());
    unknown(registry.append_upload(&own, &id, None, body(b"x")).await.unwrap_err());
    assert_eq!(staged(&folder), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_can_be_hashed_with_sha512() {
    let (_folder, registry) = fresh().await;
    let push = may::<Push>(&registry, "a").await;
    let content = bytes(100_000);
    let digest = Digest::of(Algorithm::Sha512, &content);
    let id = registry.start_upload(&push, Some(Algorithm::Sha512)).await.unwrap().id;
    registry.append_upload(&push, &id, None, body(&content)).await.unwrap();
    registry.finish_upload(&push, &id, None, body(b""), &digest).await.unwrap();
    assert_eq!(read(&registry, "a", &digest).await.unwrap(), content);
    // Opened without a word about it: the digest at the end decides.
    for parts in [(&content[..0], &content[..]), (&content[..70_000], &content[70_000..])] {
        let id = registry.start_upload(&push, None).await.unwrap().id;
        registry.append_upload(&push, &id, None, body(parts.0)).await.unwrap();
        registry.finish_upload(&push, &id, None, body(parts.1), &digest).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_needs_a_source_that_has_the_blob() {
    let (_folder, registry) = fresh().await;
    let digest = Digest::sha256(b"layer");
    registry.put_blob(&may(&registry, "team/app").await, body(b"layer"), &digest).await.unwrap();
    let target = may::<Push>(&registry, "other").await;
    let empty = may::<Pull>(&registry, "empty").await;
    assert_eq!(registry.mount_blob(&target, &digest, Some(&empty)).await.unwrap(), None);
    assert_eq!(registry.mount_blob(&target, &Digest::sha256(b"absent"), None).await.unwrap(), None);
    assert_eq!(read(&registry, "other", &digest).await.unwrap_err().code(), ErrorCode::BlobUnknown);
    assert_eq!(registry.mount_blob(&target, &digest, None).await.unwrap().unwrap().size, 5);
    assert_eq!(read(&registry, "other", &digest).await.unwrap(), b"layer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_stored_byte_for_byte_with_its_subject_and_tags() {
    let (_folder, registry) = fresh().await;
    let push = may::<Push>(&registry, "a").await;
    let config = Digest::sha256(b"{}");
    registry.put_blob(&push, body(b"{}"), &config).await.unwrap();
    let text = format!(
        "{{ \"schemaVersion\" : 2,\n\n \"unknown\":1, \"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"{config}\",\"size\":2}},\"layers\":[],
          \"subject\":{{\"mediaType\":\"{MANIFEST}\",\"digest\":\"{config}\",\"size\":2}} }}"
    );
    let put = |reference: &str, content: &str| PutManifest {
        reference: reference.parse().unwrap(),
        media_type: MANIFEST.to_owned(),
        content: Bytes::copy_from_slice(content.as_bytes()),
        tags: vec!["extra".parse().unwrap()],
    };
    let receipt = registry.put_manifest(&push, put("v1", &text)).await.unwrap();
    assert_eq!(receipt.subject, Some(config.clone()));
    assert_eq!(receipt.digest, Digest::sha256(text.as_bytes()));
    let pull = may::<Pull>(&registry, "a").await;
    for reference in ["v1", "extra", &receipt.digest.to_string()] {
        let stored = registry.get_manifest(&pull, &reference.parse().unwrap()).await.unwrap();
        assert_eq!((stored.content, stored.media_type), (Bytes::from(text.clone()), MANIFEST.to_owned()));
    }
    let listed = registry.list_referrers(&pull, &config, None, None, 10).await.unwrap();
    assert_eq!(listed.items[0].digest, receipt.digest);
    assert_eq!(listed.items[0].artifact_type.as_deref(), Some("application/vnd.oci.image.config.v1+json"));

    let wrong = put(&Digest::sha256(b"other").to_string(), &text);
    let error = registry.put_manifest(&push, wrong).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DigestInvalid);
    let error = registry.put_manifest(&push, put("v2", "{")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestInvalid);
    assert!(!error.detail().is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&folder, Policy { delete: false, ..Policy::default() }).await;
    let digest = Digest::sha256(b"x");
    registry.put_blob(&may(&registry, "a").await, body(b"x"), &digest).await.unwrap();
    let delete = may::<Delete>(&registry, "a").await;
    assert_eq!(registry.delete_blob(&delete, &digest).await.unwrap_err().code(), ErrorCode::Unsupported);
    let reference: Reference = "latest".parse().unwrap();
    let error = registry.delete_manifest(&delete, &reference, Mode::Real).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert_eq!(read(&registry, "a", &digest).await.unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_uploads_expire_and_busy_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let policy = Policy { upload_expiry: Duration::from_millis(300), ..Policy::default() };
    let registry = open(&folder, policy.clone()).await;
    let push = may::<Push>(&registry, "a").await;
    let id = registry.start_upload(&push, None).await.unwrap().id;
    registry.append_upload(&push, &id, None, body(&bytes(100_000))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(
        registry.expire_uploads().await.unwrap(),
        0,
        "it is still in memory, so somebody may be at it"
    );
    drop(registry);
    let registry = open(&folder, policy).await;
    assert_eq!(staged(&folder), 1);
    assert_eq!(registry.expire_uploads().await.unwrap(), 1);
    assert_eq!(staged(&folder), 0);
    let error = registry.upload_status(&may(&registry, "a").await, &id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::BlobUploadUnknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_file_is_an_unknown_blob_and_a_push_brings_it_back() {
    let (folder, registry) = fresh().await;
    let push = may::<Push>(&registry, "a").await;
    let content = bytes(200_000);
    let digest = Digest::sha256(&content);
    registry.put_blob(&push, body(&content), &digest).await.unwrap();
    let hex = digest.hex();
    let path = folder.path().join("blobs/sha256").join(&hex[..2]).join(&hex);
    for damage in [&b""[..], b"half"] {
        std::fs::write(&path, damage).unwrap();
        assert_eq!(read(&registry, "a", &digest).await.unwrap_err().code(), ErrorCode::BlobUnknown);
        registry.put_blob(&push, body(&content), &digest).await.unwrap();
        assert_eq!(read(&registry, "a", &digest).await.unwrap(), content);
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read(&registry, "a", &digest).await.unwrap_err().code(), ErrorCode::BlobUnknown);
    registry.put_blob(&push, body(&content), &digest).await.unwrap();
    assert_eq!(read(&registry, "a", &digest).await.unwrap(), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_renews_a_promise_that_is_half_over() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open_sqlite(&folder.path().join("berth.db")).await.unwrap();
    let (meta, blobs) = (Meta::open(db).await.unwrap(), BlobStore::open(folder.path()).await.unwrap());
    let registry = Registry::new(meta.clone(), blobs, Authorizer::open(), Policy::default());
    let (name, digest) = ("a".parse().unwrap(), Digest::sha256(b"x"));
    registry.put_blob(&may(&registry, "a").await, body(b"x"), &digest).await.unwrap();

    let soon = Timestamp::now().plus(Duration::from_secs(3600));
    meta.extend_lease(&name, &digest, soon).await.unwrap();
    registry.stat_blob(&may::<Pull>(&registry, "a").await, &digest).await.unwrap();
    let renewed = meta.blob(&name, &digest).await.unwrap().lease_until;
    assert!(
        renewed >= Timestamp::now().plus(Policy::default().grace).minus(Duration::from_secs(60)),
        "{renewed:?}"
    );

    registry.stat_blob(&may::<Pull>(&registry, "a").await, &digest).await.unwrap();
    let again = meta.blob(&name, &digest).await.unwrap().lease_until;
    assert_eq!(again, renewed, "a fresh promise costs no write");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_pushers_of_the_same_layer_all_succeed() {
    let (folder, registry) = fresh().await;
    let content = bytes(150_000);
    let digest = Digest::sha256(&content);
    let pushers: Vec<_> = (0..100)
        .map(|n| {
            let (registry, content, digest) = (registry.clone(), content.clone(), digest.clone());
            tokio::spawn(async move {
                let push = may::<Push>(&registry, &format!("r{}", n % 7)).await;
                registry.put_blob(&push, body(&content), &digest).await
            })
        })
        .collect();
    for pusher in pushers {
        pusher.await.unwrap().unwrap();
    }
    assert_eq!(staged(&folder), 0);
    assert_eq!(read(&registry, "r3", &digest).await.unwrap(), content);
}
