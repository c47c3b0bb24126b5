//! For administrators: the registries that are mirrored here, and how they are.

use askama::Template;
use berth_mirror::{State, Status};
use berth_registry::ServerAccess;

use super::Call;
use super::admin::percent;
use crate::layout::Layout;
use crate::reply::{self, Done};

#[derive(Template)]
#[template(path = "mirrors.html")]
struct Mirrors {
    l: Layout,
    mirrors: Vec<Status>,
    troubles: Vec<Trouble>,
}

/// Something that somebody should look at.
struct Trouble {
    upstream: String,
    /// The server, if it is one of several or not what is in the name.
    place: Option<String>,
    at: Option<i64>,
    what: String,
}

impl Mirrors {
    fn health(&self, status: &&Status) -> &'static str {
        match status.state() {
            State::Well => self.l.t.it_answers,
            State::Unasked => self.l.t.unasked,
            State::Limited => self.l.t.limited,
            State::Fallback => self.l.t.fallback_answers,
            State::Failing => self.l.t.fails,
        }
    }

    fn is_well(&self, status: &&Status) -> bool {
        status.state() == State::Well
    }

    /// Per cent of what was asked for that was here.
    fn hits(&self, status: &&Status) -> Option<u64> {
        let (hits, all) = (status.traffic.hits, status.traffic.hits.saturating_add(status.traffic.misses));
        (all > 0).then(|| percent(hits, all))
    }

    fn pulls_left(&self, status: &&Status) -> Option<(u64, u64)> {
        let (_, health) = status.servers.first()?;
        health.rate.map(|rate| (rate.remaining, rate.limit))
    }
}

pub(super) async fn answer(call: Call<'_>, access: &ServerAccess) -> Done {
    let mirrors = match &call.web.mirror {
        Some(mirror) => mirror.status(access).await?,
        None => Vec::new(),
    };
    let troubles = mirrors.iter().flat_map(troubles).collect();
    reply::page(&Mirrors { l: call.layout(), mirrors, troubles })
}

fn troubles(status: &Status) -> Vec<Trouble> {
    let servers = status.servers.iter().filter_map(|(place, health)| {
        let what = health.trouble.clone()?;
        Some(Trouble { upstream: status.name.clone(), place: Some(place.clone()), at: None, what })
    });
    let last = status.trouble.iter().map(|trouble| Trouble {
        upstream: status.name.clone(),
        place: None,
        at: Some(trouble.at.0),
        what: trouble.what.clone(),
    });
    servers.chain(last).collect()
}
