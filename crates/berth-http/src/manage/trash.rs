//! `/api/v1/trash`, and what is deleted, restored and renamed of one repository.

use std::str::FromStr;
use std::time::Duration;

use berth_oci::{Digest, RepositoryName};
use berth_registry::{Admin, Delete, DeletedManifest, DeletedRepository, Removal, RenameRequest, Timestamp};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Found, Json, Operation};
use super::parameter::{DRY_RUN, PAGES};
use super::problem::Problem;
use super::wire::When;

/// Which of the deleted repositories is meant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RestoreRepository")]
struct Restore {
    /// Its number in the trash; the last one that had this name if nothing is said.
    id: Option<i64>,
}

/// The new name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RenameRepository")]
struct Rename {
    /// The new name.
    to: String,
    /// How long pulls by the old name are still answered.
    #[serde(default)]
    redirect_seconds: u64,
}

/// A deleted repository.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeletedRepository")]
struct Repository {
    /// Its number, by which it can be restored.
    id: i64,
    /// The name that it had.
    name: String,
    /// When it was deleted.
    deleted_at: When,
    /// By whom.
    deleted_by: String,
    /// Until when it can be restored.
    until: When,
    /// Bytes of all that is in it.
    bytes: u64,
    /// Bytes that nothing else has: what will be free.
    own_bytes: u64,
}

/// Deleted repositories, the last ones first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeletedRepositories")]
struct Repositories {
    /// The repositories of this page.
    repositories: Vec<Repository>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// A manifest in the trash.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeletedManifest")]
struct Manifest {
    /// Its digest.
    digest: String,
    /// Since when it is there.
    since: When,
    /// Who deleted it; nobody did if it lost its last tag.
    deleted_by: Option<String>,
    /// Until when it can be restored.
    until: When,
    /// Tags that named it.
    tags: Vec<String>,
}

/// Manifests in the trash, the oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeletedManifests")]
struct Manifests {
    /// The manifests of this page.
    manifests: Vec<Manifest>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// What came back.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RestoredRepository")]
struct Restored {
    /// The name that it has now.
    name: String,
}

/// What was renamed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RenamedRepository")]
struct Renamed {
    /// The old name.
    from: String,
    /// The new one.
    to: String,
    /// How long pulls by the old name are still answered.
    redirect_seconds: u64,
}

/// What a deletion takes, or would take.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Removal")]
pub(super) struct Removed {
    /// Tags that end; the first hundred.
    tags: Vec<String>,
    /// Their number.
    tag_count: u64,
    /// Manifests that nothing holds any more; the first hundred.
    manifests: Vec<String>,
    /// Their number.
    manifest_count: u64,
    /// Bytes that will be free: nothing else has them.
    freed_bytes: u64,
    /// Bytes that stay, since other images have them as well.
    shared_bytes: u64,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/trash", list)
            .named("listDeletedRepositories", "List deleted repositories")
            .about("Those that the caller administers; the last ones first.")
            .with(&PAGES),
        Operation::get("/repositories/{repository}/-/trash", manifests)
            .named("listDeletedManifests", "List what was deleted in a repository")
            .about("Needs `delete`. The oldest come first.")
            .with(&PAGES),
        Operation::delete("/repositories/{repository}/-/trash", empty)
            .named("emptyTrash", "Give up what was deleted in a repository, before its time")
            .about("Needs `admin`. It cannot be restored any more.")
            .with(&[&DRY_RUN]),
        Operation::post("/repositories/{repository}/-/restore", restore)
            .named("restoreRepository", "Restore a deleted repository under this name")
            .about("Needs `admin`.")
            .conflicts("there is another repository of that name"),
        Operation::post("/repositories/{repository}/-/rename", rename)
            .named("renameRepository", "Rename a repository")
            .about("Needs `admin` of both names.")
            .with(&[&DRY_RUN])
            .conflicts("there is another repository of that name"),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Repositories>, Problem> {
    let catalog = call.registry.authorizer().search(call.caller)?;
    let after = cursor(call)?;
    let page = call.registry.deleted_repositories(&catalog, after, call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more);
    let next = next.map(|repository| format!("{}-{}", repository.deleted_at.0, repository.id));
    let view = |repository: &DeletedRepository| Repository {
        id: repository.id,
        name: repository.name.clone(),
        deleted_at: repository.deleted_at.into(),
        deleted_by: repository.deleted_by.clone(),
        until: call.registry.trashed_until(repository.deleted_at).into(),
        bytes: repository.bytes.all,
        own_bytes: repository.bytes.own,
    };
    Ok(Found(Repositories { repositories: page.items.iter().map(view).collect(), next }))
}

/// Reads a `next` of ours: since when it is in the trash, and which of those it is.
fn cursor<T: FromStr>(call: Call<'_>) -> Result<Option<(Timestamp, T)>, Problem> {
    let after = call.after();
    if after.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (at, which) = after.split_once('-')?;
        Some(Some((Timestamp(at.parse().ok()?), which.parse().ok()?)))
    };
    read().ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "after is the next of the page before"))
}

async fn manifests(call: Call<'_>) -> Result<Found<Manifests>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Delete>(call.caller, &name).await?;
    let page = call.registry.deleted_manifests(&access, cursor(call)?, call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more);
    let next = next.map(|manifest| format!("{}-{}", manifest.since.0, manifest.digest));
    let view = |manifest: DeletedManifest| Manifest {
        digest: manifest.digest.to_string(),
        since: manifest.since.into(),
        deleted_by: manifest.deleted_by,
        until: call.registry.trashed_until(manifest.since).into(),
        tags: manifest.tags,
    };
    Ok(Found(Manifests { manifests: page.items.into_iter().map(view).collect(), next }))
}

async fn empty(call: Call<'_>) -> Result<Found<Removed>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Admin>(call.caller, &name).await?;
    Ok(Found(removed(&call.registry.empty_trash(&access, call.mode()?).await?)))
}

async fn restore(call: Call<'_>, Json(wanted): Json<Restore>) -> Result<Found<Restored>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let authorizer = call.registry.authorizer();
    let access = authorizer.authorize::<Admin>(call.caller, &name).await?;
    let catalog = authorizer.search(call.caller)?;
    call.registry.restore_repository(&access, &catalog, wanted.id).await?;
    Ok(Found(Restored { name: name.as_str().to_owned() }))
}

async fn rename(call: Call<'_>, Json(wanted): Json<Rename>) -> Result<Found<Renamed>, Problem> {
    let authorizer = call.registry.authorizer();
    let (name, to): (RepositoryName, RepositoryName) = (call.part("repository")?, parse(&wanted.to)?);
    let from = authorizer.authorize::<Admin>(call.caller, &name).await?;
    let into = authorizer.authorize::<Admin>(call.caller, &to).await?;
    let redirect = Duration::from_secs(wanted.redirect_seconds);
    let request = RenameRequest { redirect, mode: call.mode()? };
    call.registry.rename_repository(&from, &into, request).await?;
    Ok(Found(Renamed {
        from: name.as_str().to_owned(),
        to: to.as_str().to_owned(),
        redirect_seconds: wanted.redirect_seconds,
    }))
}

/// What a deletion takes, or would take.
pub(super) fn removed(removal: &Removal) -> Removed {
    Removed {
        tags: removal.tags.clone(),
        tag_count: removal.n_tags,
        manifests: removal.manifests.iter().map(Digest::to_string).collect(),
        manifest_count: removal.n_manifests,
        freed_bytes: removal.freed,
        shared_bytes: removal.shared,
    }
}
