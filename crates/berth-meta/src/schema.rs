//! The tables. `docs/storage.md` draws them; change both together, and never a released step.

use berth_db::{Migration, Schema};

/// Every step from the beginning.
pub(crate) const SCHEMA: Schema = Schema {
    name: "registry",
    steps: &[
        Migration { version: 1, name: "registry", sql: REGISTRY },
        Migration { version: 2, name: "settings of a repository", sql: SETTINGS },
    ],
};

/// Repositories of before are private: with accounts on they belong to administrators until somebody opens them.
const SETTINGS: &str = "
ALTER TABLE repositories ADD COLUMN visibility KEY NOT NULL DEFAULT 'private';
ALTER TABLE repositories ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE repositories ADD COLUMN readme TEXT NOT NULL DEFAULT '';
";

/// Times are microseconds since 1970. Digests are text, `sha256:…`.
///
/// - `blobs`: bytes that are stored, once for all repositories; `blob_contents` holds small ones, larger are files.
/// - `repository_blobs`: membership, with the lease that makes "exists" a promise.
/// - `manifests` belong to one repository each, byte for byte, so no repository can learn or decide anything about
///   another's; `manifest_references` are their edges.
/// - `tags`: a row is a time during which a name meant a digest; the open one (`ended_at IS NULL`) is the tag.
/// - `collectable`: blobs that lost their last membership, for the collector to look at again.
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
