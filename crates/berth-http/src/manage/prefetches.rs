//! `/api/v1/prefetches`: an image of an upstream, fetched before somebody needs it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use berth_mirror::{Entrance, MirrorError, Named};
use berth_oci::{ImageReference, Platform, Reference, RepositoryName};
use berth_registry::Pull;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Found, Json, Operation};
use super::problem::Problem;

/// What is fetched.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Prefetch", example = example())]
struct New {
    /// An image as clients name it: `alpine`, `quay.io/org/app:1`, or with this server before it.
    image: String,
    /// The platforms that are wanted, such as `linux/amd64`; all if nothing is said.
    #[serde(default)]
    platforms: Vec<String>,
}

fn example() -> serde_json::Value {
    serde_json::json!({
        "image": "alpine:3.22",
        "platforms": ["linux/amd64", "linux/arm64"],
    })
}

/// What is here now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Prefetched")]
struct View {
    /// The repository; images of Docker Hub without a namespace are below `library/`.
    repository: String,
    /// What was asked for.
    reference: String,
    /// Manifests that are here now.
    manifests: u64,
    /// Blobs that are here now.
    blobs: u64,
    /// Blobs among them that were not here before.
    fetched: u64,
    /// Bytes of those.
    bytes: u64,
    /// Platforms that were asked for and that the image does not have.
    missing_platforms: Vec<String>,
    /// Platforms that it has, if it has several.
    platforms: Vec<String>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/prefetches", prefetch)
            .named("prefetchImage", "Fetch an image of an upstream now")
            .about("Needs `pull`. The answer comes when all is here. Who leaves before that ends it after the current blob."),
    ]
}

async fn prefetch(call: Call<'_>, Json(new): Json<New>) -> Result<Found<View>, Problem> {
    let mirror = call.mirror()?;
    let image: ImageReference = parse(&new.image)?;
    let name = place(call, &image)?;
    let at = match (image.digest(), image.tag()) {
        (Some(digest), _) => Reference::Digest(digest.clone()),
        (None, Some(tag)) => Reference::Tag(tag.clone()),
        (None, None) => parse("latest")?,
    };
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    // An own repository may have got that name before the upstream did.
    if access.upstream().is_none() {
        return Err(own(&name));
    }
    let seen = Mutex::new(BTreeSet::new());
    let wants = |platform: Option<&Platform>| {
        let word = platform.map(Platform::word).unwrap_or_default();
        let is_wanted = new.platforms.is_empty() || new.platforms.iter().any(|wanted| fits(wanted, &word));
        if !word.is_empty() {
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(word);
        }
        is_wanted
    };
    let done = mirror.prefetch(&access, &at, &wants).await;
    // What came before an error came as well.
    mirror.write().await?;
    let done = done?;
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    // An image for one platform does not say which.
    let is_missing = |wanted: &&String| !seen.is_empty() && !seen.iter().any(|word| fits(wanted, word));
    Ok(Found(View {
        repository: access.repository().to_string(),
        reference: at.to_string(),
        manifests: done.manifests,
        blobs: done.blobs,
        fetched: done.fetched,
        bytes: done.bytes,
        missing_platforms: new.platforms.iter().filter(is_missing).cloned().collect(),
        platforms: seen.into_iter().collect(),
    }))
}

/// The repository here that an image belongs to. The registry in its name is an upstream, or this server itself.
fn place(call: Call<'_>, image: &ImageReference) -> Result<RepositoryName, Problem> {
    let (mirror, registry) = (call.mirror()?, image.registry());
    let named = |ns: Option<&str>| mirror.named(Entrance::Main, ns, None, image.repository());
    let named = match named(Some(registry)) {
        Err(MirrorError::Unknown { .. }) if is_here(call, registry) => named(None),
        named => named,
    };
    match named? {
        Named::Upstream(name) => Ok(name),
        Named::Own(name) => Err(own(&name)),
    }
}

/// Whether somebody means this server by the name of a registry.
fn is_here(call: Call<'_>, registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let base = call.origin.base.split_once("://").map_or("", |(_, authority)| authority);
    registry.eq_ignore_ascii_case(base) || matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn own(name: &RepositoryName) -> Problem {
    let detail = format!("{name} belongs to no upstream, so there is nothing to fetch it from");
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// Whether a platform is what somebody means by a word: `linux/arm` is any variant of it, and `v8` is what arm64 is.
fn fits(wanted: &str, platform: &str) -> bool {
    let usual = |word: &str| word.strip_suffix("/arm64/v8").map(|os| format!("{os}/arm64"));
    let wanted = usual(wanted).unwrap_or_else(|| wanted.to_owned());
    platform.strip_prefix(&wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn platforms_are_meant_as_people_write_them() {
        for (wanted, platform, expected) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm", "linux/arm64", false),
            ("linux", "linux/s390x", true),
            ("linux/amd64", "", false),
        ] {
            assert_eq!(fits(wanted, platform), expected, "{wanted} {platform}");
        }
    }
}
