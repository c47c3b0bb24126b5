//! `/api/v1/copies`: images from one repository into another, without moving bytes.

use berth_oci::{Reference, RepositoryName};
use berth_registry::{CopyRequest, Pull, Push, TagMove};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Found, Json, Operation};
use super::parameter::DRY_RUN;
use super::problem::Problem;

/// What is copied to where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Copy", example = new_example())]
struct New {
    /// The repository that has the image.
    from: String,
    /// A tag, or the digest of a manifest.
    reference: String,
    /// The repository that gets it; it is made if it does not exist.
    to: String,
    /// Tags that name it there.
    #[serde(default)]
    tags: Vec<String>,
    /// Whether signatures and other referrers come with it.
    #[serde(default = "yes")]
    referrers: bool,
}

fn new_example() -> serde_json::Value {
    serde_json::json!({ "from": "acme/staging", "reference": "1.9.2", "to": "acme/app", "tags": ["1.9.2"] })
}

fn yes() -> bool {
    true
}

/// What was copied.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Copied")]
struct View {
    /// The digest of the image.
    digest: String,
    /// Manifests that the target did not have.
    manifests: u64,
    /// Blobs that the target did not have.
    blobs: u64,
    /// Tags that were set.
    tags: Vec<String>,
    /// Tags that followed by a rule.
    floated: Vec<String>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/copies", copy)
            .named("copyImage", "Copy an image into another repository")
            .about("Needs `pull` there and `push` here. No bytes are moved.")
            .with(&[&DRY_RUN])
            .conflicts("a rule makes a tag of the target immutable"),
    ]
}

async fn copy(call: Call<'_>, Json(new): Json<New>) -> Result<Found<View>, Problem> {
    let (from, to): (RepositoryName, RepositoryName) = (parse(&new.from)?, parse(&new.to)?);
    let at: Reference = parse(&new.reference)?;
    let tags = new.tags.iter().map(|tag| parse(tag)).collect::<Result<_, _>>()?;
    let authorizer = call.registry.authorizer();
    let source = authorizer.authorize::<Pull>(call.caller, &from).await?;
    let target = authorizer.authorize::<Push>(call.caller, &to).await?;
    let request = CopyRequest { at, tags, referrers: new.referrers, mode: call.mode()? };
    let copied = call.registry.copy_image(&source, &target, request).await?;
    let names = |moves: &[TagMove]| moves.iter().map(|moved| moved.tag.to_string()).collect();
    Ok(Found(View {
        digest: copied.digest.to_string(),
        manifests: copied.manifests,
        blobs: copied.blobs,
        tags: names(&copied.moves),
        floated: names(&copied.floated),
    }))
}
