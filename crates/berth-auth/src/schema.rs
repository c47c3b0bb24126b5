//! The tables of accounts.

use berth_db::{Migration, Schema};

/// Every step from the beginning.
pub(crate) const SCHEMA: Schema = Schema {
    name: "auth",
    steps: &[
        Migration { version: 1, name: "accounts", sql: ACCOUNTS },
        Migration { version: 2, name: "sessions", sql: SESSIONS },
    ],
};

/// - `sessions`: of the web page, by the SHA-256 of their secret; they end with the epoch that they were begun in.
/// - `identities`: who an identity provider vouches for, by the subject that it never gives to somebody else.
const SESSIONS: &str = "
CREATE TABLE sessions (
    id IDENTITY,
    account_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash KEY NOT NULL UNIQUE,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_seen ON sessions (seen_at);
CREATE TABLE identities (
    issuer KEY NOT NULL,
    subject KEY NOT NULL,
    account_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_account ON identities (account_id);
";

/// Times are microseconds since 1970; flags are 0 or 1.
///
/// - `accounts`: users, teams and robots share one space of names; `epoch` counts what ends all that was handed out.
/// - `access_tokens`: only the SHA-256 of the secret is kept; kind `access` or `login`.
/// - `invitations`: one-time links, by the SHA-256 of their secret; `account_id` is null for the first administrator.
/// - `known_addresses`: networks that a user signed in from, which a flood of guesses does not shut out.
/// - `auth_state`: the generation, counted up by each transaction that changes what a directory holds.
const ACCOUNTS: &str = "
CREATE TABLE accounts (
    id IDENTITY,
    kind KEY NOT NULL,
    name KEY NOT NULL UNIQUE,
    admin BIGINT NOT NULL,
    disabled BIGINT NOT NULL,
    password TEXT,
    default_visibility KEY NOT NULL,
    epoch BIGINT NOT NULL,
    owner_id BIGINT REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL
);
CREATE TABLE team_members (
    team_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role KEY NOT NULL,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);
CREATE TABLE grants (
    id IDENTITY,
    account_id BIGINT REFERENCES accounts (id) ON DELETE CASCADE,
    pattern KEY NOT NULL,
    actions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE TABLE access_tokens (
    id IDENTITY,
    account_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind KEY NOT NULL,
    name TEXT NOT NULL,
    hash KEY NOT NULL UNIQUE,
    epoch BIGINT NOT NULL,
    actions TEXT NOT NULL,
    patterns TEXT NOT NULL,
    sources TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    last_used_from TEXT
);
CREATE INDEX access_tokens_account ON access_tokens (account_id);
CREATE TABLE invitations (
    hash KEY NOT NULL PRIMARY KEY,
    account_id BIGINT REFERENCES accounts (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE TABLE signing_keys (
    id KEY NOT NULL PRIMARY KEY,
    secret BYTES NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE known_addresses (
    account_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    network KEY NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, network)
);
CREATE TABLE auth_state (
    key KEY NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO auth_state (key, value) VALUES ('generation', 1);
";
