//! Parameters of the query and of the path: what is read and what is told about it are one.

use serde_json::{Value, json};

/// A parameter of the query.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
}

/// What a parameter may hold.
pub(super) enum Kind {
    Text,
    /// A whole number, not below zero.
    Number,
    /// Entries of a page.
    Limit,
    /// `true` or `1`, `false` or `0`.
    Flag,
    /// A moment or a day.
    Time,
    /// One of these.
    Word(&'static [&'static str]),
}

impl Parameter {
    pub(super) const fn new(name: &'static str, kind: Kind, description: &'static str) -> Parameter {
        Parameter { name, description, kind, is_required: false }
    }

    pub(super) const fn required(name: &'static str, kind: Kind, description: &'static str) -> Parameter {
        Parameter { name, description, kind, is_required: true }
    }

    pub(super) fn schema(&self) -> Value {
        match self.kind {
            Kind::Text => json!({ "type": "string" }),
            Kind::Number => json!({ "type": "integer", "format": "int64", "minimum": 0 }),
            Kind::Limit => json!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL }),
            Kind::Flag => json!({ "type": "boolean", "default": false }),
            Kind::Time => json!({ "type": "string", "examples": ["2026-11-25T10:00:00Z", "2026-11-25"] }),
            Kind::Word(words) => json!({ "type": "string", "enum": words }),
        }
    }
}

/// Entries on a page, if the caller does not ask for another number.
pub(super) const USUAL: usize = 100;
/// Entries on a page at most.
pub(super) const MOST: usize = 1000;

pub(super) static LIMIT: Parameter =
    Parameter::new("limit", Kind::Limit, "Entries on a page at most; more than 1000 is cut to that.");
pub(super) static AFTER: Parameter =
    Parameter::new("after", Kind::Text, "The `next` of the page before, to get the page after it.");
pub(super) static AFTER_NUMBER: Parameter =
    Parameter::new("after", Kind::Number, "The `next` of the page before, to get the page after it.");
pub(super) static BEFORE: Parameter = Parameter::new(
    "before",
    Kind::Number,
    "The `next` of the page before, to get the page after it: the list begins with what is newest.",
);
pub(super) static DRY_RUN: Parameter = Parameter::new(
    "dry_run",
    Kind::Flag,
    "Do all of it and undo it: the answer says what would happen, and nothing does.",
);
pub(super) static KEEP: Parameter = Parameter::new(
    "keep",
    Kind::Flag,
    "Remove it although repositories of that namespace are left; they belong to administrators then.",
);

/// The parameters of a list in pages by name.
pub(super) static PAGES: [&Parameter; 2] = [&LIMIT, &AFTER];
/// The parameters of a list in pages by number.
pub(super) static NUMBERED_PAGES: [&Parameter; 2] = [&LIMIT, &AFTER_NUMBER];
/// The parameters of a list in pages that begins with what is newest.
pub(super) static NEWEST_FIRST: [&Parameter; 2] = [&LIMIT, &BEFORE];

/// The one part of a path that may span segments.
pub(super) const REPOSITORY: &str = "repository";

/// What is told about a part of a path: a sentence, and an example.
pub(super) fn part(name: &str) -> Option<(&'static str, Value)> {
    let text = |example: &str| json!({ "type": "string", "minLength": 1, "examples": [example] });
    Some(match name {
        REPOSITORY => (
            "A repository. Its slashes may be sent as they are, or as `%2F`. What is in a repository stands behind \
             `/-/`, which no name can hold.",
            text("acme/app"),
        ),
        "tag" => ("A tag.", text("1.9")),
        "digest" => ("The digest of a manifest.", text(EXAMPLE_DIGEST)),
        "reference" => ("A tag, or the digest of a manifest.", text("latest")),
        "user" => ("The name of a user.", text("alice")),
        "team" => ("The name of a team.", text("acme")),
        "robot" => ("The name of a robot: its owner, a dot, and its own.", text("acme.ci")),
        "namespace" => (
            "A namespace, the first part of names of repositories; `-` stands for all names of one part.",
            text("acme"),
        ),
        "quota" => (
            "A namespace; `-` stands for all names of one part, and `*` for everything on the server.",
            text("acme"),
        ),
        "mirror" => ("The name of an upstream: the first part of the names of its images.", text("quay.io")),
        "id" => ("A number that the list of them tells.", json!({ "type": "integer", "format": "int64" })),
        _ => return None,
    })
}

const EXAMPLE_DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
