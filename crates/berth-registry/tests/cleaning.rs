//! The cleaning between its steps: crashes, errors, and pushes of what is just being removed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_db::{Db, DbError};
use berth_meta::Horizon;
use berth_oci::Digest;
use berth_registry::{
    Access, Authorizer, BlobStore, BodyError, Caller, Delete, Meta, Policy, Pull, Push, Registry, Right,
    Timestamp,
};
use bytes::Bytes;
use futures_util::stream;
use tempfile::TempDir;

/// A registry without any grace, and its parts.
struct Rig {
    folder: TempDir,
    db: Db,
    meta: Meta,
    registry: Registry,
}

impl Rig {
    async fn new() -> Rig {
        Rig::open(tempfile::tempdir().unwrap()).await
    }

    async fn open(folder: TempDir) -> Rig {
        let db = Db::open_sqlite(&folder.path().join("berth.db")).await.unwrap();
        let meta = Meta::open(db.clone()).await.unwrap();
        let blobs = BlobStore::open(folder.path()).await.unwrap();
        let policy = Policy { grace: Duration::ZERO, trash: Duration::ZERO, ..Policy::default() };
        let registry = Registry::new(meta.clone(), blobs, Authorizer::open(), policy);
        Rig { folder, db, meta, registry }
    }

    async fn may<R: Right>(&self) -> Access<R> {
        let name = "a".parse().unwrap();
        self.registry.authorizer().authorize(&Caller::anonymous(None), &name).await.unwrap()
    }

    /// Pushes a blob that is a file.
    async fn push(&self) -> Digest {
        let content = Bytes::from(vec![7; 100_000]);
        let digest = Digest::sha256(&content);
        let parts: Vec<Result<Bytes, BodyError>> = vec![Ok(content)];
        self.registry.put_blob(&self.may::<Push>().await, stream::iter(parts), &digest).await.unwrap();
        digest
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.path().join("blobs/sha256").join(&hex[..2]).join(&*hex)
    }

    /// Whether the blob can be read whole.
    async fn is_whole(&self, digest: &Digest) -> bool {
        self.registry.open_blob(&self.may::<Pull>().await, digest).await.is_ok()
            && is_file(&self.file(digest))
    }

    /// Goes through the steps until the row is gone and the file is not.
    async fn doom(&self) {
        let now = Timestamp::now();
        let horizon = Horizon { now, trash: now };
        assert_eq!(self.meta.review_memberships(horizon).await.unwrap().removed, 1);
        assert_eq!(self.meta.doom_blobs(horizon).await.unwrap().removed, 1);
    }

    async fn run(&self, sql: &'static str) {
        let done: Result<u64, DbError> =
            self.db.write(move |mut tx| Box::pin(async move { tx.execute(sql, &[]).await })).await;
        done.unwrap();
    }
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_row_and_file_is_made_up_for() {
    let rig = Rig::new().await;
    let digest = rig.push().await;
    rig.doom().await;
    assert!(is_file(&rig.file(&digest)), "only the row is gone");
    let Rig { folder, db, meta, registry } = rig;
    drop((db, meta, registry));
    let rig = Rig::open(folder).await;
    let cycle = rig.registry.clean().await.unwrap();
    assert_eq!((cycle.blobs, cycle.bytes), (1, 100_000));
    assert!(!is_file(&rig.file(&digest)));
    assert_eq!(rig.meta.tombstones(10).await.unwrap(), []);
    // A crash after the unlinking: a tombstone without a file.
    let digest = rig.push().await;
    rig.doom().await;
    std::fs::remove_file(rig.file(&digest)).unwrap();
    assert_eq!(rig.registry.clean().await.unwrap().blobs, 1);
    assert_eq!(rig.meta.tombstones(10).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_what_is_being_removed_brings_it_back() {
    let rig = Rig::new().await;
    let digest = rig.push().await;
    rig.doom().await;
    assert_eq!(rig.push().await, digest);
    assert_eq!(rig.meta.tombstones(10).await.unwrap(), [], "nobody may unlink it any more");
    assert!(rig.is_whole(&digest).await);
    // And without the file, which a cycle that went on would have taken.
    rig.doom().await;
    std::fs::remove_file(rig.file(&digest)).unwrap();
    rig.push().await;
    assert!(rig.is_whole(&digest).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_and_removals_of_one_digest_end_in_one_of_two_states() {
    let rig = std::sync::Arc::new(Rig::new().await);
    let digest = rig.push().await;
    for round in 0..60 {
        let (pusher, cleaner) = (rig.clone(), rig.clone());
        let pushing = tokio::spawn(async move { pusher.push().await });
        let cleaning = tokio::spawn(async move { cleaner.registry.clean().await.map(|_| ()) });
        pushing.await.unwrap();
        cleaning.await.unwrap().unwrap();
        let has_row = rig.registry.open_blob(&rig.may::<Pull>().await, &digest).await.is_ok();
        let has_file = is_file(&rig.file(&digest));
        assert!(!has_row || has_file, "round {round}: a row without its file");
    }
    rig.registry.clean().await.unwrap();
    assert!(!is_file(&rig.file(&digest)), "what nothing names goes in the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_ends_the_cycle_and_keeps_everything() {
    let rig = Rig::new().await;
    let digest = rig.push().await;
    // The database cannot say whether a manifest needs the blob.
    rig.run("ALTER TABLE manifest_references RENAME TO out_of_sight").await;
    rig.registry.clean().await.unwrap_err();
    assert!(rig.is_whole(&digest).await, "doubt keeps the blob");
    rig.run("ALTER TABLE out_of_sight RENAME TO manifest_references").await;

    // The disk refuses to remove the file.
    let folder = rig.file(&digest).parent().unwrap().to_path_buf();
    let aside = folder.with_extension("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, b"not a folder").unwrap();
    rig.registry.clean().await.unwrap_err();
    assert_eq!(rig.meta.tombstones(10).await.unwrap().len(), 1, "it is tried again");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    let cycle = rig.registry.clean().await.unwrap();
    assert_eq!((cycle.blobs, is_file(&rig.file(&digest))), (1, false));
    assert_eq!(rig.registry.freed().read()[1], 2, "both failures are counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_deleted_by_hand_is_free_after_one_cycle() {
    let rig = Rig::new().await;
    let digest = rig.push().await;
    rig.registry.delete_blob(&rig.may::<Delete>().await, &digest).await.unwrap();
    assert!(is_file(&rig.file(&digest)));
    rig.registry.clean().await.unwrap();
    assert!(!is_file(&rig.file(&digest)));
}

/// A refused push once left its file on the disk for ever: the row was undone, and nothing knew of the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_refused_leaves_no_file() {
    let rig = Rig::new().await;
    let server = rig.registry.authorizer().administers(&Caller::anonymous(None)).unwrap();
    rig.registry.set_quota(&server, "-", Some(1000)).await.unwrap();
    let content = Bytes::from(vec![7; 100_000]);
    let digest = Digest::sha256(&content);
    let parts: Vec<Result<Bytes, BodyError>> = vec![Ok(content)];
    let told = rig.registry.put_blob(&rig.may::<Push>().await, stream::iter(parts), &digest).await;
    assert!(told.is_err());
    rig.registry.clean().await.unwrap();
    assert!(!is_file(&rig.file(&digest)));
    // Bytes that another repository has are not touched by a refusal here.
    rig.registry.set_quota(&server, "-", None).await.unwrap();
    rig.push().await;
    rig.registry.set_quota(&server, "other", Some(1000)).await.unwrap();
    let parts: Vec<Result<Bytes, BodyError>> = vec![Ok(Bytes::from(vec![7; 100_000]))];
    let name = "other/b".parse().unwrap();
    let other = rig.registry.authorizer().authorize::<Push>(&Caller::anonymous(None), &name).await.unwrap();
    rig.registry.put_blob(&other, stream::iter(parts), &digest).await.unwrap_err();
    assert_eq!(rig.meta.tombstones(10).await.unwrap(), []);
    assert!(rig.is_whole(&digest).await);
}
