//! What tags named before, and going back.

use askama::Template;
use berth_auth::Action;
use berth_oci::{Digest, RepositoryName, Tag};
use berth_registry::{Mode, Past, Pull, Push, TagPast};

use super::Call;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

/// Rows on a page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "history.html")]
struct History {
    l: Layout,
    name: RepositoryName,
    tag: Option<Tag>,
    rows: Vec<TagPast>,
    next: Option<i64>,
    may_push: bool,
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName) -> Done {
    if call.is_post() {
        return roll_back(call, name).await;
    }
    let registry = &call.web.registry;
    let access = registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let query = call.visit.query();
    let tag = match query.get("tag") {
        "" => None,
        text => Some(text.parse::<Tag>().map_err(|_| PageError::NotFound)?),
    };
    let before = query.get("before").parse().ok();
    let page = registry.tag_history(&access, tag.as_ref(), before, PAGE).await?;
    let next = page.items.last().filter(|_| page.more).map(|row| row.id);
    let may_push = registry.authorizer().allowed(call.caller, name).await?.has(Action::Push);
    reply::page(&History { l: call.layout(), name: name.clone(), tag, rows: page.items, next, may_push })
}

/// Makes a tag name again what it named before.
async fn roll_back(call: Call<'_>, name: &RepositoryName) -> Done {
    let registry = &call.web.registry;
    let access = registry.authorizer().authorize::<Push>(call.caller, name).await?;
    let form = call.visit.form();
    let tag: Tag = form.get("tag").parse().map_err(|_| PageError::NotFound)?;
    let digest: Digest = form.get("digest").parse().map_err(|_| PageError::NotFound)?;
    registry.roll_back(&access, &tag, Past::Digest(digest), Mode::Real).await?;
    call.see(&format!("/r/{name}/-/history?tag={tag}&done=rolled-back"))
}
