//! `/api/v1/usage`, and what one repository uses: who uses how many bytes.

use std::time::Duration;

use berth_oci::{Reference, RepositoryName};
use berth_registry::{Bytes, LargeBlob, NO_NAMESPACE, NamespaceUsage, Pull, Timestamp, UnusedTag};
use schemars::JsonSchema;
use serde::Serialize;

use super::call::{Call, parse};
use super::operation::{Found, Operation};
use super::parameter::{AFTER, Kind, LIMIT, PAGES, Parameter};
use super::problem::Problem;
use super::quotas::place;
use super::wire::When;

static UNUSED: Parameter = Parameter::new(
    "unused_seconds",
    Kind::Number,
    "Answer with the tags that were neither set nor pulled for so long, in pages, in place of the bytes.",
);

/// What something uses.
#[derive(Serialize, JsonSchema)]
struct Usage {
    /// Bytes of all that is in it.
    bytes: u64,
    /// Bytes that nothing else has.
    own_bytes: u64,
    /// Bytes that others have as well.
    shared_bytes: u64,
}

/// What a namespace uses.
#[derive(Serialize, JsonSchema)]
struct NamespaceUse {
    /// The namespace; `-` stands for all names of one part.
    name: String,
    #[serde(flatten)]
    usage: Usage,
    /// Bytes that it may use, if that is limited.
    quota: Option<u64>,
}

/// What everything uses, and each namespace, in the order of their names.
#[derive(Serialize, JsonSchema)]
struct ServerUsage {
    /// Bytes on the server.
    bytes: u64,
    /// The namespaces of this page.
    namespaces: Vec<NamespaceUse>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// What a repository uses.
#[derive(Serialize, JsonSchema)]
struct RepositoryUse {
    /// Its name.
    name: String,
    #[serde(flatten)]
    usage: Usage,
}

/// What the repositories of a namespace use, in the order of their names.
#[derive(Serialize, JsonSchema)]
struct RepositoryUses {
    /// The repositories of this page.
    repositories: Vec<RepositoryUse>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// A blob.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LargeBlob")]
struct Blob {
    /// Its digest.
    digest: String,
    /// Its size.
    bytes: u64,
    /// Some repositories that have it.
    repositories: Vec<String>,
}

/// The largest blobs, the largest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LargestBlobs")]
struct Blobs {
    /// The blobs, a hundred at most.
    blobs: Vec<Blob>,
}

/// A tag that nobody used for long.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UnusedTag")]
struct Unused {
    /// The tag.
    tag: String,
    /// What it names.
    digest: String,
    /// When it was set or pulled last.
    used_at: When,
}

/// Tags that nobody used for long, in their order.
#[derive(Serialize, JsonSchema)]
struct UnusedTags {
    /// The tags of this page.
    tags: Vec<Unused>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// What a repository uses; or its tags that nobody used, if that was asked.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum RepositoryUsage {
    Bytes(Usage),
    Unused(UnusedTags),
}

/// What an image uses.
#[derive(Serialize, JsonSchema)]
struct ImageUsage {
    #[serde(flatten)]
    usage: Usage,
    /// Its digest.
    digest: String,
    /// Tags that name it.
    tags: Vec<String>,
    /// How often it was pulled.
    pulls: u64,
    /// When it was pulled last.
    used_at: Option<When>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/usage", server)
            .named("getUsage", "Tell what everything uses, and each namespace")
            .about("For administrators.")
            .with(&PAGES),
        Operation::get("/usage/largest", largest)
            .named("listLargestBlobs", "List the largest blobs")
            .about("For administrators. A hundred at most.")
            .with(&[&LIMIT]),
        Operation::get("/usage/namespaces/{namespace}", within)
            .named("getNamespaceUsage", "Tell what each repository of a namespace uses")
            .about("For those who own the namespace.")
            .with(&PAGES),
        Operation::get("/repositories/{repository}/-/usage", repository)
            .named("getRepositoryUsage", "Tell what a repository uses, or which tags nobody uses")
            .about("Needs `pull`.")
            .with(&[&UNUSED, &LIMIT, &AFTER]),
        Operation::get("/repositories/{repository}/-/usage/{reference}", image)
            .named("getImageUsage", "Tell what an image uses, and when it was used")
            .about("Needs `pull`."),
    ]
}

async fn server(call: Call<'_>) -> Result<Found<ServerUsage>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let page = call.registry.namespace_usage(&access, &call.after(), call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).map(|namespace| namespace.name.clone());
    let view = |namespace: NamespaceUsage| NamespaceUse {
        name: namespace.name,
        usage: usage(namespace.bytes),
        quota: namespace.quota,
    };
    Ok(Found(ServerUsage {
        bytes: call.registry.total_usage(&access).await?,
        namespaces: page.items.into_iter().map(view).collect(),
        next,
    }))
}

async fn largest(call: Call<'_>) -> Result<Found<Blobs>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let blobs = call.registry.largest_blobs(&access, call.limit()?.min(100)).await?;
    let view = |blob: LargeBlob| Blob {
        digest: blob.digest.to_string(),
        bytes: blob.size,
        repositories: blob.repositories,
    };
    Ok(Found(Blobs { blobs: blobs.into_iter().map(view).collect() }))
}

async fn within(call: Call<'_>) -> Result<Found<RepositoryUses>, Problem> {
    let namespace = place(call.captures.get("namespace"))?;
    // One-part names belong to administrators, as does the pattern of all of them.
    let pattern = if namespace == NO_NAMESPACE { "*".to_owned() } else { format!("{namespace}/**") };
    let access = call.registry.authorizer().owns(call.caller, &parse(&pattern)?)?;
    let page = call.registry.repository_usages(&access, &call.after(), call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).map(|(name, _)| name.clone());
    let view = |(name, bytes): (String, Bytes)| RepositoryUse { name, usage: usage(bytes) };
    Ok(Found(RepositoryUses { repositories: page.items.into_iter().map(view).collect(), next }))
}

async fn repository(call: Call<'_>) -> Result<Found<RepositoryUsage>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    let Some(unused) = call.number(&UNUSED)? else {
        return Ok(Found(RepositoryUsage::Bytes(usage(call.registry.repository_usage(&access).await?))));
    };
    let since = Timestamp::now().minus(Duration::from_secs(unused.unsigned_abs()));
    let (tags, next) = call.registry.unused_tags(&access, since, &call.after(), call.limit()?).await?;
    let view =
        |tag: UnusedTag| Unused { tag: tag.tag, digest: tag.digest.to_string(), used_at: tag.used_at.into() };
    Ok(Found(RepositoryUsage::Unused(UnusedTags { tags: tags.into_iter().map(view).collect(), next })))
}

async fn image(call: Call<'_>) -> Result<Found<ImageUsage>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    let at: Reference = call.part("reference")?;
    let weight = call.registry.weigh(&access, &at).await?;
    Ok(Found(ImageUsage {
        usage: usage(weight.bytes),
        digest: weight.digest.to_string(),
        tags: weight.tags,
        pulls: weight.pulls,
        used_at: weight.used_at.map(When::from),
    }))
}

fn usage(bytes: Bytes) -> Usage {
    Usage { bytes: bytes.all, own_bytes: bytes.own, shared_bytes: bytes.all.saturating_sub(bytes.own) }
}
