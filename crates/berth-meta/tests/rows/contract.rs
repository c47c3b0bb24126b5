//! Repositories, blobs, manifests, tags and uploads.

use std::time::Duration;

use berth_db::testing::{TestDb, on_each};
use berth_meta::{Change, EdgeRole, Meta, MetaError, Mode, NewBlob, RepositoryChange, Sparse, UploadRow};
use berth_oci::Digest;

use crate::support::{HOUR, NOW, add_blob, at, by, manifest, name, open, put, tag};

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_readable_only_where_it_is_a_member() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let digest = add_blob(&meta, "b/priv", b"secret").await;
        let row = meta.blob_content(&name("b/priv"), &digest).await.unwrap();
        assert_eq!(row.content.unwrap(), "secret");
        assert!(
            matches!(meta.blob(&name("a/x"), &digest).await, Err(MetaError::BlobUnknown)),
            "{}",
            test.engine
        );
        let mounted = meta.mount_blob(&name("a/y"), &name("a/x"), &digest, &by("alice"), NOW).await.unwrap();
        assert_eq!(mounted, None, "a/y does not have it");
        let mounted =
            meta.mount_blob(&name("b/priv"), &name("a/x"), &digest, &by("alice"), NOW).await.unwrap();
        assert_eq!(mounted, Some(6));
        assert_eq!(meta.blob(&name("a/x"), &digest).await.unwrap().size, 6);
        assert_eq!(meta.repositories_with_blob(&digest, 10).await.unwrap(), ["a/x", "b/priv"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_mount_makes_no_repository() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let digest = Digest::sha256(b"absent");
        meta.mount_blob(&name("b"), &name("a"), &digest, &by("alice"), NOW).await.unwrap();
        assert!(!meta.repository_exists(&name("a")).await.unwrap(), "{}", test.engine);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_only_grows() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let digest = add_blob(&meta, "a", b"x").await;
        meta.extend_lease(&name("a"), &digest, NOW.plus(HOUR * 5)).await.unwrap();
        add_blob(&meta, "a", b"x").await;
        assert_eq!(
            meta.blob(&name("a"), &digest).await.unwrap().lease_until,
            NOW.plus(HOUR * 5),
            "{}",
            test.engine
        );
        let absent = Digest::sha256(b"absent");
        assert!(matches!(meta.extend_lease(&name("a"), &absent, NOW).await, Err(MetaError::BlobUnknown)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_needs_what_it_names_and_all_missing_are_told() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let here = add_blob(&meta, "a", b"here").await;
        let elsewhere = add_blob(&meta, "b", b"elsewhere").await;
        let absent = Digest::sha256(b"absent");
        let blob = EdgeRole::Blob;
        let wrong = manifest("{1}", &[(blob, &here), (blob, &elsewhere), (blob, &absent), (blob, &absent)]);
        match meta.put_manifest(put("a", wrong, &["v1"])).await {
            Err(MetaError::ReferencesMissing { missing }) => assert_eq!(missing, [elsewhere, absent.clone()]),
            other => panic!("{}: {other:?}", test.engine),
        }
        assert_eq!(meta.tags(&name("a"), "", 10).await.unwrap().items, Vec::<String>::new());
        let right = manifest("{2}", &[(blob, &here), (EdgeRole::Mention, &absent)]);
        assert_eq!(meta.put_manifest(put("a", right, &["v1"])).await.unwrap().moves.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_takes_manifests_or_blobs_and_what_is_absent_is_refused_by_policy() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let layer = add_blob(&meta, "a", b"layer").await;
        let child = manifest("{child}", &[]);
        meta.put_manifest(put("a", child.clone(), &[])).await.unwrap();
        let index = manifest("{index}", &[(EdgeRole::Child, &child.digest), (EdgeRole::Child, &layer)]);
        meta.put_manifest(put("a", index, &[])).await.unwrap();
        let absent = Digest::sha256(b"absent");
        let mut sparse = put("a", manifest("{sparse}", &[(EdgeRole::Child, &absent)]), &[]);
        assert!(matches!(meta.put_manifest(sparse.clone()).await, Err(MetaError::ReferencesMissing { .. })));
        sparse.sparse = Sparse::Indexes;
        meta.put_manifest(sparse).await.unwrap_or_else(|error| panic!("{}: {error}", test.engine));
        let mut image = put("a", manifest("{image}", &[(EdgeRole::Blob, &absent)]), &[]);
        image.sparse = Sparse::Indexes;
        assert!(matches!(meta.put_manifest(image.clone()).await, Err(MetaError::ReferencesMissing { .. })));
        image.sparse = Sparse::All;
        meta.put_manifest(image).await.unwrap_or_else(|error| panic!("{}: {error}", test.engine));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_moves_and_naming_the_same_again_is_no_move() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let (one, two) = (manifest("{1}", &[]), manifest("{2}", &[]));
        meta.put_manifest(put("a", one.clone(), &["latest", "1"])).await.unwrap();
        assert_eq!(meta.put_manifest(put("a", one.clone(), &["latest"])).await.unwrap().moves, []);
        let moves = meta.put_manifest(put("a", two.clone(), &["latest"])).await.unwrap().moves;
        assert_eq!(moves[0].from.as_ref(), Some(&one.digest), "{}", test.engine);
        assert_eq!(meta.manifest(&name("a"), &at("latest")).await.unwrap().content, "{2}");
        assert_eq!(meta.manifest_head(&name("a"), &at("1")).await.unwrap().digest, one.digest);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_tag_keeps_the_others_and_deleting_a_manifest_takes_its_tags() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let one = manifest("{1}", &[]);
        meta.put_manifest(put("a", one.clone(), &["latest", "1.9", "1"])).await.unwrap();
        meta.remove_tag(&name("a"), &tag("latest"), &by("bob"), Mode::Real).await.unwrap();
        assert!(matches!(
            meta.remove_tag(&name("a"), &tag("latest"), &by("bob"), Mode::Real).await,
            Err(MetaError::ManifestUnknown)
        ));
        assert_eq!(meta.tags(&name("a"), "", 10).await.unwrap().items, ["1", "1.9"]);
        meta.remove_manifest(&name("a"), &one.digest, &by("bob"), Mode::Real).await.unwrap();
        assert_eq!(
            meta.tags(&name("a"), "", 10).await.unwrap().items,
            Vec::<String>::new(),
            "{}",
            test.engine
        );
        let again = meta.remove_manifest(&name("a"), &one.digest, &by("bob"), Mode::Real).await;
        assert!(matches!(again, Err(MetaError::ManifestUnknown)));
        let gone = meta.manifest(&name("a"), &at("1.9")).await;
        assert!(matches!(gone, Err(MetaError::ManifestUnknown)));
        let never = meta.manifest(&name("z"), &at("1.9")).await;
        assert!(matches!(never, Err(MetaError::RepositoryUnknown)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delete_of_a_manifest_leaves_its_tags() {
    on_each(|test| async move {
        let meta = open(&test).await;
        meta.put_manifest(put("a", manifest("{1}", &[]), &["1"])).await.unwrap();
        let absent = Digest::sha256(b"absent");
        meta.remove_manifest(&name("a"), &absent, &by("bob"), Mode::Real).await.unwrap_err();
        assert_eq!(meta.tags(&name("a"), "", 10).await.unwrap().items, ["1"], "{}", test.engine);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_has_one_media_type_in_a_repository() {
    on_each(|test| async move {
        let meta = open(&test).await;
        meta.put_manifest(put("a", manifest("{1}", &[]), &[])).await.unwrap();
        let mut other = manifest("{1}", &[]);
        other.media_type = "application/vnd.oci.image.index.v1+json".to_owned();
        let refused = meta.put_manifest(put("a", other.clone(), &["t"])).await;
        assert!(matches!(refused, Err(MetaError::MediaTypeFixed { .. })), "{}", test.engine);
        meta.put_manifest(put("b", other, &["t"])).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_in_use_stays_and_the_last_membership_queues_it() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let layer = add_blob(&meta, "a", b"layer").await;
        let one = manifest("{1}", &[(EdgeRole::Blob, &layer)]);
        meta.put_manifest(put("a", one.clone(), &[])).await.unwrap();
        match meta.remove_blob(&name("a"), &layer, &by("bob")).await {
            Err(MetaError::BlobInUse { manifest }) => assert_eq!(manifest, one.digest, "{}", test.engine),
            other => panic!("{}: {other:?}", test.engine),
        }
        meta.blob(&name("a"), &layer).await.unwrap();
        meta.remove_manifest(&name("a"), &one.digest, &by("bob"), Mode::Real).await.unwrap();
        meta.remove_blob(&name("a"), &layer, &by("bob")).await.unwrap();
        assert!(matches!(meta.blob(&name("a"), &layer).await, Err(MetaError::BlobUnknown)));
        assert!(matches!(
            meta.remove_blob(&name("a"), &layer, &by("bob")).await,
            Err(MetaError::BlobUnknown)
        ));
        assert_eq!(collectable(&test).await, 1);
        add_blob(&meta, "c", b"layer").await;
        assert_eq!(collectable(&test).await, 0, "a new membership takes it out of the queue");
    })
    .await;
}

async fn collectable(test: &TestDb) -> i64 {
    let count = test.db.read(|mut tx| {
        Box::pin(async move { tx.query_one("SELECT COUNT(*) FROM collectable", &[]).await?.get::<i64>(0) })
    });
    count.await.unwrap_or_else(|error: berth_db::DbError| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_neither_miss_nor_repeat() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let tags: Vec<String> = (0..25).map(|n| format!("v{n}")).collect();
        let all: Vec<&str> = tags.iter().map(String::as_str).collect();
        meta.put_manifest(put("a", manifest("{1}", &[]), &all)).await.unwrap();
        let mut sorted = tags.clone();
        sorted.sort();
        for limit in [1, 2, 7, 24, 25, 26] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = meta.tags(&name("a"), &after, limit).await.unwrap();
                assert!(page.items.len() <= limit);
                seen.extend(page.items);
                after = seen.last().cloned().unwrap_or_default();
                if !page.more {
                    break;
                }
            }
            assert_eq!(seen, sorted, "{} with pages of {limit}", test.engine);
        }
        let none = meta.tags(&name("a"), "", 0).await.unwrap();
        assert!(none.items.is_empty() && none.more);
        for repository in ["b", "a-b", "a/b"] {
            add_blob(&meta, repository, b"x").await;
        }
        assert_eq!(listed(&meta, "", 10).await, ["a", "a-b", "a/b", "b"]);
        assert_eq!(listed(&meta, "a-b", 1).await, ["a/b"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn referrers_are_found_filtered_and_paged() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let subject = Digest::sha256(b"an image that need not exist");
        for (content, kind) in [("{1}", "sig"), ("{2}", "sbom"), ("{3}", "sig")] {
            let mut referrer = manifest(content, &[]);
            referrer.subject = Some(subject.clone());
            referrer.artifact_type = Some(kind.to_owned());
            referrer.annotations = Some("{\"k\":\"v\"}".to_owned());
            meta.put_manifest(put("a", referrer, &[])).await.unwrap();
        }
        let list = |filter, after: String, limit| {
            let (meta, subject) = (meta.clone(), subject.clone());
            async move { meta.referrers(&name("a"), &subject, filter, &after, limit).await.unwrap() }
        };
        assert_eq!(list(None, String::new(), 10).await.items.len(), 3, "{}", test.engine);
        assert_eq!(list(Some("sig"), String::new(), 10).await.items.len(), 2);
        assert_eq!(list(Some("other"), String::new(), 10).await.items, []);
        let first = list(None, String::new(), 2).await;
        assert!(first.more);
        let rest = list(None, first.items[1].digest.to_string(), 2).await;
        assert_eq!((rest.items.len(), rest.more), (1, false));
        assert_eq!(rest.items[0].annotations.as_deref(), Some("{\"k\":\"v\"}"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_belongs_to_a_repository_and_a_principal() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let upload = UploadRow {
            id: "00112233445566778899aabbccddeeff".to_owned(),
            repository: "b/x".to_owned(),
            principal: "bob".to_owned(),
            algorithm: "sha256".to_owned(),
            touched_at: NOW,
        };
        meta.add_upload_later(upload.clone());
        // The next write is behind it in the queue of the embedded engine; a server's connections have no order.
        for _ in 0..100 {
            if meta.upload_exists(&upload.id).await.unwrap() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(meta.upload(&upload.id, &name("b/x"), "bob").await.unwrap(), upload, "{}", test.engine);
        for (repository, principal) in [("a/x", "bob"), ("b/x", "alice")] {
            let other = meta.upload(&upload.id, &name(repository), principal).await;
            assert!(matches!(other, Err(MetaError::UploadUnknown)));
        }
        assert_eq!(meta.idle_uploads(NOW, 10).await.unwrap(), []);
        meta.save_upload(UploadRow { touched_at: NOW.plus(HOUR / 2), ..upload.clone() }).await.unwrap();
        assert_eq!(
            meta.idle_uploads(NOW.plus(HOUR / 4), 10).await.unwrap(),
            [],
            "a touched session is not idle"
        );
        assert_eq!(meta.idle_uploads(NOW.plus(HOUR), 10).await.unwrap().len(), 1);
        meta.remove_upload(&upload.id).await.unwrap();
        assert!(!meta.upload_exists(&upload.id).await.unwrap());
    })
    .await;
}

async fn listed(meta: &Meta, after: &str, limit: usize) -> Vec<String> {
    let page = meta.repositories(after, limit).await.unwrap();
    page.items.into_iter().map(|entry| entry.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_private_until_somebody_opens_it() {
    on_each(|test| async move {
        let meta = open(&test).await;
        add_blob(&meta, "a/x", b"x").await;
        assert_eq!(meta.is_public(&name("a/x")).await.unwrap(), Some(false), "{}", test.engine);
        assert_eq!(meta.is_public(&name("a/y")).await.unwrap(), None);
        let opened = RepositoryChange { is_public: Some(true), ..RepositoryChange::default() };
        meta.change_repository(&name("a/x"), opened.clone(), &by("alice")).await.unwrap();
        assert_eq!(meta.is_public(&name("a/x")).await.unwrap(), Some(true));
        let described = RepositoryChange {
            description: Some("An app".to_owned()),
            readme: Some("# App".to_owned()),
            ..RepositoryChange::default()
        };
        meta.change_repository(&name("a/x"), described, &by("alice")).await.unwrap();
        let row = meta.repository(&name("a/x")).await.unwrap();
        assert_eq!((row.is_public, row.description.as_str(), row.readme.as_str()), (true, "An app", "# App"));
        let absent = meta.change_repository(&name("a/y"), opened, &by("alice")).await;
        assert!(matches!(absent, Err(MetaError::RepositoryUnknown)));
        let makes = Change { makes_public: true, ..by("alice") };
        let blob = NewBlob { digest: Digest::sha256(b"x"), size: 1, content: None, upload: None };
        meta.add_blob(&name("a/z"), blob, &makes, NOW).await.unwrap();
        assert_eq!(meta.is_public(&name("a/z")).await.unwrap(), Some(true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_what_stands_before_the_first_slash() {
    on_each(|test| async move {
        let meta = open(&test).await;
        for repository in ["a", "a-b/x", "a/x", "a/x/y", "a0/x", "ab/x"] {
            add_blob(&meta, repository, b"x").await;
        }
        assert_eq!(meta.repositories_in("a", 10).await.unwrap(), ["a/x", "a/x/y"], "{}", test.engine);
        assert_eq!(meta.repositories_in("a", 1).await.unwrap(), ["a/x"]);
        assert_eq!(meta.repositories_in("c", 1).await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_looks_into_names_and_descriptions_and_knows_no_wildcards() {
    on_each(|test| async move {
        let meta = open(&test).await;
        for repository in ["team/fancy-app", "team/my_app", "team/other"] {
            add_blob(&meta, repository, b"x").await;
        }
        let described = RepositoryChange {
            description: Some("A Fancy Thing, 100%".to_owned()),
            ..RepositoryChange::default()
        };
        meta.change_repository(&name("team/other"), described, &by("alice")).await.unwrap();
        for (term, expected) in [
            ("fancy", &["team/fancy-app", "team/other"][..]),
            ("FANCY", &["team/fancy-app", "team/other"]),
            ("team/", &["team/fancy-app", "team/my_app", "team/other"]),
            ("", &["team/fancy-app", "team/my_app", "team/other"]),
            ("y_a", &["team/my_app"]),
            ("100%", &["team/other"]),
            ("y%p", &[]),
            ("!", &[]),
            ("' OR ''='", &[]),
        ] {
            let page = meta.search_repositories(term, "", 10).await.unwrap();
            let names: Vec<_> = page.items.iter().map(|found| found.name.as_str()).collect();
            assert_eq!(names, expected, "{} {term}", test.engine);
        }
        let page = meta.search_repositories("", "team/fancy-app", 1).await.unwrap();
        assert_eq!((page.items[0].name.as_str(), page.more), ("team/my_app", true));
    })
    .await;
}

async fn audited(test: &TestDb) -> Vec<String> {
    let rows = test.db.read(|mut tx| {
        Box::pin(async move {
            let sql =
                "SELECT actor || ' ' || action || ' ' || repository || ' ' || detail FROM audit ORDER BY id";
            tx.query(sql, &[]).await?.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>()
        })
    });
    rows.await.unwrap_or_else(|error: berth_db::DbError| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_leaves_a_row_in_the_audit_log_and_none_when_nothing_changed() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let layer = add_blob(&meta, "a", b"layer").await;
        let one = manifest("{1}", &[]);
        meta.put_manifest(put("a", one.clone(), &["v1"])).await.unwrap();
        meta.put_manifest(put("a", one.clone(), &["v1"])).await.unwrap();
        meta.mount_blob(&name("a"), &name("b"), &layer, &by("alice"), NOW).await.unwrap();
        meta.remove_tag(&name("a"), &tag("v1"), &by("bob"), Mode::Real).await.unwrap();
        meta.remove_tag(&name("a"), &tag("v1"), &by("bob"), Mode::Real).await.unwrap_err();
        meta.remove_manifest(&name("a"), &one.digest, &by("bob"), Mode::Real).await.unwrap();
        meta.remove_blob(&name("a"), &layer, &by("bob")).await.unwrap();
        let quiet = Change { audited: false, ..by("carol") };
        let blob = NewBlob { digest: Digest::sha256(b"q"), size: 1, content: None, upload: None };
        meta.add_blob(&name("c"), blob, &quiet, NOW).await.unwrap();
        let expected = [
            "alice repository.make a private",
            "alice manifest.push a v1",
            "alice repository.make b private",
            "alice blob.mount b a",
            "bob tag.delete a ",
            "bob manifest.delete a ",
            "bob blob.delete a ",
        ];
        assert_eq!(audited(&test).await, expected, "{}", test.engine);
    })
    .await;
}
