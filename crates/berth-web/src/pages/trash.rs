//! What was deleted in a repository, and having it back.

use askama::Template;
use berth_auth::Action;
use berth_oci::{Digest, RepositoryName, Tag};
use berth_registry::{Admin, Delete, DeletedManifest, Mode, Past, Pull, Push, RegistryError};

use super::Call;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

/// Entries that are shown.
const PAGE: usize = 100;

struct Entry {
    manifest: DeletedManifest,
    until: i64,
}

#[derive(Template)]
#[template(path = "trash.html")]
struct Trash {
    l: Layout,
    name: RepositoryName,
    entries: Vec<Entry>,
    may_empty: bool,
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName) -> Done {
    if call.is_post() {
        return change(call, name).await;
    }
    let registry = &call.web.registry;
    let access = registry.authorizer().authorize::<Delete>(call.caller, name).await?;
    let page = registry.deleted_manifests(&access, None, PAGE).await?;
    let entry =
        |manifest: DeletedManifest| Entry { until: registry.trashed_until(manifest.since).0, manifest };
    let may = registry.authorizer().allowed(call.caller, name).await?;
    reply::page(&Trash {
        l: call.layout(),
        name: name.clone(),
        entries: page.items.into_iter().map(entry).collect(),
        may_empty: may.has(Action::Admin),
    })
}

async fn change(call: Call<'_>, name: &RepositoryName) -> Done {
    let (registry, form) = (&call.web.registry, call.visit.form());
    if form.has("empty") {
        let access = registry.authorizer().authorize::<Admin>(call.caller, name).await?;
        registry.empty_trash(&access, Mode::Real).await?;
        return call.see(&format!("/r/{name}/-/trash?done=emptied"));
    }
    let access = registry.authorizer().authorize::<Push>(call.caller, name).await?;
    let digest: Digest = form.get("digest").parse().map_err(|_| PageError::NotFound)?;
    registry.restore_manifest(&access, &digest).await?;
    // What lost its last tag comes back with the tags that named it, as far as nothing else has taken them.
    let pull = registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    for tag in form.all("tag").filter_map(|tag| tag.parse::<Tag>().ok()) {
        if matches!(registry.tag_at(&pull, &tag, None).await, Err(RegistryError::NoHistory)) {
            registry.roll_back(&access, &tag, Past::Digest(digest.clone()), Mode::Real).await?;
        }
    }
    call.see(&format!("/r/{name}?done=restored"))
}
