//! What is deleted, comes back, and goes for good.

use berth_db::testing::on_each;
use berth_meta::{EdgeRole, MetaError, Mode, Past, Use};

use crate::support::{
    DAY, HOUR, NOW, TRASH, add_blob, assert_sums_are_exact, at, by, clean, later, manifest, name, names,
    number, open, push, push_with, put, tag, tags_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_manifest_comes_back_with_its_tags_until_its_bytes_are_gone() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let (app, layer) = (name("a"), add_blob(&meta, "a", b"layer").await);
        let image = manifest("{1}", &[(EdgeRole::Blob, &layer)]);
        let one = push_with(&meta, "a", image.clone(), &["1", "latest", "moved"], HOUR).await;
        let removal = meta.remove_manifest(&app, &one, &later("bob", DAY), Mode::Real).await.unwrap();
        assert_eq!((removal.n_tags, removal.freed, removal.shared), (3, 5 + 3, 0), "{}", test.engine);
        assert!(matches!(meta.manifest(&app, &at(&one.to_string())).await, Err(MetaError::ManifestUnknown)));
        push(&meta, "a", "{2}", &["moved"], DAY).await;
        let listed = meta.deleted_manifests(&app, None, 10).await.unwrap().items;
        assert_eq!((listed.len(), listed[0].deleted_by.as_deref()), (1, Some("bob")));
        let restored = meta.restore_manifest(&app, &one, &later("bob", DAY * 2)).await.unwrap();
        assert_eq!(restored.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["1", "latest"]);
        assert_eq!(names(&meta, "a", "latest").await, one);
        let again = meta.restore_manifest(&app, &one, &later("bob", DAY * 2)).await;
        assert!(matches!(again, Err(MetaError::NotInTrash)));

        meta.remove_manifest(&app, &one, &later("bob", DAY * 3), Mode::Real).await.unwrap();
        meta.remove_blob(&app, &layer, &later("bob", DAY * 3)).await.unwrap();
        match meta.restore_manifest(&app, &one, &later("bob", DAY * 4)).await {
            Err(MetaError::BytesGone { missing }) => assert_eq!(missing, std::slice::from_ref(&layer)),
            other => panic!("{other:?}"),
        }
        let back = meta.roll_back(&app, &tag("1"), Past::Digest(one.clone()), &by("bob"), Mode::Real).await;
        assert!(matches!(back, Err(MetaError::BytesGone { .. })));
        assert_eq!(tags_of(&meta, "a").await, ["moved"], "nothing half done");
        // A push of the same is a new beginning.
        let mut again = put("a", image.clone(), &["1"]);
        assert!(matches!(meta.put_manifest(again.clone()).await, Err(MetaError::ReferencesMissing { .. })));
        add_blob(&meta, "a", b"layer").await;
        again.change = later("alice", DAY * 5);
        meta.put_manifest(again).await.unwrap();
        clean(&meta, NOW.plus(DAY * 40), TRASH).await;
        assert_eq!(names(&meta, "a", "1").await, one);
        meta.blob(&app, &layer).await.unwrap();
        assert_sums_are_exact(&test).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_repository_is_as_if_it_were_not_there_and_comes_back_whole() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let (app, layer) = (name("team/app"), add_blob(&meta, "team/app", b"layer").await);
        let one =
            push_with(&meta, "team/app", manifest("{1}", &[(EdgeRole::Blob, &layer)]), &["1"], HOUR).await;
        let tried = meta.remove_repository(&app, &later("bob", DAY), Mode::DryRun).await.unwrap();
        assert_eq!((tried.n_tags, tried.freed, tried.shared), (1, 8, 0), "{}", test.engine);
        assert_eq!(tags_of(&meta, "team/app").await, ["1"]);
        meta.remove_repository(&app, &later("bob", DAY), Mode::Real).await.unwrap();
        assert!(matches!(meta.tags(&app, "", 1).await, Err(MetaError::RepositoryUnknown)));
        assert!(matches!(meta.blob(&app, &layer).await, Err(MetaError::BlobUnknown)));
        assert_eq!(meta.mount_blob(&app, &name("x/y"), &layer, &by("eve"), NOW).await.unwrap(), None);
        assert!(meta.repositories_with_blob(&layer, 10).await.unwrap().is_empty());
        assert!(meta.repositories("", 10).await.unwrap().items.is_empty());
        assert!(meta.search_repositories("", "", 10).await.unwrap().items.is_empty());
        // The name is free for another.
        push(&meta, "team/app", "{2}", &["2"], DAY).await;
        let deleted = meta.deleted_repositories(None, 10).await.unwrap().items;
        assert_eq!((deleted.len(), deleted[0].name.as_str()), (1, "team/app"));
        let taken = meta.restore_repository(deleted[0].id, &app, &by("bob")).await;
        assert!(matches!(taken, Err(MetaError::NameTaken { .. })));
        meta.restore_repository(deleted[0].id, &name("team/old"), &by("bob")).await.unwrap();
        assert_eq!(names(&meta, "team/old", "1").await, one);
        meta.blob(&name("team/old"), &layer).await.unwrap();
        assert_sums_are_exact(&test).await;

        meta.remove_repository(&name("team/old"), &later("bob", DAY * 2), Mode::Real).await.unwrap();
        clean(&meta, NOW.plus(DAY * 15), TRASH).await;
        assert_eq!(meta.deleted_repositories(None, 10).await.unwrap().items.len(), 1, "its time is not over");
        clean(&meta, NOW.plus(DAY * 17), TRASH).await;
        assert!(meta.deleted_repositories(None, 10).await.unwrap().items.is_empty());
        assert_eq!(number(&test, "SELECT COUNT(*) FROM repositories").await, 1);
        assert_eq!(number(&test, "SELECT COUNT(*) FROM blobs").await, 0, "its bytes are free");
        let late = meta.restore_repository(deleted[0].id, &name("team/x"), &by("bob")).await;
        assert!(matches!(late, Err(MetaError::NotInTrash)));
        assert_sums_are_exact(&test).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trash_can_be_emptied_at_once() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let layer = add_blob(&meta, "a", b"layer").await;
        let child = push_with(&meta, "a", manifest("{1}", &[(EdgeRole::Blob, &layer)]), &[], HOUR).await;
        push_with(&meta, "a", manifest("{2}", &[(EdgeRole::Child, &child)]), &["1"], HOUR).await;
        // Used, but not by anybody since nothing holds it.
        let used = Use { pulls: 1, last_at: NOW.plus(HOUR * 2) };
        meta.add_uses(vec![((name("a"), child.clone()), used)]).await.unwrap();
        meta.remove_tag(&name("a"), &tag("1"), &later("bob", DAY), Mode::Real).await.unwrap();
        let tried = meta.empty_trash(&name("a"), &later("bob", DAY), Mode::DryRun).await.unwrap();
        clean(&meta, NOW.plus(DAY * 2), TRASH).await;
        assert_eq!(number(&test, "SELECT COUNT(*) FROM manifests").await, 2, "a dry run empties nothing");
        let done = meta.empty_trash(&name("a"), &later("bob", DAY), Mode::Real).await.unwrap();
        assert_eq!(done, tried);
        assert_eq!((done.n_manifests, done.freed, done.shared), (2, 5 + 6, 0), "{}", test.engine);
        clean(&meta, NOW.plus(DAY * 2), TRASH).await;
        assert_eq!(number(&test, "SELECT COUNT(*) FROM manifests").await, 0);
        assert_eq!(number(&test, "SELECT COUNT(*) FROM blobs").await, 0);
        assert_sums_are_exact(&test).await;
    })
    .await;
}
