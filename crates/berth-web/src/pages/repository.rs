//! A repository: what it is about, how to get it, its tags.

use askama::Template;
use berth_auth::{Action, Actions};
use berth_oci::RepositoryName;
use berth_registry::{Bytes, Pull, RepositoryRow, TagLine, TagOrder, TagPlace};

use super::Call;
use crate::layout::Layout;
use crate::reply::{self, Done};
use crate::{links, markdown};

/// Tags on a page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "repository.html")]
struct Repository {
    l: Layout,
    row: RepositoryRow,
    bytes: Bytes,
    may: Actions,
    readme: String,
    tags: Vec<TagLine>,
    filter: String,
    sort: &'static str,
    next: Option<String>,
    /// A tag that the commands name.
    example: Option<String>,
}

impl Repository {
    fn may(&self, action: &str) -> bool {
        action.parse().is_ok_and(|action: Action| self.may.has(action))
    }
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName) -> Done {
    let registry = &call.web.registry;
    let access = registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    if access.repository() != name {
        // It has another name now.
        return reply::see(&links::repository(&call.web.options.root, access.repository()));
    }
    let query = call.visit.query();
    let (sort, order) = order(query.get("sort"));
    let filter = query.get("filter").to_owned();
    let after = place(query.get("after"));
    let page = registry.tag_lines(&access, order, &filter, after, PAGE).await?;
    let next = page.items.last().filter(|_| page.more).map(|line| told(&line.tag.place));
    let row = registry.repository(&access).await?;
    let example = page.items.first().map(|line| line.tag.place.name.clone());
    reply::page(&Repository {
        l: call.layout(),
        bytes: registry.repository_usage(&access).await?,
        may: registry.authorizer().allowed(call.caller, name).await?,
        readme: markdown::render(&row.readme),
        row,
        tags: page.items,
        filter,
        sort,
        next,
        example,
    })
}

fn order(word: &str) -> (&'static str, TagOrder) {
    match word {
        "oldest" => ("oldest", TagOrder::Oldest),
        "name" => ("name", TagOrder::Name),
        "name-down" => ("name-down", TagOrder::NameDown),
        _ => ("newest", TagOrder::Newest),
    }
}

/// A place in the list as a part of an address. Tags hold no comma.
fn told(place: &TagPlace) -> String {
    format!("{},{},{}", place.began_at, place.id, place.name)
}

fn place(text: &str) -> Option<TagPlace> {
    let mut parts = text.splitn(3, ',');
    let (began_at, id) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(TagPlace { began_at, id, name: parts.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{TagPlace, place, told};

    #[test]
    fn a_place_goes_there_and_back_and_nonsense_is_the_beginning() {
        let somewhere = TagPlace { began_at: -5, id: 7, name: "v1".to_owned() };
        assert_eq!(place(&told(&somewhere)), Some(somewhere));
        for bad in ["", "1", "1,2", "x,2,v1", "99999999999999999999,1,a"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
