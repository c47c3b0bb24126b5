//! The tables. `docs/storage.md` draws them; change both together, and never a released step.

use berth_db::{Migration, Schema};

/// Every step from the beginning.
pub(crate) const SCHEMA: Schema = Schema {
    name: "registry",
    steps: &[
        Migration { version: 1, name: "registry", sql: REGISTRY },
        Migration { version: 2, name: "settings of a repository", sql: SETTINGS },
        Migration { version: 3, name: "life of an image", sql: LIFE },
        Migration { version: 4, name: "what the page shows", sql: PAGE },
        Migration { version: 5, name: "upstreams", sql: UPSTREAMS },
    ],
};

/// - `upstreams`: registries that are mirrored, with their settings (JSON) and their sealed credentials.
/// - `repositories.upstream`: whose images a repository holds; `NULL` for what was pushed here.
/// - `upstream_tags`: when it was last known that a tag names there what it names here.
/// - `pins`: what is never taken from a cache to make room. `upstream_days`: what was had from where, by day.
const UPSTREAMS: &str = "
CREATE TABLE upstreams (
    name KEY NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL,
    secret BYTES,
    made_at BIGINT NOT NULL,
    made_by TEXT NOT NULL
);
ALTER TABLE repositories ADD COLUMN upstream KEY;
CREATE INDEX repositories_upstream ON repositories (upstream, id) WHERE upstream IS NOT NULL;
CREATE TABLE upstream_tags (
    repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name KEY NOT NULL,
    checked_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, name)
);
CREATE TABLE pins (
    repository KEY NOT NULL,
    reference KEY NOT NULL,
    made_at BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    PRIMARY KEY (repository, reference)
);
CREATE TABLE upstream_days (
    upstream KEY NOT NULL,
    day BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    misses BIGINT NOT NULL,
    bytes_saved BIGINT NOT NULL,
    bytes_fetched BIGINT NOT NULL,
    PRIMARY KEY (upstream, day)
);
";

/// - `labels`: what the image that was pushed last says of itself, by key, for search.
/// - `layer_indexes`: what is inside of a layer, made when somebody first looks.
/// - `tags_recent`, `tags_named`: what is new anywhere, and which repositories have a tag.
const PAGE: &str = "
CREATE TABLE labels (
    repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    key KEY NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (repository_id, key)
);
CREATE TABLE layer_indexes (
    blob_id BIGINT NOT NULL PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
    made_at BIGINT NOT NULL,
    content BYTES NOT NULL
);
CREATE INDEX tags_recent ON tags (began_at, id) WHERE ended_at IS NULL;
CREATE INDEX tags_named ON tags (name, repository_id) WHERE ended_at IS NULL;
";

/// Repositories of before are private: with accounts on they belong to administrators until somebody opens them.
const SETTINGS: &str = "
ALTER TABLE repositories ADD COLUMN visibility KEY NOT NULL DEFAULT 'private';
ALTER TABLE repositories ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE repositories ADD COLUMN readme TEXT NOT NULL DEFAULT '';
";

/// What lives how long, who uses how much, and what is to be cleaned.
///
/// - `namespaces`: the first part of names, with a row so that memberships can be counted in it; `namespace_blobs` counts
///   in how many repositories of a namespace a blob is; `usage` holds the sums that follow from both, changed in the
///   transaction that changes a membership. A total is spread over rows so that writers of PostgreSQL do not queue.
/// - A manifest is *loose* from the moment that nothing holds it any more, and *deleted* from the moment that somebody
///   said so; the trash time counts from there. Neither is set on one that was never held.
/// - `review_at` of a membership: when to look whether it is still needed. `collectable.due_at` is the same for blobs.
/// - `tombstones`: files that are to be unlinked, and perhaps are.
/// - `tags.series` and the three numbers: what a tag is if it is a version, so that the newest is one step in an index.
/// - `purged`: what the cleaning took for good, and why. `cleaned`: how much, by day.
///
/// Rows of before are reviewed when their lease ends; repositories without a namespace are counted at the next start.
const LIFE: &str = "
CREATE TABLE namespaces (
    id IDENTITY,
    name KEY NOT NULL UNIQUE
);
CREATE TABLE quotas (
    namespace KEY NOT NULL PRIMARY KEY,
    bytes BIGINT NOT NULL
);
CREATE TABLE usage (
    kind KEY NOT NULL,
    id BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    own_bytes BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
INSERT INTO usage (kind, id, bytes, own_bytes)
    SELECT 'total', shard, CAST(SUM(size) AS BIGINT), 0 FROM (
        SELECT id % 16 AS shard, size FROM blobs UNION ALL SELECT repository_id % 16, size FROM manifests
    ) AS stored GROUP BY shard;
CREATE TABLE namespace_blobs (
    blob_id BIGINT NOT NULL REFERENCES blobs (id),
    namespace_id BIGINT NOT NULL REFERENCES namespaces (id),
    repositories BIGINT NOT NULL,
    PRIMARY KEY (blob_id, namespace_id)
);
ALTER TABLE repositories ADD COLUMN namespace_id BIGINT REFERENCES namespaces (id);
ALTER TABLE repositories ADD COLUMN deleted_at BIGINT;
ALTER TABLE repositories ADD COLUMN deleted_by TEXT;
ALTER TABLE repositories ADD COLUMN former_name KEY;
CREATE INDEX repositories_deleted ON repositories (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX repositories_uncounted ON repositories (id) WHERE namespace_id IS NULL;
CREATE INDEX repositories_namespace ON repositories (namespace_id, name);
ALTER TABLE repository_blobs ADD COLUMN review_at BIGINT;
UPDATE repository_blobs SET review_at = lease_until;
CREATE INDEX repository_blobs_review ON repository_blobs (review_at) WHERE review_at IS NOT NULL;
CREATE INDEX blobs_size ON blobs (size);
ALTER TABLE manifests ADD COLUMN loose_since BIGINT;
ALTER TABLE manifests ADD COLUMN deleted_at BIGINT;
ALTER TABLE manifests ADD COLUMN deleted_by TEXT;
CREATE INDEX manifests_loose ON manifests (loose_since) WHERE loose_since IS NOT NULL;
CREATE INDEX manifests_deleted ON manifests (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX manifests_loose_in ON manifests (repository_id, loose_since) WHERE loose_since IS NOT NULL;
CREATE INDEX manifests_deleted_in ON manifests (repository_id, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TABLE pulls (
    manifest_id BIGINT NOT NULL PRIMARY KEY REFERENCES manifests (id) ON DELETE CASCADE,
    pulls BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE INDEX pulls_used ON pulls (used_at);
INSERT INTO pulls (manifest_id, pulls, used_at) SELECT id, 0, pushed_at FROM manifests;
ALTER TABLE tags ADD COLUMN began_why TEXT;
ALTER TABLE tags ADD COLUMN ended_why TEXT;
ALTER TABLE tags ADD COLUMN series KEY;
ALTER TABLE tags ADD COLUMN major BIGINT;
ALTER TABLE tags ADD COLUMN minor BIGINT;
ALTER TABLE tags ADD COLUMN patch BIGINT;
CREATE INDEX tags_version ON tags (repository_id, series, major, minor, patch)
    WHERE ended_at IS NULL AND series IS NOT NULL;
CREATE INDEX tags_history ON tags (repository_id, name, id);
CREATE INDEX tags_all ON tags (repository_id, id);
CREATE INDEX tags_newest ON tags (repository_id, began_at) WHERE ended_at IS NULL;
CREATE INDEX tags_ended ON tags (repository_id, digest, ended_at) WHERE ended_at IS NOT NULL;
ALTER TABLE collectable RENAME COLUMN since TO due_at;
CREATE INDEX collectable_due ON collectable (due_at);
CREATE TABLE tombstones (
    digest KEY NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    since BIGINT NOT NULL
);
CREATE TABLE aliases (
    name KEY NOT NULL PRIMARY KEY,
    repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX aliases_expiry ON aliases (expires_at);
CREATE TABLE rules (
    id IDENTITY,
    kind KEY NOT NULL,
    pattern KEY NOT NULL,
    tags TEXT NOT NULL,
    levels TEXT NOT NULL,
    newest BIGINT,
    younger BIGINT,
    pulled BIGINT,
    made_at BIGINT NOT NULL,
    made_by TEXT NOT NULL
);
CREATE TABLE purged (
    id IDENTITY,
    repository KEY NOT NULL,
    digest KEY NOT NULL,
    purged_at BIGINT NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX purged_digest ON purged (digest, repository);
CREATE TABLE cleaned (
    day BIGINT NOT NULL PRIMARY KEY,
    manifests BIGINT NOT NULL,
    blobs BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
";

/// Times are microseconds since 1970. Digests are text, `sha256:…`.
///
/// - `blobs`: bytes that are stored, once for all repositories; `blob_contents` holds small ones, larger are files.
/// - `repository_blobs`: membership, with the lease that makes "exists" a promise.
/// - `manifests` belong to one repository each, byte for byte, so no repository can learn or decide anything about
///   another's; `manifest_references` are their edges.
/// - `tags`: a row is a time during which a name meant a digest; the open one (`ended_at IS NULL`) is the tag.
/// - `collectable`: blobs that lost their last membership, for the cleaning to look at again.
const REGISTRY: &str = "
CREATE TABLE repositories (
    id IDENTITY,
    name KEY NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE TABLE blobs (
    id IDENTITY,
    digest KEY NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE blob_contents (
    blob_id BIGINT NOT NULL PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
    content BYTES NOT NULL
);
CREATE TABLE repository_blobs (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    blob_id BIGINT NOT NULL REFERENCES blobs (id),
    added_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (blob_id, repository_id)
);
CREATE INDEX repository_blobs_repository ON repository_blobs (repository_id, blob_id);
CREATE TABLE manifests (
    id IDENTITY,
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    digest KEY NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    content BYTES NOT NULL,
    subject KEY,
    artifact_type KEY,
    annotations TEXT,
    pushed_at BIGINT NOT NULL,
    pushed_by TEXT NOT NULL,
    UNIQUE (repository_id, digest)
);
CREATE INDEX manifests_subject ON manifests (repository_id, subject, digest) WHERE subject IS NOT NULL;
CREATE TABLE manifest_references (
    manifest_id BIGINT NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    role KEY NOT NULL,
    digest KEY NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (manifest_id, position)
);
CREATE INDEX manifest_references_digest ON manifest_references (digest, repository_id);
CREATE TABLE tags (
    id IDENTITY,
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    name KEY NOT NULL,
    digest KEY NOT NULL,
    began_at BIGINT NOT NULL,
    began_by TEXT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT
);
CREATE UNIQUE INDEX tags_open ON tags (repository_id, name) WHERE ended_at IS NULL;
CREATE INDEX tags_open_digest ON tags (repository_id, digest) WHERE ended_at IS NULL;
CREATE TABLE uploads (
    id KEY NOT NULL PRIMARY KEY,
    repository KEY NOT NULL,
    principal TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL
);
CREATE INDEX uploads_touched ON uploads (touched_at);
CREATE TABLE collectable (
    blob_id BIGINT NOT NULL PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
    since BIGINT NOT NULL
);
";

#[cfg(test)]
mod tests {
    use berth_db::testing::on_each;
    use berth_db::{DbError, Schema};

    use crate::{Bytes, Meta};

    /// Rows as the version before the life of an image wrote them: a layer in two repositories, one of them without a
    /// namespace, a version and the tag that people kept beside it by hand, and a blob that waits to be removed.
    const BEFORE: &[&str] = &[
        "INSERT INTO repositories (name, created_at) VALUES ('acme/app', 1), ('solo', 1)",
        "INSERT INTO blobs (digest, size, created_at) VALUES ('sha256:a', 100, 1), ('sha256:b', 20, 1), ('sha256:c', 3, 1)",
        "INSERT INTO repository_blobs (repository_id, blob_id, added_at, lease_until) VALUES (1, 1, 1, 9), (2, 1, 1, 9), (2, 2, 1, 9)",
        "INSERT INTO collectable (blob_id, since) VALUES (3, 5)",
        "INSERT INTO manifests (repository_id, digest, media_type, size, content, pushed_at, pushed_by)
         SELECT 1, 'sha256:d', 'm', 7, content, 4, 'a' FROM (SELECT CAST('{}' AS BYTES) AS content) AS c",
        "INSERT INTO tags (repository_id, name, digest, began_at, began_by) VALUES
         (1, '1.9.2', 'sha256:d', 1, 'a'), (1, 'latest', 'sha256:d', 1, 'a')",
    ];

    #[tokio::test(flavor = "multi_thread")]
    async fn what_an_earlier_version_wrote_is_counted_at_the_first_start() {
        on_each(|test| async move {
            let test = &test;
            let before = Schema { name: super::SCHEMA.name, steps: &super::SCHEMA.steps[..2] };
            test.db.migrate(before).await.unwrap();
            for sql in BEFORE {
                // The one word that the engines spell differently outside of a schema.
                let sql = sql.replace("BYTES", if test.engine == "sqlite" { "BLOB" } else { "BYTEA" });
                let done: Result<u64, DbError> = test
                    .db
                    .write(move |mut tx| {
                        let sql = sql.clone();
                        Box::pin(async move { tx.execute(&sql, &[]).await })
                    })
                    .await;
                done.unwrap_or_else(|error| panic!("{}: {error}", test.engine));
            }
            for _ in 0..2 {
                let meta = Meta::open(test.db.clone()).await.unwrap();
                assert_eq!(meta.total_usage().await.unwrap(), 130, "{}", test.engine);
                let namespaces = meta.namespace_usage("", 10).await.unwrap().items;
                let told: Vec<_> =
                    namespaces.iter().map(|entry| (entry.name.as_str(), entry.bytes)).collect();
                assert_eq!(told, [("-", Bytes { all: 120, own: 20 }), ("acme", Bytes { all: 107, own: 7 })]);
                let solo = meta.repository_usage(&"solo".parse().unwrap()).await.unwrap();
                assert_eq!(solo, Bytes { all: 120, own: 20 });
            }
            let one = |sql: &'static str| {
                test.db
                    .read(move |mut tx| Box::pin(async move { tx.query_one(sql, &[]).await?.get::<i64>(0) }))
            };
            let one = async |sql| one(sql).await.unwrap_or_else(|error: DbError| panic!("{error}"));
            assert_eq!(one("SELECT minor FROM tags WHERE name = '1.9.2'").await, 9);
            assert_eq!(one("SELECT COUNT(*) FROM repository_blobs WHERE review_at = 9").await, 3);
            assert_eq!(one("SELECT due_at FROM collectable").await, 5);
            assert_eq!(one("SELECT used_at FROM pulls").await, 4);
        })
        .await;
    }
}
