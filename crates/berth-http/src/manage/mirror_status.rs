//! How an upstream is, as it is shown.

use std::time::UNIX_EPOCH;

use berth_mirror::{Health, RateLimit, Status};
use schemars::JsonSchema;
use serde::Serialize;

use super::mirror_settings::View;
use super::wire::When;

/// An upstream as it is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MirrorStatus")]
pub(super) struct Entry {
    /// Its name: the first part of the names of its images here.
    name: String,
    /// What is set of it.
    settings: View,
    /// How it is: `well`, `unasked` (since the server started), `limited` (it wants to be asked less), `fallback` (it
    /// fails, and another answers for it) or `failing`.
    #[schemars(extend("enum" = ["well", "unasked", "limited", "fallback", "failing"]))]
    health: &'static str,
    /// Its server and its fallbacks.
    servers: Vec<ServerView>,
    /// What was had on the last thirty days.
    last_30_days: Had,
    /// Bytes that its images take here.
    bytes: u64,
    /// The last thing that went wrong and that somebody should look at.
    trouble: Option<Wrong>,
    /// When it was last asked, since the server started.
    asked_at: Option<When>,
    /// Whether so few pulls are left that it is asked only for what is not here.
    spares: bool,
}

/// A server with the images of an upstream.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MirrorServer")]
struct ServerView {
    /// Where it is.
    url: String,
    /// Failures since its last answer.
    failures: u32,
    /// What the last failure was, until an answer comes.
    trouble: Option<String>,
    /// When it last answered.
    answered_at: Option<When>,
    /// For how many seconds it is left alone yet.
    rests_seconds: Option<u64>,
    /// What is left of the pulls that it allows, if it tells.
    budget: Option<Budget>,
}

/// Pulls that a registry allows.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PullBudget")]
struct Budget {
    /// Pulls in one window.
    limit: u64,
    /// Pulls that are left in it.
    remaining: u64,
    /// The window.
    window_seconds: Option<u64>,
}

/// What was had from a cache, and what from its upstream.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MirrorTraffic")]
struct Had {
    /// Manifests and blobs that were here.
    hits: u64,
    /// Those that were not.
    misses: u64,
    /// Bytes that nobody had to fetch.
    bytes_saved: u64,
    /// Bytes that were fetched.
    bytes_fetched: u64,
}

/// Something that went wrong.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MirrorTrouble")]
struct Wrong {
    /// When.
    at: When,
    /// What.
    what: String,
}

impl Entry {
    pub(super) fn of(status: &Status) -> Entry {
        Entry {
            name: status.name.clone(),
            settings: View::of(status),
            health: status.state().as_str(),
            servers: status.servers.iter().map(|(url, health)| server(url, health)).collect(),
            last_30_days: Had {
                hits: status.traffic.hits,
                misses: status.traffic.misses,
                bytes_saved: status.traffic.bytes_saved,
                bytes_fetched: status.traffic.bytes_fetched,
            },
            bytes: status.bytes,
            trouble: status
                .trouble
                .as_ref()
                .map(|trouble| Wrong { at: trouble.at.into(), what: trouble.what.clone() }),
            asked_at: status.asked_at.map(When::from),
            spares: status.spares,
        }
    }
}

fn server(url: &str, health: &Health) -> ServerView {
    let since = health.answered_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let budget = |rate: RateLimit| Budget {
        limit: rate.limit,
        remaining: rate.remaining,
        window_seconds: rate.window.map(|window| window.as_secs()),
    };
    ServerView {
        url: url.to_owned(),
        failures: health.failures,
        trouble: health.trouble.clone(),
        answered_at: since.and_then(|since| i64::try_from(since.as_micros()).ok()).map(When),
        rests_seconds: health.resting.map(|rest| rest.as_secs()),
        budget: health.rate.map(budget),
    }
}
