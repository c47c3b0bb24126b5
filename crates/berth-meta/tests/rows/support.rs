//! What the tests share.

use std::time::Duration;

use berth_db::testing::TestDb;
use berth_meta::{
    Actor, Change, Edge, EdgeRole, Horizon, Meta, NewBlob, NewManifest, NewRule, PutManifest, RuleKind,
    Sparse, Timestamp,
};
use berth_oci::{Digest, Reference, RepositoryName, Tag};
use bytes::Bytes;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

pub(crate) async fn open(test: &TestDb) -> Meta {
    Meta::open(test.db.clone()).await.unwrap()
}

pub(crate) fn by(who: &str) -> Change {
    let actor = Actor { id: format!("user:{who}"), name: who.to_owned(), address: None };
    Change { actor, audited: true, at: NOW, makes_public: false, upstream: None }
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

pub(crate) fn at(text: &str) -> Reference {
    text.parse().unwrap()
}

pub(crate) async fn add_blob(meta: &Meta, repository: &str, content: &'static [u8]) -> Digest {
    let digest = Digest::sha256(content);
    let blob = NewBlob {
        digest: digest.clone(),
        size: content.len() as u64,
        content: Some(Bytes::from_static(content)),
        upload: None,
    };
    meta.add_blob(&name(repository), blob, &by("alice"), NOW.plus(HOUR)).await.unwrap();
    digest
}

pub(crate) fn manifest(content: &'static str, references: &[(EdgeRole, &Digest)]) -> NewManifest {
    NewManifest {
        digest: Digest::sha256(content.as_bytes()),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        content: Bytes::from_static(content.as_bytes()),
        references: references
            .iter()
            .map(|(role, digest)| Edge { role: *role, digest: (*digest).clone(), size: 1 })
            .collect(),
        subject: None,
        artifact_type: None,
        annotations: None,
        labels: Vec::new(),
    }
}

pub(crate) fn put(repository: &str, manifest: NewManifest, tags: &[&str]) -> PutManifest {
    PutManifest {
        repository: name(repository),
        manifest,
        tags: tags.iter().map(|text| tag(text)).collect(),
        change: by("alice"),
        sparse: Sparse::Refuse,
    }
}

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const TRASH: Duration = Duration::from_secs(14 * 86_400);

pub(crate) fn later(who: &str, after: Duration) -> Change {
    Change { at: NOW.plus(after), ..by(who) }
}

pub(crate) fn rule(pattern: &str, tags: &str, kind: RuleKind) -> NewRule {
    NewRule { pattern: pattern.parse().unwrap(), tags: tags.parse().unwrap(), kind, wide: false }
}

/// Pushes a manifest of its own at a time, and gives its digest.
pub(crate) async fn push(
    meta: &Meta,
    repository: &str,
    content: &'static str,
    tags: &[&str],
    after: Duration,
) -> Digest {
    push_with(meta, repository, manifest(content, &[]), tags, after).await
}

pub(crate) async fn push_with(
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

pub(crate) async fn tags_of(meta: &Meta, repository: &str) -> Vec<String> {
    meta.tags(&name(repository), "", 100).await.unwrap().items
}

pub(crate) async fn names(meta: &Meta, repository: &str, of: &str) -> Digest {
    meta.manifest_head(&name(repository), &at(of)).await.unwrap().digest
}

/// Cleans until nothing is due, with the trash time over for what went in before `now - trash`.
pub(crate) async fn clean(meta: &Meta, now: Timestamp, trash: Duration) {
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

pub(crate) async fn number(test: &TestDb, sql: &'static str) -> i64 {
    let rows =
        test.db.read(move |mut tx| Box::pin(async move { tx.query_one(sql, &[]).await?.get::<i64>(0) }));
    rows.await.unwrap_or_else(|error: berth_db::DbError| panic!("{error}"))
}

/// The sums of usage, counted anew from the rows that they are sums of.
pub(crate) async fn assert_sums_are_exact(test: &TestDb) {
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
