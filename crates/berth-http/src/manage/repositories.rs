//! `/api/v1/repositories/NAME`: who may see a repository, what is told about it, its deletion. What is in it stands
//! behind `/-/`, which no name can hold.

use berth_auth::Visibility;
use berth_oci::RepositoryName;
use berth_registry::{Admin, Pull, RepositoryChange, RepositoryRow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, Payload, decoded, images, ok, parse, read, rules, trash, usage};
use crate::rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    visibility: Option<String>,
    description: Option<String>,
    readme: Option<String>,
}

pub(super) async fn answer(call: Call<'_>, name: &str, body: Payload) -> Done {
    if let Some((name, rest)) = name.split_once("/-/") {
        let name: RepositoryName = parse(&decoded(name))?;
        let segments: Vec<_> = rest.split('/').map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        return inside(call, &name, &segments, body).await;
    }
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
        "DELETE" => {
            let access = authorizer.authorize::<Admin>(call.caller, &name).await?;
            ok(&trash::removal(&call.registry.delete_repository(&access, call.mode()).await?))
        }
        _ => Err(Problem::method_not_allowed()),
    }
}

async fn inside(call: Call<'_>, name: &RepositoryName, rest: &[&str], body: Payload) -> Done {
    match rest {
        ["tags", ..] | ["history"] | ["manifests", ..] | ["why-kept" | "why-deleted", _] => {
            images::answer(call, name, rest, body).await
        }
        ["trash" | "restore" | "rename"] => trash::answer(call, name, rest[0], body).await,
        ["rules"] => rules::of(call, name).await,
        ["retention"] => rules::retention(call, name).await,
        ["usage"] | ["usage", _] => usage::of(call, name, rest.get(1).copied()).await,
        _ => Err(Problem::not_found()),
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
