//! `/api/v1/repositories` and `/api/v1/repositories/NAME`: what there is, who may see it, what is told about it, its
//! deletion.

use berth_auth::Visibility;
use berth_oci::RepositoryName;
use berth_registry::{Admin, Pull, RepositoryChange, RepositoryFound, RepositoryRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Found, Json, Operation};
use super::parameter::{AFTER, DRY_RUN, Kind, LIMIT, Parameter};
use super::problem::Problem;
use super::trash::{Removed, removed};
use super::wire::When;

static TERM: Parameter = Parameter::new(
    "q",
    Kind::Text,
    "Only those that hold this in their name or description, in any case of letters.",
);

/// What is to be changed; what is absent stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RepositoryChange", example = change_example())]
struct Change {
    /// Who sees it.
    #[schemars(extend("enum" = ["public", "private"]))]
    visibility: Option<String>,
    /// One line about it.
    description: Option<String>,
    /// A page about it, in Markdown.
    readme: Option<String>,
}

fn change_example() -> serde_json::Value {
    serde_json::json!({ "visibility": "public", "description": "What everybody pulls" })
}

/// A repository, in a list.
#[derive(Serialize, JsonSchema)]
struct RepositoryEntry {
    /// Its name.
    name: String,
    /// Who sees it.
    #[schemars(extend("enum" = ["public", "private"]))]
    visibility: &'static str,
    /// One line about it.
    description: String,
}

/// Repositories in the order of their names.
#[derive(Serialize, JsonSchema)]
struct Repositories {
    /// The repositories of this page.
    repositories: Vec<RepositoryEntry>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// A repository.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Repository")]
struct View {
    /// Its name.
    name: String,
    /// Who sees it.
    #[schemars(extend("enum" = ["public", "private"]))]
    visibility: &'static str,
    /// One line about it.
    description: String,
    /// A page about it, in Markdown.
    readme: String,
    /// When it was made.
    created_at: When,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/repositories", list)
            .named("listRepositories", "List or search repositories")
            .about("Those that the caller may pull from.")
            .with(&[&TERM, &LIMIT, &AFTER]),
        Operation::get("/repositories/{repository}", get)
            .named("getRepository", "Show a repository")
            .about("Needs `pull`."),
        Operation::patch("/repositories/{repository}", change)
            .named("changeRepository", "Change who sees a repository and what is told about it")
            .about("Needs `admin`."),
        Operation::delete("/repositories/{repository}", remove)
            .named("removeRepository", "Delete a repository with all that is in it")
            .about("Needs `admin`. It can be restored until its time in the trash is over.")
            .with(&[&DRY_RUN])
            .conflicts("it has a tag that a rule makes immutable"),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Repositories>, Problem> {
    let access = call.registry.authorizer().search(call.caller)?;
    let term = call.get(&TERM).unwrap_or_default();
    let page = call.registry.find_repositories(&access, &term, &call.after(), call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).map(|entry| entry.name.clone());
    let entry = |found: RepositoryFound| RepositoryEntry {
        name: found.name,
        visibility: visibility(found.is_public),
        description: found.description,
    };
    Ok(Found(Repositories { repositories: page.items.into_iter().map(entry).collect(), next }))
}

async fn get(call: Call<'_>) -> Result<Found<View>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    Ok(Found(view(call.registry.repository(&access).await?)))
}

async fn change(call: Call<'_>, Json(change): Json<Change>) -> Result<Found<View>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Admin>(call.caller, &name).await?;
    let visibility = change.visibility.as_deref().map(parse::<Visibility>).transpose()?;
    let change = RepositoryChange {
        is_public: visibility.map(|visibility| visibility == Visibility::Public),
        description: change.description,
        readme: change.readme,
    };
    Ok(Found(view(call.registry.change_repository(&access, change).await?)))
}

async fn remove(call: Call<'_>) -> Result<Found<Removed>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Admin>(call.caller, &name).await?;
    Ok(Found(removed(&call.registry.delete_repository(&access, call.mode()?).await?)))
}

fn view(row: RepositoryRow) -> View {
    View {
        name: row.name.as_str().to_owned(),
        visibility: visibility(row.is_public),
        description: row.description,
        readme: row.readme,
        created_at: row.created_at.into(),
    }
}

fn visibility(is_public: bool) -> &'static str {
    if is_public { Visibility::Public.as_str() } else { Visibility::Private.as_str() }
}
