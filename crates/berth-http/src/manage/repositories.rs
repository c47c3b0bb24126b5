//! `/api/v1/repositories/NAME`: who may see a repository, and what is told about it.

use berth_auth::Visibility;
use berth_oci::RepositoryName;
use berth_registry::{Admin, Body, Pull, RepositoryChange, RepositoryRow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, decoded, ok, parse, read};
use crate::rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    visibility: Option<String>,
    description: Option<String>,
    readme: Option<String>,
}

pub(super) async fn answer(call: Call<'_>, name: &str, body: impl Body) -> Done {
    let name: RepositoryName = parse(&decoded(name))?;
    let authorizer = call.registry.authorizer();
    match call.method() {
        "GET" => {
            let access = authorizer.authorize::<Pull>(call.caller, &name).await?;
            ok(&view(&call.registry.repository(&access).await?))
        }
        "PATCH" => {
            let access = authorizer.authorize::<Admin>(call.caller, &name).await?;
            let change: Change = read(body).await?;
            let visibility = change.visibility.as_deref().map(parse::<Visibility>).transpose()?;
            let change = RepositoryChange {
                is_public: visibility.map(|visibility| visibility == Visibility::Public),
                description: change.description,
                readme: change.readme,
            };
            ok(&view(&call.registry.change_repository(&access, change).await?))
        }
        _ => Err(Problem::method_not_allowed()),
    }
}

fn view(row: &RepositoryRow) -> Value {
    json!({
        "name": row.name.as_str(),
        "visibility": if row.is_public { "public" } else { "private" },
        "description": row.description,
        "readme": row.readme,
        "created_at": rfc3339::from_micros(row.created_at.0),
    })
}
