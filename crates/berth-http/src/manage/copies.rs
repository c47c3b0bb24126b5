//! `/api/v1/copies`: images from one repository into another, without moving bytes.

use berth_oci::{Reference, RepositoryName};
use berth_registry::{CopyRequest, Pull, Push, TagMove};
use serde::Deserialize;
use serde_json::json;

use super::problem::Problem;
use super::{Call, Done, Payload, ok, parse, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    from: String,
    reference: String,
    to: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "yes")]
    referrers: bool,
}

fn yes() -> bool {
    true
}

pub(super) async fn answer(call: Call<'_>, body: Payload) -> Done {
    if call.method() != "POST" {
        return Err(Problem::method_not_allowed());
    }
    let new: New = read(body).await?;
    let (from, to): (RepositoryName, RepositoryName) = (parse(&new.from)?, parse(&new.to)?);
    let at: Reference = parse(&new.reference)?;
    let tags = new.tags.iter().map(|tag| parse(tag)).collect::<Result<_, _>>()?;
    let authorizer = call.registry.authorizer();
    let source = authorizer.authorize::<Pull>(call.caller, &from).await?;
    let target = authorizer.authorize::<Push>(call.caller, &to).await?;
    let request = CopyRequest { at, tags, referrers: new.referrers, mode: call.mode() };
    let copied = call.registry.copy_image(&source, &target, request).await?;
    let names = |moves: &[TagMove]| moves.iter().map(|moved| moved.tag.to_string()).collect::<Vec<_>>();
    ok(&json!({
        "digest": copied.digest.to_string(),
        "manifests": copied.manifests,
        "blobs": copied.blobs,
        "tags": names(&copied.moves),
        "floated": names(&copied.floated),
    }))
}
