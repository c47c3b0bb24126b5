//! Search: a page of its own, and a part of one while somebody types.

use askama::Template;
use berth_registry::{FoundIn, SearchHit};

use super::Call;
use crate::layout::Layout;
use crate::reply::{self, Done};

/// Results at most.
const MOST: usize = 100;
/// Results while somebody types.
const WHILE_TYPING: usize = 8;
/// Tags and labels that are shown of one repository.
const PLACES: usize = 3;

#[derive(Template)]
#[template(path = "search.html")]
struct Search {
    l: Layout,
    hits: Vec<SearchHit>,
    found: u64,
}

#[derive(Template)]
#[template(path = "hits.html")]
struct Hits {
    l: Layout,
    hits: Vec<SearchHit>,
}

pub(super) async fn answer(call: Call<'_>) -> Done {
    let query = call.visit.query();
    let (term, is_part) = (query.get("q"), query.has("part"));
    let limit = if is_part { WHILE_TYPING } else { MOST };
    let access = call.web.registry.authorizer().search(call.caller)?;
    let mut hits = call.web.registry.search_repositories(&access, term, limit).await?;
    for hit in &mut hits {
        hit.places.truncate(PLACES);
    }
    let mut l = call.layout();
    term.clone_into(&mut l.term);
    if is_part {
        return reply::page(&Hits { l, hits });
    }
    reply::page(&Search { l, found: hits.len() as u64, hits })
}
