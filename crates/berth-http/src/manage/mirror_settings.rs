//! What is set of an upstream, as it is sent and shown.

use std::path::PathBuf;

use berth_auth::Visibility;
use berth_mirror::{Secret, Settings, Status};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::call::parse;
use super::problem::Problem;

/// What is to be set of an upstream. What is absent stays, or is as for a new one; null takes away.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MirrorChange", example = example())]
pub(super) struct Change {
    /// Where it is: scheme, host, port, and a path if its repositories have a prefix there. Known registries need none.
    url: Option<String>,
    /// The name that its password is for.
    #[serde(default, deserialize_with = "written")]
    user: Option<Option<String>>,
    /// Its password. It is kept sealed and never shown.
    password: Option<String>,
    /// Registries with the same images that are asked when it is away, in this order, without credentials.
    fallbacks: Option<Vec<String>>,
    /// Hosts that may be sent the credentials to give a token for them.
    auth_hosts: Option<Vec<String>>,
    /// Whether it is on this machine or a private network.
    private: Option<bool>,
    /// Certificates of its own authority, PEM: a file on the server.
    #[serde(default, deserialize_with = "written")]
    ca_file: Option<Option<String>>,
    /// Whether any certificate will do.
    unverified: Option<bool>,
    /// Patterns of its repositories that may be had; all, if there are none.
    allow: Option<Vec<String>>,
    /// Patterns of its repositories that may not.
    deny: Option<Vec<String>>,
    /// For how many seconds a tag is taken to name what it named; zero asks each time.
    fresh_seconds: Option<u64>,
    /// For how many seconds a tag is served that the upstream could not be asked about.
    stale_seconds: Option<u64>,
    /// Bytes that its images may take here; null is any number.
    #[serde(default, deserialize_with = "written")]
    max_bytes: Option<Option<u64>>,
    /// Seconds after which an image goes that nobody used; null is never.
    #[serde(default, deserialize_with = "written")]
    max_age_seconds: Option<Option<u64>>,
    /// Who may pull its images from here.
    #[schemars(extend("enum" = ["public", "private"]))]
    visibility: Option<String>,
    /// Per cent of its pulls below which it is asked only for what is not here.
    reserve_percent: Option<u64>,
}

fn example() -> serde_json::Value {
    serde_json::json!({
        "url": "https://registry.corp.example",
        "user": "mirror",
        "password": "correct horse battery staple",
        "allow": ["platform/**"],
        "max_bytes": 50_u64 << 30,
    })
}

/// Tells a field that is null from one that is absent.
fn written<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl Change {
    /// The settings that come of it, where `before` are those that there are.
    pub(super) fn onto(self, mut before: Settings) -> Result<berth_mirror::Change, Problem> {
        let visibility = self.visibility.as_deref().map(parse::<Visibility>).transpose()?;
        set(&mut before.url, self.url);
        set(&mut before.user, self.user);
        set(&mut before.fallbacks, self.fallbacks);
        set(&mut before.auth_hosts, self.auth_hosts);
        set(&mut before.private, self.private);
        set(&mut before.ca_file, self.ca_file.map(|file| file.map(PathBuf::from)));
        set(&mut before.unverified, self.unverified);
        set(&mut before.allow, self.allow);
        set(&mut before.deny, self.deny);
        set(&mut before.fresh, self.fresh_seconds);
        set(&mut before.stale, self.stale_seconds);
        set(&mut before.max_bytes, self.max_bytes);
        set(&mut before.max_age, self.max_age_seconds);
        set(&mut before.public, visibility.map(|visibility| visibility == Visibility::Public));
        set(&mut before.reserve, self.reserve_percent);
        Ok(berth_mirror::Change { settings: before, password: self.password.map(Secret::new) })
    }
}

/// What is set of an upstream.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Mirror")]
pub(super) struct View {
    /// Its name: the first part of the names of its images here.
    name: String,
    /// Whether it is in the configuration and nowhere else.
    configured: bool,
    /// Where it is.
    url: String,
    /// The name that its password is for.
    user: Option<String>,
    /// Whether it has a password.
    has_password: bool,
    /// Registries with the same images that are asked when it is away, in this order.
    fallbacks: Vec<String>,
    /// Hosts that may be sent the credentials to give a token for them.
    auth_hosts: Vec<String>,
    /// Whether it is on this machine or a private network.
    private: bool,
    /// Certificates of its own authority: a file on the server.
    ca_file: Option<String>,
    /// Whether any certificate will do.
    unverified: bool,
    /// Patterns of its repositories that may be had; all, if there are none.
    allow: Vec<String>,
    /// Patterns of its repositories that may not.
    deny: Vec<String>,
    /// For how many seconds a tag is taken to name what it named.
    fresh_seconds: u64,
    /// For how many seconds a tag is served that the upstream could not be asked about.
    stale_seconds: u64,
    /// Bytes that its images may take here; null is any number.
    max_bytes: Option<u64>,
    /// Seconds after which an image goes that nobody used; null is never.
    max_age_seconds: Option<u64>,
    /// Who may pull its images from here.
    #[schemars(extend("enum" = ["public", "private"]))]
    visibility: &'static str,
    /// Per cent of its pulls below which it is asked only for what is not here.
    reserve_percent: u64,
}

impl View {
    pub(super) fn of(status: &Status) -> View {
        let set = &status.settings;
        let visibility = if set.public { Visibility::Public } else { Visibility::Private };
        View {
            name: status.name.clone(),
            configured: status.is_configured,
            url: set.url.clone(),
            user: set.user.clone(),
            has_password: status.has_password,
            fallbacks: set.fallbacks.clone(),
            auth_hosts: set.auth_hosts.clone(),
            private: set.private,
            ca_file: set.ca_file.as_ref().map(|file| file.display().to_string()),
            unverified: set.unverified,
            allow: set.allow.clone(),
            deny: set.deny.clone(),
            fresh_seconds: set.fresh,
            stale_seconds: set.stale,
            max_bytes: set.max_bytes,
            max_age_seconds: set.max_age,
            visibility: visibility.as_str(),
            reserve_percent: set.reserve,
        }
    }
}
