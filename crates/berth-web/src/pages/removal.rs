//! Deleting a tag, a manifest or a whole repository: first what would go, with names and bytes, then the deed.

use askama::Template;
use berth_oci::{Reference, RepositoryName};
use berth_registry::{Admin, Delete, Mode, Removal};

use super::Call;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

#[derive(Template)]
#[template(path = "removal.html")]
struct Preview {
    l: Layout,
    name: RepositoryName,
    /// The tag or digest; empty is all of the repository.
    at: String,
    removal: Removal,
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName) -> Done {
    let (mode, fields) = match call.is_post() {
        true => (Mode::Real, call.visit.form()),
        false => (Mode::DryRun, call.visit.query()),
    };
    let at = fields.get("at").to_owned();
    let registry = &call.web.registry;
    let removal = if at.is_empty() {
        let access = registry.authorizer().authorize::<Admin>(call.caller, name).await?;
        if call.is_post() && fields.get("name") != name.as_str() {
            return Err(PageError::Invalid(call.layout().t.type_the_name.to_owned()));
        }
        registry.delete_repository(&access, mode).await?
    } else {
        let access = registry.authorizer().authorize::<Delete>(call.caller, name).await?;
        let reference: Reference = at.parse().map_err(|_| PageError::NotFound)?;
        registry.delete_manifest(&access, &reference, mode).await?
    };
    match (mode, at.is_empty()) {
        (Mode::DryRun, _) => reply::page(&Preview { l: call.layout(), name: name.clone(), at, removal }),
        (Mode::Real, true) => call.see("/r?done=repository-deleted"),
        (Mode::Real, false) => call.see(&format!("/r/{name}/-/trash?done=deleted")),
    }
}
