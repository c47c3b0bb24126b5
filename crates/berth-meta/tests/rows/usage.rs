//! Sums of bytes, and quotas.

use berth_db::testing::on_each;
use berth_meta::{Bytes as Sum, MetaError, Mode, Rename};
use berth_oci::Digest;

use crate::support::{HOUR, NOW, add_blob, assert_sums_are_exact, by, manifest, name, open, put};

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_exact_and_know_what_is_shared() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let base = add_blob(&meta, "acme/a", b"0123456789").await;
        add_blob(&meta, "acme/a", b"own").await;
        let usage = async |repository| meta.repository_usage(&name(repository)).await.unwrap();
        assert_eq!(usage("acme/a").await, Sum { all: 13, own: 13 }, "{}", test.engine);
        for into in ["acme/b", "other/c"] {
            meta.mount_blob(&name("acme/a"), &name(into), &base, &by("bob"), NOW).await.unwrap();
        }
        assert_eq!(usage("acme/a").await, Sum { all: 13, own: 3 });
        assert_eq!(usage("other/c").await, Sum { all: 10, own: 0 });
        assert_eq!(meta.total_usage().await.unwrap(), 13);
        let namespaces = meta.namespace_usage("", 10).await.unwrap().items;
        let told: Vec<_> = namespaces.iter().map(|entry| (entry.name.as_str(), entry.bytes)).collect();
        assert_eq!(told, [("acme", Sum { all: 13, own: 3 }), ("other", Sum { all: 10, own: 0 })]);
        let within = meta.repository_usages("acme", "", 1).await.unwrap();
        assert_eq!(within.items, [("acme/a".to_owned(), Sum { all: 13, own: 3 })]);
        let rest = meta.repository_usages("acme", "acme/a", 1).await.unwrap();
        assert_eq!((rest.items[0].0.as_str(), rest.more), ("acme/b", false));
        assert_sums_are_exact(&test).await;
        for from in ["acme/a", "acme/b"] {
            meta.remove_blob(&name(from), &base, &by("bob")).await.unwrap();
            assert_sums_are_exact(&test).await;
        }
        assert_eq!(usage("other/c").await, Sum { all: 10, own: 10 }, "the last one owns it");
        let rename = Rename { from: name("other/c"), to: name("acme/c"), redirect_until: None };
        meta.rename_repository(rename, &by("bob"), Mode::Real).await.unwrap();
        assert_sums_are_exact(&test).await;
        let large = meta.largest_blobs(1).await.unwrap();
        assert_eq!((large[0].size, large[0].repositories.as_slice()), (10, &["acme/c".to_owned()][..]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_exact_and_refuses_without_a_trace() {
    on_each(|test| async move {
        let meta = open(&test).await;
        add_blob(&meta, "acme/a", b"0123456789").await;
        let small = meta.set_quota("acme", Some(9), &by("root")).await;
        assert!(matches!(small, Err(MetaError::QuotaTooSmall(_))), "{}", test.engine);
        meta.set_quota("acme", Some(15), &by("root")).await.unwrap();
        let blob = |content: &'static [u8]| berth_meta::NewBlob {
            digest: Digest::sha256(content),
            size: content.len() as u64,
            content: Some(bytes::Bytes::from_static(content)),
            upload: None,
        };
        let lease = NOW.plus(HOUR);
        match meta.add_blob(&name("acme/b"), blob(b"123456"), &by("bob"), lease).await {
            Err(MetaError::QuotaExceeded(full)) => assert_eq!((full.used, full.quota), (16, 15)),
            other => panic!("{other:?}"),
        }
        assert!(!meta.repository_exists(&name("acme/b")).await.unwrap());
        assert_sums_are_exact(&test).await;
        // The same bytes once more cost nothing, up to the last byte there is room, and nearly full is told.
        assert_eq!(meta.add_blob(&name("acme/b"), blob(b"0123456789"), &by("bob"), lease).await.unwrap(), []);
        let nearly = meta.add_blob(&name("acme/b"), blob(b"12345"), &by("bob"), lease).await.unwrap();
        assert_eq!((nearly[0].percent(), nearly[0].namespace.as_str()), (100, "acme"));
        let full = meta.put_manifest(put("acme/b", manifest("{}", &[]), &["1"])).await;
        assert!(matches!(full, Err(MetaError::QuotaExceeded(_))));
        assert!(matches!(meta.has_room(&name("acme/x"), 1).await, Err(MetaError::QuotaExceeded(_))));
        meta.has_room(&name("other/x"), 1).await.unwrap();
        meta.set_quota("*", Some(20), &by("root")).await.unwrap();
        let total = meta.add_blob(&name("other/b"), blob(b"abcdef"), &by("bob"), lease).await;
        assert!(matches!(total, Err(MetaError::QuotaExceeded(full)) if full.namespace == "*"));
        meta.set_quota("acme", None, &by("root")).await.unwrap();
        meta.put_manifest(put("acme/b", manifest("{}", &[]), &["1"])).await.unwrap();
        let moved = Rename { from: name("acme/b"), to: name("small/b"), redirect_until: None };
        meta.set_quota("small", Some(3), &by("root")).await.unwrap();
        let refused = meta.rename_repository(moved, &by("root"), Mode::Real).await;
        assert!(matches!(refused, Err(MetaError::QuotaExceeded(_))));
        assert_sums_are_exact(&test).await;
    })
    .await;
}
