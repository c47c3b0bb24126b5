//! `/api/v1/search`: what the page finds while somebody types.

use berth_registry::{FoundIn, SearchHit};
use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
use super::operation::{Found, Operation};
use super::parameter::{Kind, LIMIT, Parameter};
use super::problem::Problem;

static WORDS: Parameter = Parameter::required(
    "q",
    Kind::Text,
    "Words, each of which must be in the name, the description, a label or the beginning of a tag. `acme/app:1.2` asks \
     for a repository and a tag of it.",
);

/// Repositories that were found, the best first.
#[derive(Serialize, JsonSchema)]
struct Hits {
    /// The repositories.
    results: Vec<Hit>,
}

/// A repository that was found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SearchHit")]
struct Hit {
    /// Its name.
    name: String,
    /// Who sees it.
    #[schemars(extend("enum" = ["public", "private"]))]
    visibility: &'static str,
    /// One line about it.
    description: String,
    /// What holds a word, beside name and description.
    found_in: Vec<Place>,
}

/// Something that holds a word.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SearchPlace")]
struct Place {
    /// The tag that begins with it.
    tag: Option<String>,
    /// The name of the label or annotation.
    label: Option<String>,
    /// The value of that label.
    value: Option<String>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/search", search)
            .named("search", "Search repositories, ranked")
            .about("Among those that the caller may pull from, over names, descriptions, labels and tags.")
            .with(&[&WORDS, &LIMIT]),
    ]
}

async fn search(call: Call<'_>) -> Result<Found<Hits>, Problem> {
    let access = call.registry.authorizer().search(call.caller)?;
    let words = call.get(&WORDS).unwrap_or_default();
    let hits = call.registry.search_repositories(&access, &words, call.limit()?).await?;
    Ok(Found(Hits { results: hits.into_iter().map(hit).collect() }))
}

fn hit(hit: SearchHit) -> Hit {
    Hit {
        name: hit.name,
        visibility: if hit.is_public { "public" } else { "private" },
        description: hit.description,
        found_in: hit.places.into_iter().map(place).collect(),
    }
}

fn place(place: FoundIn) -> Place {
    match place {
        FoundIn::Tag(tag) => Place { tag: Some(tag), label: None, value: None },
        FoundIn::Label(label, value) => Place { tag: None, label: Some(label), value: Some(value) },
    }
}
