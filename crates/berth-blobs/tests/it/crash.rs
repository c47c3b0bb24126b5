//! What an earlier, ended run may have left behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use berth_blobs::{BlobStore, StageId, StoreError, Stored};
use berth_oci::{Algorithm, Digest};
use bytes::Bytes;

use crate::{get, put, sample, stage, verified};

fn blob_path(root: &Path, bytes: &Bytes) -> PathBuf {
    let hex = Digest::sha256(bytes).hex();
    root.join("blobs/sha256").join(&hex[..2]).join(hex)
}

#[tokio::test]
async fn an_abandoned_stage_is_listed_and_can_go_on() {
    let (folder, id, bytes) = (tempfile::tempdir().unwrap(), StageId::random(), sample(1, 700_000));
    let store = BlobStore::open(folder.path()).await.unwrap();
    let mut begun = stage(&store, id, &bytes.slice(..600_000), 65_536).await;
    begun.persist().await.unwrap();
    drop((begun, store));
    fs::write(folder.path().join("stage/not-ours"), "").unwrap();

    let store = BlobStore::open(folder.path()).await.unwrap();
    let listed: Vec<StageId> = store.list_stages().await.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(listed, [id]);
    let mut resumed = store.resume(&id, Algorithm::Sha256).await.unwrap();
    assert_eq!(resumed.len(), 600_000);
    resumed.write(bytes.slice(600_000..)).await.unwrap();
    store.commit(resumed.verify(&Digest::sha256(&bytes)).await.unwrap()).await.unwrap();
    assert_eq!(get(&store, &bytes).await, bytes);
}

#[tokio::test]
async fn an_abandoned_stage_can_be_discarded() {
    let (folder, id) = (tempfile::tempdir().unwrap(), StageId::random());
    let store = BlobStore::open(folder.path()).await.unwrap();
    drop(verified(&store, &sample(2, 100_000)).await);
    stage(&store, id, &sample(3, 10), 1).await.persist().await.unwrap();
    let stages = store.list_stages().await.unwrap();
    assert_eq!(stages.len(), 2);
    for (id, _) in stages {
        store.discard(&id).await.unwrap();
        store.discard(&id).await.unwrap();
    }
    assert_eq!(fs::read_dir(folder.path().join("stage")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_truncated_blob_is_reported_and_healed_by_the_next_push() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), sample(4, 100_000));
    let store = BlobStore::open(folder.path()).await.unwrap();
    put(&store, &bytes).await;
    for damage in [0, 99_999, 100_001] {
        fs::File::options()
            .write(true)
            .open(blob_path(folder.path(), &bytes))
            .unwrap()
            .set_len(damage)
            .unwrap();
        let error = store.open_blob(&Digest::sha256(&bytes), 100_000).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { actual, .. } if actual == damage));
        assert_eq!(put(&store, &bytes).await, Stored::New);
        assert_eq!(get(&store, &bytes).await, bytes);
    }
}

#[tokio::test]
async fn a_missing_folder_is_not_a_missing_blob() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), sample(5, 100_000));
    let store = BlobStore::open(folder.path()).await.unwrap();
    put(&store, &bytes).await;
    fs::rename(folder.path().join("blobs"), folder.path().join("unmounted")).unwrap();
    let error = store.open_blob(&Digest::sha256(&bytes), 100_000).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
}

#[tokio::test]
async fn links_are_not_followed() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), sample(6, 100_000));
    let (store, id) = (BlobStore::open(folder.path()).await.unwrap(), StageId::random());
    put(&store, &bytes).await;
    let path = blob_path(folder.path(), &bytes);
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    symlink(folder.path().join("elsewhere"), &path).unwrap();
    symlink(folder.path().join("elsewhere"), folder.path().join("stage").join(id.to_string())).unwrap();
    assert!(matches!(store.open_blob(&Digest::sha256(&bytes), 100_000).await, Err(StoreError::Io { .. })));
    assert!(matches!(store.resume(&id, Algorithm::Sha256).await, Err(StoreError::Io { .. })));
    assert_eq!(put(&store, &bytes).await, Stored::New, "a push replaces the link");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
}

#[tokio::test]
async fn only_the_owner_may_look() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), sample(7, 100_000));
    let root = folder.path().join("data");
    let store = BlobStore::open(&root).await.unwrap();
    put(&store, &bytes).await;
    let file = blob_path(&root, &bytes);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    for folder in [&root, &root.join("blobs"), &root.join("stage"), file.parent().unwrap()] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
}
