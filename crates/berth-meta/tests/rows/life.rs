//! The life of an image: floating tags, holds, the trash, cleaning, usage, quotas, retention, copies, renames.

use std::time::Duration;

use berth_db::testing::{TestDb, on_each};
use berth_meta::{
    Bytes as Sum, Change, Copy, EdgeRole, Hold, Horizon, Keep, Meta, MetaError, Mode, NewManifest, NewRule,
    Past, Rename, RuleKind, Timestamp, Use, Verdict,
};
use berth_oci::{Digest, Level};

use crate::support::{HOUR, NOW, add_blob, at, by, manifest, name, open, put, tag};

const DAY: Duration = Duration::from_secs(86_400);
const TRASH: Duration = Duration::from_secs(14 * 86_400);

fn later(who: &str, after: Duration) -> Change {
    Change { at: NOW.plus(after), ..by(who) }
}

fn rule(pattern: &str, tags: &str, kind: RuleKind) -> NewRule {
    NewRule { pattern: pattern.parse().unwrap(), tags: tags.parse().unwrap(), kind, wide: false }
}

/// Pushes a manifest of its own at a time, and gives its digest.
async fn push(
    meta: &Meta,
    repository: &str,
    content: &'static str,
    tags: &[&str],
    after: Duration,
) -> Digest {
    push_with(meta, repository, manifest(content, &[]), tags, after).await
}

async fn push_with(
    meta: &Meta,
    repository: &str,
    manifest: NewManifest,
    tags: &[&str],
    after: Duration,
) -> Digest {
    let digest = manifest.digest.clone();
    let mut put = put(repository, manifest, tags);
    put.change = later("alice", after);
    meta.put_manifest(put).await.unwrap();
    digest
}

async fn tags_of(meta: &Meta, repository: &str) -> Vec<String> {
    meta.tags(&name(repository), "", 100).await.unwrap().items
}

async fn names(meta: &Meta, repository: &str, of: &str) -> Digest {
    meta.manifest_head(&name(repository), &at(of)).await.unwrap().digest
}

/// Cleans until nothing is due, with the trash time over for what went in before `now - trash`.
async fn clean(meta: &Meta, now: Timestamp, trash: Duration) {
    let horizon = Horizon { now, trash: now.minus(trash) };
    for _ in 0..50 {
        let mut n = meta.purge_repositories(horizon).await.unwrap().looked_at;
        n += meta.purge_manifests(horizon).await.unwrap().looked_at;
        n += meta.review_memberships(horizon).await.unwrap().looked_at;
        n += meta.doom_blobs(horizon).await.unwrap().looked_at;
        if n == 0 {
            return;
        }
    }
    panic!("the cleaning does not come to an end");
}

async fn number(test: &TestDb, sql: &'static str) -> i64 {
    let rows =
        test.db.read(move |mut tx| Box::pin(async move { tx.query_one(sql, &[]).await?.get::<i64>(0) }));
    rows.await.unwrap_or_else(|error: berth_db::DbError| panic!("{error}"))
}

/// The sums of usage, counted anew from the rows that they are sums of.
async fn assert_sums_are_exact(test: &TestDb) {
    for (kept, counted) in [
        (
            "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM usage WHERE kind = 'total'",
            "SELECT CAST((SELECT COALESCE(SUM(size), 0) FROM blobs) + (SELECT COALESCE(SUM(size), 0) FROM manifests) AS BIGINT)",
        ),
        (
            "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM usage WHERE kind = 'repository'",
            "SELECT CAST((SELECT COALESCE(SUM(b.size), 0) FROM repository_blobs m JOIN blobs b ON b.id = m.blob_id)
                 + (SELECT COALESCE(SUM(size), 0) FROM manifests) AS BIGINT)",
        ),
        (
            "SELECT CAST(COALESCE(SUM(own_bytes), 0) AS BIGINT) FROM usage WHERE kind = 'repository'",
            "SELECT CAST((SELECT COALESCE(SUM(size), 0) FROM blobs b
                     WHERE (SELECT COUNT(*) FROM repository_blobs m WHERE m.blob_id = b.id) = 1)
                 + (SELECT COALESCE(SUM(size), 0) FROM manifests) AS BIGINT)",
        ),
        (
            "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM usage WHERE kind = 'namespace'",
            "SELECT CAST((SELECT COALESCE(SUM(b.size), 0) FROM
                     (SELECT DISTINCT m.blob_id, r.namespace_id FROM repository_blobs m
                      JOIN repositories r ON r.id = m.repository_id) AS n JOIN blobs b ON b.id = n.blob_id)
                 + (SELECT COALESCE(SUM(size), 0) FROM manifests) AS BIGINT)",
        ),
        (
            "SELECT CAST(COALESCE(SUM(own_bytes), 0) AS BIGINT) FROM usage WHERE kind = 'namespace'",
            "SELECT CAST((SELECT COALESCE(SUM(size), 0) FROM blobs b
                     WHERE (SELECT COUNT(DISTINCT r.namespace_id) FROM repository_blobs m
                            JOIN repositories r ON r.id = m.repository_id WHERE m.blob_id = b.id) = 1)
                 + (SELECT COALESCE(SUM(size), 0) FROM manifests) AS BIGINT)",
        ),
    ] {
        assert_eq!(number(test, kept).await, number(test, counted).await, "{}: {kept}", test.engine);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floating_tags_follow_versions_and_never_go_backwards() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let all = RuleKind::Float(Level::ALL.to_vec());
        meta.add_rule(rule("acme/*", "*", all), &by("root")).await.unwrap();
        let old = push(&meta, "acme/app", "{182}", &["1.8.2"], HOUR).await;
        assert_eq!(tags_of(&meta, "acme/app").await, ["1", "1.8", "1.8.2", "latest"], "{}", test.engine);
        let new = push(&meta, "acme/app", "{192}", &["1.9.2"], HOUR).await;
        for float in ["1.9", "1", "latest"] {
            assert_eq!(names(&meta, "acme/app", float).await, new, "{float}");
        }
        assert_eq!(names(&meta, "acme/app", "1.8").await, old);
        let late = push(&meta, "acme/app", "{187}", &["1.8.7"], HOUR).await;
        assert_eq!(names(&meta, "acme/app", "1.8").await, late);
        for float in ["1", "latest"] {
            assert_eq!(names(&meta, "acme/app", float).await, new, "{float} went backwards");
        }
        push(&meta, "acme/app", "{rc}", &["2.0.0-rc.1"], HOUR).await;
        assert_eq!(names(&meta, "acme/app", "latest").await, new);
        push(&meta, "acme/app", "{alpine}", &["1.9.2-alpine"], HOUR).await;
        let expected = [
            "1",
            "1-alpine",
            "1.8",
            "1.8.2",
            "1.8.7",
            "1.9",
            "1.9-alpine",
            "1.9.2",
            "1.9.2-alpine",
            "2.0.0-rc.1",
            "alpine",
            "latest",
        ];
        assert_eq!(tags_of(&meta, "acme/app").await, expected);
        let preview = meta.floating(&name("acme/app"), &tag("1.10.0")).await.unwrap();
        assert_eq!(preview, [tag("1.10"), tag("1"), tag("latest")]);
        assert_eq!(meta.floating(&name("acme/app"), &tag("0.9.0")).await.unwrap(), [tag("0.9"), tag("0")]);
        push(&meta, "other/app", "{192}", &["1.9.2"], HOUR).await;
        assert_eq!(tags_of(&meta, "other/app").await, ["1.9.2"], "no rule there");
        let told = meta.tag_history(&name("acme/app"), Some(&tag("1")), i64::MAX, 10).await.unwrap().items;
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].began_why.as_deref(), Some("follows 1.9.2 by rule 1"));
        assert_eq!(told[1].ended_by.as_deref(), Some("alice"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_around_an_immutable_tag() {
    on_each(|test| async move {
        let meta = open(&test).await;
        meta.add_rule(rule("acme/*", "*", RuleKind::Float(vec![Level::Minor])), &by("root")).await.unwrap();
        meta.add_rule(rule("acme/*", "*", RuleKind::Immutable), &by("root")).await.unwrap();
        let one = push(&meta, "acme/app", "{1}", &["1.9.2"], HOUR).await;
        push(&meta, "acme/app", "{1}", &["1.9.2"], HOUR).await;
        let (app, root) = (name("acme/app"), by("root"));
        let immutable =
            |error: MetaError| assert!(matches!(error, MetaError::TagImmutable { .. }), "{error:?}");
        immutable(meta.put_manifest(put("acme/app", manifest("{2}", &[]), &["1.9.2"])).await.unwrap_err());
        immutable(
            meta.put_manifest(put("acme/app", manifest("{2}", &[]), &["new", "1.9.2"])).await.unwrap_err(),
        );
        immutable(meta.put_manifest(put("acme/app", manifest("{2}", &[]), &["1.9"])).await.unwrap_err());
        immutable(meta.remove_tag(&app, &tag("1.9.2"), &root, Mode::Real).await.unwrap_err());
        immutable(meta.remove_tag(&app, &tag("1.9.2"), &root, Mode::DryRun).await.unwrap_err());
        immutable(meta.remove_manifest(&app, &one, &root, Mode::Real).await.unwrap_err());
        immutable(meta.remove_repository(&app, &root, Mode::Real).await.unwrap_err());
        push(&meta, "other/app", "{2}", &["1.9.2"], HOUR).await;
        let copy = Copy {
            from: name("other/app"),
            at: at("1.9.2"),
            into: app.clone(),
            tags: vec![tag("1.9.2")],
            referrers: true,
        };
        immutable(meta.copy(copy, &root, NOW.plus(HOUR), Mode::Real).await.unwrap_err());
        let rename = Rename { from: app.clone(), to: name("free/app"), redirect_until: None };
        immutable(meta.rename_repository(rename, &root, Mode::Real).await.unwrap_err());
        let two = push(&meta, "acme/app", "{2}", &["1.9.3"], HOUR).await;
        assert_eq!(names(&meta, "acme/app", "1.9").await, two, "what the rule moves, moves: {}", test.engine);
        immutable(meta.roll_back(&app, &tag("1.9"), Past::Previous, &root, Mode::Real).await.unwrap_err());
        assert_eq!(tags_of(&meta, "acme/app").await, ["1.9", "1.9.2", "1.9.3"]);
        assert_eq!(names(&meta, "acme/app", "1.9.2").await, one);
        // Another name under the same rule is no way around it.
        let rename = Rename { from: app.clone(), to: name("acme/new"), redirect_until: None };
        meta.rename_repository(rename, &root, Mode::Real).await.unwrap();
        immutable(meta.remove_tag(&name("acme/new"), &tag("1.9.2"), &root, Mode::Real).await.unwrap_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_has_a_past_that_one_can_go_back_to() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let (app, latest) = (name("a"), tag("latest"));
        let one = push(&meta, "a", "{1}", &["latest"], DAY).await;
        let two = push(&meta, "a", "{2}", &["latest"], DAY * 2).await;
        let on = |days: u32| NOW.plus(DAY * days);
        assert_eq!(meta.tag_at(&app, &latest, on(1)).await.unwrap().digest, one, "{}", test.engine);
        assert_eq!(meta.tag_at(&app, &latest, on(9)).await.unwrap().digest, two);
        assert!(matches!(meta.tag_at(&app, &latest, on(0)).await, Err(MetaError::NoHistory)));
        let tried = meta
            .roll_back(&app, &latest, Past::Previous, &later("bob", DAY * 3), Mode::DryRun)
            .await
            .unwrap();
        assert_eq!(tried.0, one);
        assert_eq!(names(&meta, "a", "latest").await, two, "a dry run changes nothing");
        meta.roll_back(&app, &latest, Past::Previous, &later("bob", DAY * 3), Mode::Real).await.unwrap();
        assert_eq!(names(&meta, "a", "latest").await, one);
        meta.roll_back(&app, &latest, Past::At(on(2)), &later("bob", DAY * 4), Mode::Real).await.unwrap();
        assert_eq!(names(&meta, "a", "latest").await, two);
        meta.remove_tag(&app, &latest, &later("carol", DAY * 5), Mode::Real).await.unwrap();
        let gone = meta.why_gone(&app, &at("latest")).await.unwrap().unwrap();
        assert_eq!((gone.by.as_deref(), gone.digest, gone.is_restorable), (Some("carol"), two.clone(), true));
        meta.roll_back(&app, &latest, Past::Previous, &later("bob", DAY * 6), Mode::Real).await.unwrap();
        assert_eq!(names(&meta, "a", "latest").await, two, "a deleted tag comes back");
        assert_eq!(meta.why_gone(&app, &at("latest")).await.unwrap(), None);
        let history = meta.tag_history(&app, Some(&latest), i64::MAX, 3).await.unwrap();
        assert_eq!((history.items.len(), history.more), (3, true));
        let rest = meta.tag_history(&app, Some(&latest), history.items[2].id, 3).await.unwrap();
        assert_eq!((rest.items.len(), rest.more), (2, false));
    })
    .await;
}

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
        let listed = meta.deleted_manifests(&app, 0, 10).await.unwrap().items;
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
        let deleted = meta.deleted_repositories(10).await.unwrap();
        assert_eq!((deleted.len(), deleted[0].name.as_str()), (1, "team/app"));
        let taken = meta.restore_repository(deleted[0].id, &app, &by("bob")).await;
        assert!(matches!(taken, Err(MetaError::NameTaken { .. })));
        meta.restore_repository(deleted[0].id, &name("team/old"), &by("bob")).await.unwrap();
        assert_eq!(names(&meta, "team/old", "1").await, one);
        meta.blob(&name("team/old"), &layer).await.unwrap();
        assert_sums_are_exact(&test).await;

        meta.remove_repository(&name("team/old"), &later("bob", DAY * 2), Mode::Real).await.unwrap();
        clean(&meta, NOW.plus(DAY * 15), TRASH).await;
        assert_eq!(meta.deleted_repositories(10).await.unwrap().len(), 1, "its time is not over");
        clean(&meta, NOW.plus(DAY * 17), TRASH).await;
        assert!(meta.deleted_repositories(10).await.unwrap().is_empty());
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

#[tokio::test(flavor = "multi_thread")]
async fn rules_choose_tags_and_say_why() {
    on_each(|test| async move {
        let meta = open(&test).await;
        for (day, (content, name)) in
            [("{1}", "pr-1"), ("{2}", "pr-2"), ("{3}", "pr-3"), ("{4}", "pr-4"), ("{5}", "main")]
                .into_iter()
                .enumerate()
        {
            push(&meta, "acme/app", content, &[name], DAY * day as u32).await;
        }
        let keep = Keep { newest: Some(2), pulled: Some(5 * 86_400_000_000), ..Keep::default() };
        meta.add_rule(rule("acme/*", "pr-*", RuleKind::Keep(keep)), &by("root")).await.unwrap();
        let used = Use { pulls: 1, last_at: NOW.plus(DAY * 9) };
        meta.add_uses(vec![((name("acme/app"), Digest::sha256(b"{1}")), used)]).await.unwrap();
        let app = name("acme/app");
        let mut choices = Vec::new();
        let mut cursor = None;
        loop {
            let page = meta.choose(&app, cursor, NOW.plus(DAY * 10), 2).await.unwrap();
            choices.extend(page.choices);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let told: Vec<_> = choices
            .iter()
            .map(|choice| match &choice.verdict {
                Verdict::Kept(why) => (choice.tag.as_str(), why.as_str()),
                Verdict::Removed { why, .. } => (choice.tag.as_str(), why.as_str()),
            })
            .collect();
        assert_eq!(
            told,
            [
                ("main", "no rule is about it"),
                ("pr-4", "rule 1: it is number 1 of the newest 2"),
                ("pr-3", "rule 1: it is number 2 of the newest 2"),
                ("pr-2", "rule 1: not among the newest 2 of pr-*, not used within 5d"),
                ("pr-1", "rule 1: it was used within 5d"),
            ],
            "{}",
            test.engine
        );
        let tried =
            meta.end_chosen(&app, choices.clone(), &later("berth", DAY * 10), Mode::DryRun).await.unwrap();
        assert_eq!((tried.tags.as_slice(), tried.freed), (&["pr-2".to_owned()][..], 3));
        // Somebody deleted what was newer: doubt keeps the tag until it is chosen anew.
        for newer in ["pr-3", "pr-4", "main"] {
            meta.remove_tag(&app, &tag(newer), &later("bob", DAY * 10), Mode::Real).await.unwrap();
        }
        let done =
            meta.end_chosen(&app, choices.clone(), &later("berth", DAY * 10), Mode::Real).await.unwrap();
        assert_eq!(done.n_tags, 0);
        for newer in ["pr-3", "pr-4"] {
            meta.roll_back(&app, &tag(newer), Past::Previous, &later("bob", DAY * 10), Mode::Real)
                .await
                .unwrap();
        }
        let done = meta.end_chosen(&app, choices, &later("berth", DAY * 10), Mode::Real).await.unwrap();
        assert_eq!(done.tags, ["pr-2"]);
        let gone = meta.why_gone(&app, &at("pr-2")).await.unwrap().unwrap();
        assert!(gone.why.unwrap().starts_with("rule 1: not among the newest 2"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_takes_all_that_belongs_to_an_image_and_no_bytes() {
    on_each(|test| async move {
        let meta = open(&test).await;
        let layer = add_blob(&meta, "dev/app", b"layer").await;
        let child =
            push_with(&meta, "dev/app", manifest("{1}", &[(EdgeRole::Blob, &layer)]), &[], HOUR).await;
        let index =
            push_with(&meta, "dev/app", manifest("{i}", &[(EdgeRole::Child, &child)]), &["1.4.7"], HOUR)
                .await;
        let mut signature = manifest("{s}", &[]);
        signature.subject = Some(index.clone());
        push_with(&meta, "dev/app", signature, &[], HOUR).await;
        let attached = format!("{}.att", child.to_string().replace(':', "-"));
        push(&meta, "dev/app", "{a}", &[attached.as_str()], HOUR).await;
        meta.add_rule(rule("prod/*", "*", RuleKind::Float(vec![Level::Major])), &by("root")).await.unwrap();
        let copy = Copy {
            from: name("dev/app"),
            at: at("1.4.7"),
            into: name("prod/app"),
            tags: vec![tag("1.4.7")],
            referrers: true,
        };
        let tried = meta.copy(copy.clone(), &by("bob"), NOW.plus(HOUR), Mode::DryRun).await.unwrap();
        assert!(!meta.repository_exists(&name("prod/app")).await.unwrap());
        let done = meta.copy(copy.clone(), &by("bob"), NOW.plus(HOUR), Mode::Real).await.unwrap();
        assert_eq!(done, tried);
        assert_eq!((done.digest, done.manifests, done.blobs), (index.clone(), 4, 1), "{}", test.engine);
        assert_eq!(tags_of(&meta, "prod/app").await, ["1", "1.4.7", &attached]);
        assert_eq!(meta.manifest(&name("prod/app"), &at("1.4.7")).await.unwrap().content, "{i}");
        assert_eq!(meta.referrers(&name("prod/app"), &index, None, "", 9).await.unwrap().items.len(), 1);
        meta.blob(&name("prod/app"), &layer).await.unwrap();
        let again = meta.copy(copy.clone(), &by("bob"), NOW.plus(HOUR), Mode::Real).await.unwrap();
        assert_eq!((again.manifests, again.blobs, again.moves.len()), (0, 0, 0));
        let alone = Copy { into: name("prod/other"), referrers: false, ..copy };
        assert_eq!(meta.copy(alone, &by("bob"), NOW.plus(HOUR), Mode::Real).await.unwrap().manifests, 2);
        let weight = meta.weigh(&name("dev/app"), &at("1.4.7")).await.unwrap();
        assert_eq!(weight.bytes, Sum { all: 5 + 12, own: 12 });
        assert_sums_are_exact(&test).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_name_leads_to_the_new_one_for_a_time() {
    on_each(|test| async move {
        let meta = open(&test).await;
        push(&meta, "acme/old", "{1}", &["1"], HOUR).await;
        push(&meta, "acme/there", "{1}", &["1"], HOUR).await;
        let rename = |from: &str, to: &str, days: u32| Rename {
            from: name(from),
            to: name(to),
            redirect_until: Some(NOW.plus(DAY * days)),
        };
        let taken = meta.rename_repository(rename("acme/old", "acme/there", 3), &by("bob"), Mode::Real).await;
        assert!(matches!(taken, Err(MetaError::NameTaken { .. })), "{}", test.engine);
        meta.rename_repository(rename("acme/old", "acme/new", 3), &by("bob"), Mode::Real).await.unwrap();
        assert_eq!(tags_of(&meta, "acme/new").await, ["1"]);
        assert_eq!(meta.renamed(&name("acme/old"), NOW).await.unwrap(), Some(name("acme/new")));
        assert_eq!(meta.renamed(&name("acme/old"), NOW.plus(DAY * 4)).await.unwrap(), None);
        let reserved = meta.put_manifest(put("acme/old", manifest("{2}", &[]), &["2"])).await;
        assert!(matches!(reserved, Err(MetaError::Renamed { to }) if to == "acme/new"));
        // And on, and back.
        meta.rename_repository(rename("acme/new", "acme/newer", 3), &by("bob"), Mode::Real).await.unwrap();
        assert_eq!(meta.renamed(&name("acme/old"), NOW).await.unwrap(), Some(name("acme/newer")));
        meta.rename_repository(rename("acme/newer", "acme/old", 3), &by("bob"), Mode::Real).await.unwrap();
        assert_eq!(meta.renamed(&name("acme/newer"), NOW).await.unwrap(), Some(name("acme/old")));
        assert_eq!(meta.renamed(&name("acme/old"), NOW).await.unwrap(), None);
        // When the time is over the name is free.
        push(&meta, "acme/newer", "{9}", &["9"], DAY * 5).await;
        assert_eq!(tags_of(&meta, "acme/newer").await, ["9"]);
    })
    .await;
}
