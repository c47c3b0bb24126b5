//! Images of upstreams: whose they are, what goes first, what is missing, what stays.

use berth_db::testing::on_each;
use berth_meta::{Change, Door, EdgeRole, Meta, NewBlob, PutManifest, Room, Sparse, Timestamp, Traffic, Use};
use berth_oci::Digest;
use bytes::Bytes;

use crate::support::{DAY, HOUR, NOW, add_blob, at, by, manifest, name, open, put, tag};

const UP: &str = "up.test";

fn from_upstream() -> Change {
    Change { upstream: Some(UP.into()), makes_public: true, ..by("mirror") }
}

/// Stores a manifest of the upstream, used at that time, with blobs that need not be there.
async fn fill(
    meta: &Meta,
    repository: &str,
    content: &'static str,
    references: &[(EdgeRole, &Digest)],
    tags: &[&str],
    used_at: Timestamp,
) -> Digest {
    let manifest = manifest(content, references);
    let digest = manifest.digest.clone();
    let put = PutManifest { change: from_upstream(), sparse: Sparse::All, ..put(repository, manifest, tags) };
    meta.put_manifest(put).await.unwrap();
    let used = Use { pulls: 1, last_at: used_at };
    meta.add_uses(vec![((name(repository), digest.clone()), used)]).await.unwrap();
    digest
}

async fn fill_blob(meta: &Meta, repository: &str, content: &'static [u8]) -> Digest {
    let digest = Digest::sha256(content);
    let size = content.len() as u64;
    let blob = NewBlob { digest: digest.clone(), size, content: Some(content.into()), upload: None };
    meta.add_blob(&name(repository), blob, &from_upstream(), NOW).await.unwrap();
    digest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_says_whose_it_is_and_follows_its_upstream() {
    on_each(|test| async move {
        let meta = open(&test).await;
        add_blob(&meta, "acme/x", b"own").await;
        fill_blob(&meta, "up.test/x", b"theirs").await;
        let door = async |repository: &str| meta.door(&name(repository)).await.unwrap();
        assert_eq!(
            door("acme/x").await,
            Some(Door { is_public: false, is_mirrored: false }),
            "{}",
            test.engine
        );
        assert_eq!(door("up.test/x").await, Some(Door { is_public: true, is_mirrored: true }));
        let secret = Some(Bytes::from_static(b"sealed"));
        for (is_public, settings) in [(false, "{}"), (true, "{\"a\":1}"), (false, "{\"a\":2}")] {
            meta.put_upstream(UP, settings.to_owned(), secret.clone(), is_public, &by("root")).await.unwrap();
            assert_eq!(door("up.test/x").await, Some(Door { is_public, is_mirrored: true }));
            let [row] = meta.upstreams().await.unwrap().try_into().unwrap();
            assert_eq!(
                (row.name.as_str(), row.settings.as_str(), row.secret),
                (UP, settings, secret.clone())
            );
        }
        assert_eq!(
            door("acme/x").await,
            Some(Door { is_public: false, is_mirrored: false }),
            "it is nobody's"
        );
        assert!(meta.remove_upstream(UP, &by("root")).await.unwrap());
        assert!(!meta.remove_upstream(UP, &by("root")).await.unwrap());
        assert_eq!(
            door("up.test/x").await,
            Some(Door { is_public: false, is_mirrored: true }),
            "its images stay"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_compared_and_had_is_added_up() {
    on_each(|test| async move {
        let meta = open(&test).await;
        fill(&meta, "up.test/x", "{}", &[], &["1"], NOW).await;
        let checked = async || meta.checked_at(&name("up.test/x"), &tag("1")).await.unwrap();
        assert_eq!(checked().await, None, "{}", test.engine);
        for at in [NOW, NOW.plus(HOUR)] {
            let noted = vec![((name("up.test/x"), tag("1")), at), ((name("up.test/none"), tag("1")), at)];
            meta.note_checked(noted).await.unwrap();
            assert_eq!(checked().await, Some(at));
        }
        let had = Traffic { hits: 1, misses: 2, bytes_saved: 3, bytes_fetched: 4 };
        for day in [10, 11, 11] {
            meta.add_traffic(day, vec![(UP.to_owned(), had), ("other.test".to_owned(), had)]).await.unwrap();
        }
        let twice = Traffic { hits: 2, misses: 4, bytes_saved: 6, bytes_fetched: 8 };
        assert_eq!(meta.traffic(UP, 11).await.unwrap(), twice);
        assert_eq!(meta.traffic(UP, 12).await.unwrap(), Traffic::default());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn room_is_made_by_last_use_and_never_from_what_is_pinned() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let (shared, own) = (Digest::sha256(b"shared"), Digest::sha256(b"own of a"));
        for content in [&b"shared"[..], b"own of a"] {
            fill_blob(&meta, "up.test/x", content).await;
        }
        let blobs = [(EdgeRole::Blob, &shared), (EdgeRole::Blob, &own)];
        let first = fill(&meta, "up.test/x", "{\"a\":1}", &blobs, &["a"], NOW.plus(HOUR)).await;
        let child = fill(&meta, "up.test/x", "{\"b\":1}", &[(EdgeRole::Blob, &shared)], &[], NOW).await;
        let index = fill(&meta, "up.test/x", "{\"i\":1}", &[(EdgeRole::Child, &child)], &["i"], NOW).await;
        let pushed = add_blob(&meta, "acme/x", b"pushed").await;
        let everything = Room { bytes: Some(0), unused_since: None };
        let evict = async |room| meta.evict(UP, room, NOW.plus(DAY)).await.unwrap().map(|gone| gone.digest);

        let all = meta.namespace_bytes(UP).await.unwrap();
        assert_eq!(all, 6 + 8 + 3 * 7, "{}", test.engine);
        let enough = Room { bytes: Some(all), unused_since: Some(NOW) };
        assert_eq!(evict(enough).await, None, "as much as it may hold, and nothing older than that");
        assert!(meta.set_pin(&name("up.test/x"), &at("i"), true, &by("root")).await.unwrap());
        assert!(!meta.set_pin(&name("up.test/x"), &at("i"), true, &by("root")).await.unwrap());
        assert_eq!(meta.pins(UP).await.unwrap()[0].reference, "i");
        // The index and its child were used before, and are pinned, the child by its index.
        assert_eq!(evict(everything).await, Some(first.clone()));
        assert_eq!(evict(everything).await, None);
        assert_eq!(
            meta.namespace_bytes(UP).await.unwrap(),
            6 + 2 * 7,
            "what only the first needed went with it"
        );
        assert!(meta.manifest(&name("up.test/x"), &at("a")).await.is_err(), "its tag too");
        assert_eq!(meta.manifest(&name("up.test/x"), &at("i")).await.unwrap().digest, index);
        assert!(
            meta.blob(&name("up.test/x"), &shared).await.is_ok()
                && meta.blob(&name("acme/x"), &pushed).await.is_ok()
        );

        assert!(meta.set_pin(&name("up.test/x"), &at("i"), false, &by("root")).await.unwrap());
        let unused = Room { bytes: None, unused_since: Some(NOW.plus(HOUR)) };
        let mut gone = vec![evict(unused).await, evict(unused).await];
        gone.sort();
        let mut both = vec![Some(child), Some(index)];
        both.sort();
        assert_eq!((gone, evict(unused).await), (both, None));
        assert_eq!(meta.namespace_bytes(UP).await.unwrap(), 0);
        assert!(meta.blob(&name("acme/x"), &pushed).await.is_ok(), "what was pushed is no cache");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_of_an_image_is_known_without_its_upstream() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let (here, absent) = (Digest::sha256(b"here"), Digest::sha256(b"absent"));
        fill_blob(&meta, "up.test/x", b"here").await;
        fill_blob(&meta, "up.test/y", b"absent").await;
        fill(&meta, "up.test/x", "{\"whole\":1}", &[(EdgeRole::Blob, &here)], &["whole"], NOW).await;
        let half = [(EdgeRole::Blob, &here), (EdgeRole::Blob, &absent)];
        let half = fill(&meta, "up.test/x", "{\"half\":1}", &half, &["half"], NOW).await;
        let nowhere = Digest::sha256(b"nowhere");
        let platforms = [(EdgeRole::Child, &half), (EdgeRole::Child, &nowhere)];
        fill(&meta, "up.test/x", "{\"index\":1}", &platforms, &["index"], NOW).await;
        fill(&meta, "up.test/x", "{\"bare\":1}", &[(EdgeRole::Child, &nowhere)], &["bare"], NOW).await;
        let page = meta.mirrored_tags(UP, NOW, 0, 3).await.unwrap();
        assert!(page.more, "{}", test.engine);
        let rest = meta.mirrored_tags(UP, NOW, page.items[2].id, 3).await.unwrap();
        let told: Vec<_> = page
            .items
            .iter()
            .chain(&rest.items)
            .map(|tag| (tag.tag.as_str(), tag.is_index, tag.platforms, tag.missing.as_slice()))
            .collect();
        let missing = &[absent.clone()][..];
        assert_eq!(
            told,
            [
                ("whole", false, 0, &[][..]),
                ("half", false, 0, missing),
                ("index", true, 1, missing),
                ("bare", true, 0, &[])
            ]
        );
        assert_eq!(meta.mirrored_tags(UP, NOW.plus(HOUR), 0, 3).await.unwrap().items, []);
        let size = async |repository: &str, blob| meta.announced_size(&name(repository), blob).await.unwrap();
        assert_eq!((size("up.test/x", &absent).await, size("up.test/y", &absent).await), (Some(1), None));
        let sibling = async |upstream: &str, blob| meta.mirrored_sibling(upstream, blob).await.unwrap();
        assert_eq!(sibling(UP, &absent).await, Some(name("up.test/y")));
        assert_eq!((sibling("other.test", &absent).await, sibling(UP, &nowhere).await), (None, None));
    })
    .await;
}
