//! For administrators: what is used, what runs, what was done, and whether all is well.

use askama::Template;
use berth_audit::{Entry, Filter};
use berth_registry::{CleanedDay, CleaningState, LargeBlob, NamespaceUsage, ServerAccess};
use bytes::Bytes;
use serde_json::json;

use super::{Call, mirrors, users};
use crate::error::PageError;
use crate::format;
use crate::layout::Layout;
use crate::reply::{self, Done};

/// Namespaces and blobs that are shown.
const LARGEST: usize = 20;
/// Days of the chart.
const DAYS: i64 = 30;
/// Rows of the log on a page.
const LOG: usize = 100;

#[derive(Template)]
#[template(path = "admin.html")]
struct Usage {
    l: Layout,
    total: u64,
    namespaces: Vec<NamespaceUsage>,
    largest: Vec<LargeBlob>,
}

impl Usage {
    fn share(&self, bytes: &u64) -> u64 {
        let most = self.namespaces.iter().map(|namespace| namespace.bytes.all).max().unwrap_or_default();
        percent(*bytes, most)
    }
}

/// A bar of the chart of what was freed.
struct Bar {
    day: String,
    bytes: u64,
    x: i64,
    height: u64,
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct Jobs {
    l: Layout,
    state: CleaningState,
    since_start: [u64; 5],
    bars: Vec<Bar>,
    reading: Vec<(String, i64)>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    l: Layout,
    entries: Vec<Entry>,
    actor: String,
    action: String,
    repository: String,
    next: Option<i64>,
}

#[derive(Template)]
#[template(path = "health.html")]
struct Health {
    l: Layout,
    problem: Option<String>,
    total: u64,
    users: usize,
}

pub(super) async fn answer(call: Call<'_>, rest: &[&str]) -> Done {
    let access = match call.web.registry.authorizer().administers(call.caller) {
        Ok(access) => access,
        Err(_) if call.caller.is_anonymous() => return Err(PageError::SignIn),
        Err(error) => return Err(error.into()),
    };
    match rest {
        [] => usage(call, &access).await,
        ["users"] => users::answer(call).await,
        ["mirrors"] => mirrors::answer(call, &access).await,
        ["jobs"] if call.is_post() => {
            call.web.registry.clean_now(&access).await?;
            call.see("/admin/jobs?done=cleaned")
        }
        ["jobs"] => jobs(call, &access).await,
        ["audit"] => audit(call).await,
        ["health"] => health(call, &access).await,
        ["diagnostics.json"] => diagnostics(call, &access).await,
        _ => Err(PageError::NotFound),
    }
}

async fn usage(call: Call<'_>, access: &ServerAccess) -> Done {
    let registry = &call.web.registry;
    let mut namespaces = registry.namespace_usage(access, "", 1000).await?.items;
    namespaces.sort_by_key(|namespace| std::cmp::Reverse(namespace.bytes.all));
    namespaces.truncate(LARGEST);
    reply::page(&Usage {
        l: call.layout(),
        total: registry.total_usage(access).await?,
        namespaces,
        largest: registry.largest_blobs(access, LARGEST).await?,
    })
}

async fn jobs(call: Call<'_>, access: &ServerAccess) -> Done {
    let registry = &call.web.registry;
    let days = registry.cleaned_days(access, DAYS).await?;
    reply::page(&Jobs {
        l: call.layout(),
        state: registry.cleaning_state(access).await?,
        since_start: registry.freed().read(),
        bars: bars(&days, format::now()),
        reading: registry.layers_being_read(access),
    })
}

/// A bar for each of the last days, whether or not anything was freed.
fn bars(days: &[CleanedDay], now: i64) -> Vec<Bar> {
    let today = now / (24 * 60 * 60 * 1_000_000);
    let most = days.iter().map(|day| day.bytes).max().unwrap_or_default();
    (0..DAYS)
        .map(|n| {
            let day = today - DAYS + 1 + n;
            let bytes = days.iter().find(|cleaned| cleaned.day == day).map_or(0, |cleaned| cleaned.bytes);
            Bar { day: format::day(day), bytes, x: n * 10, height: percent(bytes, most) }
        })
        .collect()
}

async fn audit(call: Call<'_>) -> Done {
    let query = call.visit.query();
    let some = |name: &str| Some(query.get(name).to_owned()).filter(|text| !text.is_empty());
    let filter = Filter {
        actor: some("actor"),
        action: some("action"),
        repository: some("repository"),
        ..Filter::default()
    };
    let before = query.get("before").parse().ok();
    let log = call.web.accounts.audit();
    let entries = log.search(&filter, before, LOG).await.map_err(berth_auth::AuthError::from)?;
    let next = entries.last().filter(|_| entries.len() == LOG).map(|entry| entry.id);
    reply::page(&Audit {
        l: call.layout(),
        entries,
        actor: filter.actor.unwrap_or_default(),
        action: filter.action.unwrap_or_default(),
        repository: filter.repository.unwrap_or_default(),
        next,
    })
}

async fn health(call: Call<'_>, access: &ServerAccess) -> Done {
    let registry = &call.web.registry;
    let users = match call.web.accounts.any() {
        true => call.web.accounts.users(call.caller).await?.len(),
        false => 0,
    };
    reply::page(&Health {
        l: call.layout(),
        problem: registry.ready().await.err().map(|error| error.to_string()),
        total: registry.total_usage(access).await?,
        users,
    })
}

/// What helps somebody who looks for a fault: numbers and settings, no names of people, no secrets.
async fn diagnostics(call: Call<'_>, access: &ServerAccess) -> Done {
    let registry = &call.web.registry;
    let state = registry.cleaning_state(access).await?;
    let [cycles, failures, manifests, blobs, bytes] = registry.freed().read();
    let document = json!({
        "berth": call.web.options.version,
        "time": format::time(format::now()),
        "ready": registry.ready().await.map_or_else(|error| error.to_string(), |()| "yes".to_owned()),
        "bytes": registry.total_usage(access).await?,
        "cleaning": {
            "trash": state.trash, "collectable": state.collectable, "tombstones": state.tombstones,
            "since_start": { "cycles": cycles, "failures": failures, "manifests": manifests, "blobs": blobs, "bytes": bytes },
        },
        "configuration": call.web.options.configuration,
        "metrics": (call.web.options.metrics)(),
    });
    let text = serde_json::to_vec_pretty(&document).unwrap_or_default();
    Ok(reply::download("berth-diagnostics.json", "application/json", Bytes::from(text)))
}

pub(super) fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(100)
}
