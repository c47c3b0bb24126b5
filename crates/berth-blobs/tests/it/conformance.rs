//! The contract of a store. Each kind of backend runs it in three lines.

use berth_blobs::{BlobStore, INLINE_MAX, StageId, StoreError, Stored, VerifyError};
use berth_oci::{Algorithm, Digest};
use bytes::Bytes;

use crate::{get, put, sample, stage, verified};

#[tokio::test(flavor = "multi_thread")]
async fn local_disk_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance(&BlobStore::open(folder.path()).await.unwrap()).await;
}

/// Slow uploads hold no thread, and no step waits for a second one.
#[test]
fn one_blocking_thread_serves_many_uploads() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).max_blocking_threads(1).enable_time().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).await.unwrap();
        let bytes = sample(10, 600_000);
        let mut stages = Vec::new();
        for _ in 0..64 {
            stages.push(store.stage(&StageId::random(), Algorithm::Sha256).await.unwrap());
        }
        for at in (0..bytes.len()).step_by(100_000) {
            for stage in &mut stages {
                stage.write(bytes.slice(at..at + 100_000)).await.unwrap();
            }
        }
        for stage in stages {
            store.commit(stage.verify(&Digest::sha256(&bytes)).await.unwrap()).await.unwrap();
        }
        put(&store, &sample(11, 20_000_000)).await;
        assert_eq!(get(&store, &bytes).await, bytes);
    });
}

/// Everything that a store promises. The store has to be empty.
async fn conformance(store: &BlobStore) {
    what_was_committed_can_be_read(store).await;
    small_blobs_stay_in_memory(store).await;
    an_unknown_blob_is_not_found(store).await;
    a_wrong_length_is_corrupt(store).await;
    a_wrong_digest_leaves_nothing(store).await;
    a_commit_can_be_repeated(store).await;
    many_may_push_the_same(store).await;
    an_upload_can_be_taken_up(store).await;
    a_stage_has_one_user(store).await;
    any_algorithm_may_end_an_upload(store).await;
    deleting_is_idempotent(store).await;
    assert_eq!(store.list_stages().await.unwrap(), [], "every upload tidies up");
}

async fn what_was_committed_can_be_read(store: &BlobStore) {
    for len in [INLINE_MAX + 1, 300_000, 3_000_001] {
        let bytes = sample(1, len);
        let verified = verified(store, &bytes).await;
        assert_eq!((verified.size(), verified.inline()), (len as u64, None));
        assert_eq!(verified.digest(), &Digest::sha256(&bytes));
        assert_eq!(store.commit(verified).await.unwrap(), Stored::New);
        assert_eq!(get(store, &bytes).await, bytes);
    }
    let bytes = sample(1, 300_000);
    let file = store.open_blob(&Digest::sha256(&bytes), 300_000).await.unwrap();
    assert_eq!(file.read_at(299_990, 100).unwrap(), bytes.slice(299_990..));
    assert_eq!(file.read_at(300_001, 100).unwrap(), Bytes::new());
    file.read_ahead(0, u64::MAX).unwrap();
    assert!(file.is_cached(300_000, 1), "nothing beyond the end has to be read");
}

async fn small_blobs_stay_in_memory(store: &BlobStore) {
    for len in [0, 1, INLINE_MAX] {
        let bytes = sample(2, len);
        let verified = verified(store, &bytes).await;
        assert_eq!(verified.inline(), Some(&bytes));
        assert_eq!(store.list_stages().await.unwrap(), []);
        assert_eq!(store.commit(verified).await.unwrap(), Stored::New, "but may have a file");
        assert_eq!(get(store, &bytes).await, bytes);
    }
}

async fn an_unknown_blob_is_not_found(store: &BlobStore) {
    let unknown = Digest::sha256(b"nobody pushed this");
    let error = store.open_blob(&unknown, 18).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { digest } if digest == unknown));
}

async fn a_wrong_length_is_corrupt(store: &BlobStore) {
    let bytes = sample(3, 100_000);
    put(store, &bytes).await;
    let error = store.open_blob(&Digest::sha256(&bytes), 99_999).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { expected: 99_999, actual: 100_000, .. }), "{error}");
}

async fn a_wrong_digest_leaves_nothing(store: &BlobStore) {
    let promised = Digest::sha256(b"something else");
    for len in [10, 200_000] {
        let bytes = sample(4, len);
        let mut stage = stage(store, StageId::random(), &bytes, 1000).await;
        stage.persist().await.unwrap();
        assert_eq!(store.list_stages().await.unwrap().len(), 1);
        let VerifyError::Mismatch { expected, actual } = stage.verify(&promised).await.unwrap_err() else {
            panic!("the digest is wrong")
        };
        assert_eq!((expected, actual), (promised.clone(), Digest::sha256(&bytes)));
        assert_eq!(store.list_stages().await.unwrap(), []);
    }
}

async fn a_commit_can_be_repeated(store: &BlobStore) {
    let bytes = sample(5, 200_000);
    let (first, second) = (verified(store, &bytes).await, verified(store, &bytes).await);
    assert_eq!(store.commit(first).await.unwrap(), Stored::New);
    assert_eq!(store.commit(second).await.unwrap(), Stored::AlreadyPresent);
    assert_eq!(get(store, &bytes).await, bytes);
}

async fn many_may_push_the_same(store: &BlobStore) {
    let bytes = sample(6, 400_000);
    let pushes: Vec<_> = (0..64)
        .map(|_| {
            let (store, bytes) = (store.clone(), bytes.clone());
            tokio::spawn(async move { put(&store, &bytes).await })
        })
        .collect();
    for push in pushes {
        push.await.unwrap();
    }
    assert_eq!(get(store, &bytes).await, bytes);
}

async fn an_upload_can_be_taken_up(store: &BlobStore) {
    for (first, second) in [(0, 10), (10, 0), (10, 20), (10, 500_000), (500_000, 10)] {
        let (id, bytes) = (StageId::random(), sample(7, first + second));
        let mut begun = stage(store, id, &bytes.slice(..first), 7000).await;
        begun.persist().await.unwrap();
        drop(begun);
        let mut resumed = store.resume(&id, Algorithm::Sha256).await.unwrap();
        assert_eq!((resumed.id(), resumed.len()), (id, first as u64));
        resumed.write(bytes.slice(first..)).await.unwrap();
        let verified = resumed.verify(&Digest::sha256(&bytes)).await.unwrap();
        assert_eq!(verified.inline().is_some(), bytes.len() <= INLINE_MAX);
        store.commit(verified).await.unwrap();
        assert_eq!(get(store, &bytes).await, bytes);
    }
}

async fn a_stage_has_one_user(store: &BlobStore) {
    let id = StageId::random();
    let stage = store.stage(&id, Algorithm::Sha256).await.unwrap();
    let error = store.resume(&id, Algorithm::Sha256).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { id: busy } if busy == id));
    drop(stage);
    assert!(store.resume(&id, Algorithm::Sha256).await.unwrap().is_empty());
}

async fn any_algorithm_may_end_an_upload(store: &BlobStore) {
    for len in [100, 200_000] {
        let bytes = sample(8, len);
        let digest = Digest::of(Algorithm::Sha512, &bytes);
        let stage = stage(store, StageId::random(), &bytes, 10_000).await;
        store.commit(stage.verify(&digest).await.unwrap()).await.unwrap();
        let file = store.open_blob(&digest, len as u64).await.unwrap();
        assert_eq!(file.read_at(0, len).unwrap(), bytes);
    }
}

async fn deleting_is_idempotent(store: &BlobStore) {
    let bytes = sample(9, 200_000);
    let digest = Digest::sha256(&bytes);
    put(store, &bytes).await;
    let open = store.open_blob(&digest, 200_000).await.unwrap();
    store.delete(&digest).await.unwrap();
    store.delete(&digest).await.unwrap();
    assert!(matches!(store.open_blob(&digest, 200_000).await, Err(StoreError::NotFound { .. })));
    assert_eq!(open.read_at(0, 200_000).unwrap(), bytes, "who reads already may go on");
    assert_eq!(put(store, &bytes).await, Stored::New);
}
