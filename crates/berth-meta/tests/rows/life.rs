//! What lives how long, and what the cleaning may take.

use berth_db::testing::on_each;
use berth_meta::{EdgeRole, Hold, MetaError, Mode, Use};

use crate::support::{
    DAY, HOUR, NOW, TRASH, add_blob, assert_sums_are_exact, at, by, clean, later, manifest, name, names,
    number, open, push, push_with, tag, tags_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn children_and_referrers_live_and_die_with_what_they_belong_to() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let app = name("a");
        let child = push(&meta, "a", "{child}", &[], HOUR).await;
        let index =
            push_with(&meta, "a", manifest("{index}", &[(EdgeRole::Child, &child)]), &["v1"], HOUR).await;
        let mut about = manifest("{sbom}", &[]);
        about.subject = Some(child.clone());
        let sbom = push_with(&meta, "a", about, &[], HOUR).await;
        let attached = format!("{}.sig", index.to_string().replace(':', "-"));
        let signature = push(&meta, "a", "{signature}", &[attached.as_str()], HOUR).await;
        let loose = push(&meta, "a", "{never held}", &[], HOUR).await;
        let refused = meta.remove_manifest(&app, &child, &by("bob"), Mode::Real).await.unwrap_err();
        assert!(matches!(refused, MetaError::ManifestInUse { .. }), "{}: {refused:?}", test.engine);
        let held = meta.why_kept(&app, &at(&child.to_string())).await.unwrap();
        assert_eq!(held.hold, Some(Hold::Index(index.to_string())));
        let held = meta.why_kept(&app, &at(&sbom.to_string())).await.unwrap();
        assert_eq!(held.hold, Some(Hold::Subject(child.to_string())));

        let tried = meta.remove_tag(&app, &tag("v1"), &later("bob", DAY), Mode::DryRun).await.unwrap();
        assert_eq!((tried.n_tags, tried.n_manifests), (1, 4));
        let done = meta.remove_tag(&app, &tag("v1"), &later("bob", DAY), Mode::Real).await.unwrap();
        assert_eq!(done, tried, "a dry run tells what happens");
        assert_eq!(names(&meta, "a", &index.to_string()).await, index, "it can still be pulled by digest");
        for digest in [&index, &child, &sbom, &signature] {
            assert!(
                meta.why_kept(&app, &at(&digest.to_string())).await.unwrap().loose_since.is_some(),
                "{digest}"
            );
        }
        // A new tag holds all of it again.
        push_with(&meta, "a", manifest("{index}", &[(EdgeRole::Child, &child)]), &["v2"], DAY * 2).await;
        for digest in [&index, &child, &sbom, &signature] {
            let standing = meta.why_kept(&app, &at(&digest.to_string())).await.unwrap();
            assert_eq!(standing.loose_since, None, "{digest}");
        }
        meta.remove_tag(&app, &tag("v2"), &later("bob", DAY * 3), Mode::Real).await.unwrap();
        clean(&meta, NOW.plus(DAY * 16), TRASH).await;
        assert_eq!(names(&meta, "a", &index.to_string()).await, index, "its time is not over");
        clean(&meta, NOW.plus(DAY * 18), TRASH).await;
        for digest in [&index, &child, &sbom, &signature] {
            let gone = meta.manifest_head(&app, &at(&digest.to_string())).await;
            assert!(matches!(gone, Err(MetaError::ManifestUnknown)), "{digest}");
        }
        assert_eq!(names(&meta, "a", &loose.to_string()).await, loose, "doubt keeps what was never held");
        assert_eq!(tags_of(&meta, "a").await, Vec::<String>::new(), "the attached tag went with its image");
        let why = meta.why_gone(&app, &at(&index.to_string())).await.unwrap().unwrap();
        assert!(why.why.unwrap().contains("nothing held it"));
        assert_sums_are_exact(&test).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pulled_by_digest_is_in_use_and_stays() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let one = push(&meta, "a", "{1}", &["latest"], HOUR).await;
        push(&meta, "a", "{2}", &["latest"], DAY).await;
        let used = Use { pulls: 3, last_at: NOW.plus(DAY * 10) };
        meta.add_uses(vec![((name("a"), one.clone()), used)]).await.unwrap();
        clean(&meta, NOW.plus(DAY * 20), TRASH).await;
        assert_eq!(names(&meta, "a", &one.to_string()).await, one, "{}", test.engine);
        assert_eq!(meta.weigh(&name("a"), &at(&one.to_string())).await.unwrap().pulls, 3);
        clean(&meta, NOW.plus(DAY * 25), TRASH).await;
        assert!(meta.manifest_head(&name("a"), &at(&one.to_string())).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_holds_and_a_blob_without_one_goes() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let blob = add_blob(&meta, "a", b"never referred to").await;
        clean(&meta, NOW.plus(HOUR / 2), TRASH).await;
        meta.blob(&name("a"), &blob).await.unwrap();
        meta.extend_lease(&name("a"), &blob, NOW.plus(HOUR * 5)).await.unwrap();
        clean(&meta, NOW.plus(HOUR * 4), TRASH).await;
        meta.blob(&name("a"), &blob).await.unwrap_or_else(|error| panic!("{}: {error}", test.engine));
        clean(&meta, NOW.plus(HOUR * 6), TRASH).await;
        assert!(matches!(meta.blob(&name("a"), &blob).await, Err(MetaError::BlobUnknown)));
        assert_eq!(number(&test, "SELECT COUNT(*) FROM blobs").await, 0);
        let state = meta.cleaning_state(NOW.plus(HOUR * 6)).await.unwrap();
        assert_eq!((state.blobs, state.bytes), (1, 17));
        assert_sums_are_exact(&test).await;
    })
    .await;
}
