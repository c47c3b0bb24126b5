//! `/api/v1/trash`, and what is deleted, restored and renamed of one repository.

use std::time::Duration;

use berth_oci::{Digest, RepositoryName};
use berth_registry::{Admin, Delete, Removal, RenameRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, Payload, ok, parse, read};
use crate::rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    to: String,
    #[serde(default)]
    redirect_seconds: u64,
}

/// Deleted repositories that the caller administers.
pub(super) async fn list(call: Call<'_>) -> Done {
    if call.method() != "GET" {
        return Err(Problem::method_not_allowed());
    }
    let catalog = call.registry.authorizer().search(call.caller)?;
    let deleted = call.registry.deleted_repositories(&catalog, call.limit()?).await?;
    let view = |repository: &berth_registry::DeletedRepository| {
        json!({
            "id": repository.id,
            "name": repository.name,
            "deleted_at": rfc3339::from_micros(repository.deleted_at.0),
            "deleted_by": repository.deleted_by,
            "until": rfc3339::from_micros(call.registry.trashed_until(repository.deleted_at).0),
            "bytes": repository.bytes.all,
            "own_bytes": repository.bytes.own,
        })
    };
    ok(&json!({ "repositories": deleted.iter().map(view).collect::<Vec<_>>() }))
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName, what: &str, body: Payload) -> Done {
    match (what, call.method()) {
        ("trash", "GET") => manifests(call, name).await,
        ("trash", "DELETE") => {
            let access = call.registry.authorizer().authorize::<Admin>(call.caller, name).await?;
            ok(&removal(&call.registry.empty_trash(&access, call.mode()).await?))
        }
        ("restore", "POST") => {
            let access = call.registry.authorizer().authorize::<Admin>(call.caller, name).await?;
            let catalog = call.registry.authorizer().search(call.caller)?;
            let restore: Restore = read(body).await?;
            call.registry.restore_repository(&access, &catalog, restore.id).await?;
            ok(&json!({ "name": name.as_str() }))
        }
        ("rename", "POST") => rename(call, name, read(body).await?).await,
        _ => Err(Problem::method_not_allowed()),
    }
}

async fn manifests(call: Call<'_>, name: &RepositoryName) -> Done {
    let access = call.registry.authorizer().authorize::<Delete>(call.caller, name).await?;
    let after = call.query().get("after").map(|text| parse::<i64>(&text)).transpose()?;
    let page = call.registry.deleted_manifests(&access, after.unwrap_or(0), call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).map(|manifest| manifest.since.0);
    let view = |manifest: &berth_registry::DeletedManifest| {
        json!({
            "digest": manifest.digest.to_string(),
            "since": rfc3339::from_micros(manifest.since.0),
            "deleted_by": manifest.deleted_by,
            "until": rfc3339::from_micros(call.registry.trashed_until(manifest.since).0),
            "tags": manifest.tags,
        })
    };
    ok(&json!({ "manifests": page.items.iter().map(view).collect::<Vec<_>>(), "next": next }))
}

async fn rename(call: Call<'_>, name: &RepositoryName, wanted: Rename) -> Done {
    let authorizer = call.registry.authorizer();
    let to: RepositoryName = parse(&wanted.to)?;
    let from = authorizer.authorize::<Admin>(call.caller, name).await?;
    let into = authorizer.authorize::<Admin>(call.caller, &to).await?;
    let redirect = Duration::from_secs(wanted.redirect_seconds);
    let request = RenameRequest { redirect, mode: call.mode() };
    call.registry.rename_repository(&from, &into, request).await?;
    ok(&json!({ "from": name.as_str(), "to": to.as_str(), "redirect_seconds": wanted.redirect_seconds }))
}

/// What a deletion takes, or would take.
pub(super) fn removal(removal: &Removal) -> Value {
    json!({
        "tags": removal.tags,
        "tag_count": removal.n_tags,
        "manifests": removal.manifests.iter().map(Digest::to_string).collect::<Vec<_>>(),
        "manifest_count": removal.n_manifests,
        "freed_bytes": removal.freed,
        "shared_bytes": removal.shared,
    })
}
