//! What one sees first, and the list of all repositories.

use askama::Template;
use berth_auth::Who;
use berth_oci::RepositoryName;
use berth_registry::{Admin, DeletedRepository, RecentTag, RepositoryCard};

use super::Call;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

/// Entries of each list of the first page.
const FIRST: usize = 12;
/// Repositories on a page of the list.
const PAGE: usize = 60;
/// Deleted repositories that are shown.
const DELETED: usize = 50;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    l: Layout,
    own: Vec<RepositoryCard>,
    recent: Vec<RecentTag>,
    first_push: String,
}

#[derive(Template)]
#[template(path = "repositories.html")]
struct Repositories {
    l: Layout,
    cards: Vec<RepositoryCard>,
    next: Option<String>,
    deleted: Vec<DeletedRepository>,
}

pub(super) async fn home(call: Call<'_>) -> Done {
    let l = call.layout();
    let registry = &call.web.registry;
    let access = registry.authorizer().search(call.caller)?;
    let mut own = Vec::new();
    for namespace in namespaces(call) {
        own.extend(registry.list_namespace(&access, &namespace, FIRST).await?);
    }
    own.truncate(FIRST);
    let own = registry.cards(&access, own).await?;
    let recent = registry.recent_tags(&access, FIRST).await?;
    let name = l.user.as_deref().map_or_else(|| "my-app".to_owned(), |user| format!("{user}/my-app"));
    let first_push =
        format!("docker tag my-app {host}/{name}:1.0.0\ndocker push {host}/{name}:1.0.0", host = l.host);
    reply::page(&Home { l, own, recent, first_push })
}

/// The namespaces of a user: his own, and those of his teams.
fn namespaces(call: Call<'_>) -> Vec<String> {
    let Who::Account { id, name, .. } = call.caller.who() else { return Vec::new() };
    let directory = call.web.accounts.directory();
    let teams = directory.teams_of(*id).into_iter().map(|team| team.name.to_string());
    std::iter::once(name.to_string()).chain(teams).collect()
}

pub(super) async fn all(call: Call<'_>) -> Done {
    if call.is_post() {
        return restore(call).await;
    }
    let registry = &call.web.registry;
    let access = registry.authorizer().search(call.caller)?;
    let query = call.visit.query();
    let after = Some(query.get("after")).filter(|after| !after.is_empty());
    let page = registry.list_repositories(&access, after, PAGE).await?;
    let next = page.items.last().filter(|_| page.more).cloned();
    let cards = registry.cards(&access, page.items).await?;
    let deleted = registry.deleted_repositories(&access, None, DELETED).await?.items;
    reply::page(&Repositories { l: call.layout(), cards, next, deleted })
}

/// Has a deleted repository back.
async fn restore(call: Call<'_>) -> Done {
    let registry = &call.web.registry;
    let form = call.visit.form();
    let name: RepositoryName = form.get("name").parse().map_err(|_| PageError::NotFound)?;
    let id = form.get("restore").parse().map_err(|_| PageError::NotFound)?;
    let access = registry.authorizer().authorize::<Admin>(call.caller, &name).await?;
    let catalog = registry.authorizer().search(call.caller)?;
    registry.restore_repository(&access, &catalog, Some(id)).await?;
    call.see(&format!("/r/{name}?done=restored"))
}
