//! The table of the audit log.

use berth_db::{Migration, Schema};

/// Every step from the beginning.
pub(crate) const SCHEMA: Schema =
    Schema { name: "audit", steps: &[Migration { version: 1, name: "audit", sql: AUDIT }] };

/// `actor` and `actor_id` are both kept: names are for people, ids are never used twice.
const AUDIT: &str = "
CREATE TABLE audit (
    id IDENTITY,
    at BIGINT NOT NULL,
    actor_id KEY NOT NULL,
    actor KEY NOT NULL,
    address KEY,
    action KEY NOT NULL,
    repository KEY,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_repository ON audit (repository, id);
CREATE INDEX audit_action ON audit (action, id);
";
