//! The n-th sync fails.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use berth_oci::{Algorithm, Digest};
use bytes::Bytes;
use futures_util::FutureExt;
use rustix::io::Errno;

use super::{BlobStore, Options, Stored};
use crate::sync::Syncs;
use crate::{FollowError, StageId, StoreError, VerifyError};

/// Counts syncs down; the one that reaches zero fails, and those after it succeed, like those of Linux.
struct FailNth {
    left: Arc<AtomicUsize>,
    error: Errno,
}

impl FailNth {
    fn count(&self) -> io::Result<()> {
        let before = self.left.fetch_sub(1, Ordering::SeqCst);
        if before == 1 { Err(self.error.into()) } else { Ok(()) }
    }
}

impl Syncs for FailNth {
    fn early(&self, _: &File) -> io::Result<()> {
        self.count()
    }

    fn file(&self, _: &File) -> io::Result<()> {
        self.count()
    }

    fn directory(&self, _: &File) -> io::Result<()> {
        self.count()
    }
}

/// A store on `folder` whose syncs work until the counter is set.
async fn open(folder: &tempfile::TempDir, error: Errno) -> (BlobStore, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let syncs = Box::new(FailNth { left: left.clone(), error });
    let store = BlobStore::open_syncing(folder.path(), Options { reserve: 0 }, syncs).await.unwrap();
    (store, left)
}

async fn push(store: &BlobStore, bytes: &Bytes) -> Result<Stored, StoreError> {
    let mut stage = store.stage(&StageId::random(), Algorithm::Sha256).await?;
    stage.write(bytes.clone()).await?;
    match stage.verify(&Digest::sha256(bytes)).await {
        Ok(verified) => store.commit(verified).await,
        Err(VerifyError::Store(error)) => Err(error),
        Err(mismatch) => panic!("{mismatch}"),
    }
}

#[tokio::test]
async fn after_any_failed_sync_the_store_writes_no_more_but_reads() {
    let (old, new) = (Bytes::from(vec![1; 100_000]), Bytes::from(vec![2; 9_000_000]));
    let mut failures = 0;
    for nth in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let (store, left) = open(&folder, Errno::IO).await;
        push(&store, &old).await.unwrap();
        left.store(nth, Ordering::SeqCst);
        if push(&store, &new).await.is_ok() {
            break;
        }
        failures += 1;
        for bytes in [&old, &new] {
            let again = push(&store, bytes).await;
            assert!(matches!(again, Err(StoreError::Poisoned { .. })), "sync {nth}: {again:?}");
        }
        assert!(matches!(store.delete(&Digest::sha256(&old)).await, Err(StoreError::Poisoned { .. })));
        assert_eq!(store.list_stages().await.unwrap(), [], "sync {nth}");
        let file = store.open_blob(&Digest::sha256(&old), 100_000).await.unwrap();
        assert_eq!(file.read_at(0, 100_000).unwrap(), old);

        let (restarted, _) = open(&folder, Errno::IO).await;
        push(&restarted, &new).await.unwrap();
        let file = restarted.open_blob(&Digest::sha256(&new), 9_000_000).await.unwrap();
        assert_eq!(file.read_at(0, 9_000_000).unwrap(), new);
    }
    // The new folder's parent, the file, the folder; and an early sync where the file system knows no direct writes.
    assert!((3..=4).contains(&failures), "{failures} syncs");
}

#[tokio::test]
async fn followers_hear_of_a_failed_write_from_the_one_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, left) = open(&folder, Errno::IO).await;
    let mut stage = store.stage(&StageId::random(), Algorithm::Sha256).await.unwrap();
    let following = stage.follow(None).await.unwrap();
    left.store(1, Ordering::SeqCst);
    // An early sync fails, which is noticed some steps later.
    while stage.write(Bytes::from(vec![5; 1_000_000])).await.is_ok() {}
    let heard = following.finished().now_or_never().expect("told before the writer was");
    assert!(matches!(heard, Err(FollowError::Store(StoreError::Poisoned { .. }))), "{heard:?}");
    drop(stage);
}

#[tokio::test]
async fn a_full_volume_at_the_sync_ends_one_upload_only() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), Bytes::from(vec![3; 100_000]));
    let (store, left) = open(&folder, Errno::NOSPC).await;
    left.store(2, Ordering::SeqCst);
    assert!(matches!(push(&store, &bytes).await, Err(StoreError::Full)));
    assert_eq!(store.list_stages().await.unwrap(), []);
    assert_eq!(push(&store, &bytes).await.unwrap(), Stored::New);
}

#[tokio::test]
async fn a_commit_that_finds_its_blob_still_syncs_the_folder() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), Bytes::from(vec![4; 100_000]));
    let (store, left) = open(&folder, Errno::IO).await;
    push(&store, &bytes).await.unwrap();
    left.store(2, Ordering::SeqCst);
    assert_eq!(push(&store, &bytes).await.unwrap(), Stored::AlreadyPresent);
    assert_eq!(
        left.load(Ordering::SeqCst),
        1,
        "one sync: the folder, since another's rename may be too young"
    );
}
