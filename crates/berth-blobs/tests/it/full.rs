//! A volume without room.

use std::path::Path;
use std::process::Command;

use berth_blobs::{BlobStore, Options, StageId, StoreError, VerifyError};
use berth_oci::{Algorithm, Digest};

use crate::{get, put, sample};

#[tokio::test]
async fn below_the_reserve_uploads_are_refused_and_the_rest_goes_on() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), sample(1, 100_000));
    let store = BlobStore::open(folder.path()).await.unwrap();
    put(&store, &bytes).await;
    assert!(store.free_space().await.unwrap() > 0);

    let greedy = BlobStore::open_with(folder.path(), Options { reserve: u64::MAX }).await.unwrap();
    assert!(matches!(greedy.stage(&StageId::random(), Algorithm::Sha256).await, Err(StoreError::Full)));
    assert!(matches!(greedy.check_room().await, Err(StoreError::Full)));
    assert_eq!(get(&greedy, &bytes).await, bytes);
    greedy.delete(&Digest::sha256(&bytes)).await.unwrap();
}

/// A small file system that goes away with this value.
struct Volume(tempfile::TempDir);

impl Volume {
    /// `None` if this user may not mount.
    fn mount(size: &str) -> Option<Volume> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0700");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Volume(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily, because the store may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fills_the_volume_leaves_nothing() {
    let Some(volume) = Volume::mount("4m") else {
        println!("skipped: mounting a small file system needs root");
        return;
    };
    let store = BlobStore::open_with(volume.path(), Options { reserve: 0 }).await.unwrap();
    let (kept, large) = (sample(2, 500_000), sample(3, 8_000_000));
    put(&store, &kept).await;
    let free = store.free_space().await.unwrap();
    for _ in 0..3 {
        let mut stage = store.stage(&StageId::random(), Algorithm::Sha256).await.unwrap();
        let error = match stage.write(large.clone()).await {
            Err(error) => VerifyError::Store(error),
            Ok(()) => stage.verify(&Digest::sha256(&large)).await.unwrap_err(),
        };
        assert!(matches!(error, VerifyError::Store(StoreError::Full)), "{error}");
        assert_eq!(store.list_stages().await.unwrap(), []);
        assert_eq!(store.free_space().await.unwrap(), free);
        assert_eq!(get(&store, &kept).await, kept);
    }
    put(&store, &sample(4, 2_000_000)).await;
}
