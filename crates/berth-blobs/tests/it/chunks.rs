//! However the bytes arrive, the digest is the same.

use berth_blobs::{BlobStore, StageId};
use berth_oci::{Algorithm, Digest};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_oneof, proptest};
use proptest::strategy::Strategy;

use crate::{get, sample};

/// Lengths of pieces: trickles, network sizes, and more than a batch. `true` persists after the piece.
fn pieces() -> impl Strategy<Value = Vec<(usize, bool)>> {
    let len = prop_oneof![0..10_usize, 1000..20_000_usize, 60_000..70_000_usize, 200_000..900_000_usize];
    vec((len, any::<bool>()), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_do_not_matter(pieces in pieces(), seed in any::<u64>()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let store = BlobStore::open(folder.path()).await.unwrap();
            let bytes = sample(seed, pieces.iter().map(|(len, _)| len).sum());
            let mut stage = store.stage(&StageId::random(), Algorithm::Sha256).await.unwrap();
            let mut rest = bytes.clone();
            for (len, persist) in pieces {
                stage.write(rest.split_to(len)).await.unwrap();
                if persist {
                    stage.persist().await.unwrap();
                }
            }
            let verified = stage.verify(&Digest::sha256(&bytes)).await.unwrap();
            store.commit(verified).await.unwrap();
            assert_eq!(get(&store, &bytes).await, bytes);
        });
    }
}
