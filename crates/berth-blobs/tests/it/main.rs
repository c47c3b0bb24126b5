//! The store as its users see it.

mod chunks;
mod conformance;
mod crash;
mod follow;
mod full;

use berth_blobs::{BlobStore, Stage, StageId, Stored, Verified};
use berth_oci::{Algorithm, Digest};
use bytes::Bytes;

/// Bytes that do not repeat within a blob, different for each seed.
fn sample(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Writes the bytes in pieces of `piece` bytes into a new stage.
async fn stage(store: &BlobStore, id: StageId, bytes: &Bytes, piece: usize) -> Stage {
    let mut stage = store.stage(&id, Algorithm::Sha256).await.unwrap();
    for at in (0..bytes.len()).step_by(piece) {
        stage.write(bytes.slice(at..bytes.len().min(at + piece))).await.unwrap();
    }
    assert_eq!(stage.len(), bytes.len() as u64);
    stage
}

async fn verified(store: &BlobStore, bytes: &Bytes) -> Verified {
    let stage = stage(store, StageId::random(), bytes, 50_000).await;
    stage.verify(&Digest::sha256(bytes)).await.unwrap()
}

async fn put(store: &BlobStore, bytes: &Bytes) -> Stored {
    let verified = verified(store, bytes).await;
    store.commit(verified).await.unwrap()
}

async fn get(store: &BlobStore, bytes: &Bytes) -> Bytes {
    let file = store.open_blob(&Digest::sha256(bytes), bytes.len() as u64).await.unwrap();
    file.read_at(0, bytes.len() + 1).unwrap()
}
