//! `/api/v1/usage` and `/api/v1/quotas`: who uses how many bytes, and may.

use std::time::Duration;

use berth_oci::{Reference, RepositoryName};
use berth_registry::{Bytes, Fullness, NO_NAMESPACE, Pull, TOTAL, Timestamp};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, Payload, gone, ok, parse, read};
use crate::rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quota {
    bytes: u64,
}

/// Bytes in all and of each namespace; the largest blobs.
pub(super) async fn answer(call: Call<'_>, rest: &[&str]) -> Done {
    if call.method() != "GET" {
        return Err(Problem::method_not_allowed());
    }
    if let ["namespaces", namespace] = rest {
        return within(call, place(namespace)?).await;
    }
    let access = call.registry.authorizer().administers(call.caller)?;
    match rest {
        [] => {
            let after = call.query().get("after").map(std::borrow::Cow::into_owned).unwrap_or_default();
            let page = call.registry.namespace_usage(&access, &after, call.limit()?).await?;
            let next = page.items.last().filter(|_| page.more).map(|namespace| namespace.name.clone());
            let view = |namespace: &berth_registry::NamespaceUsage| {
                let mut document = bytes(namespace.bytes);
                document["name"] = namespace.name.as_str().into();
                document["quota"] = namespace.quota.into();
                document
            };
            ok(&json!({
                "bytes": call.registry.total_usage(&access).await?,
                "namespaces": page.items.iter().map(view).collect::<Vec<_>>(),
                "next": next,
            }))
        }
        ["largest"] => {
            let blobs = call.registry.largest_blobs(&access, call.limit()?.min(100)).await?;
            let view = |blob: &berth_registry::LargeBlob| {
                json!({
                    "digest": blob.digest.to_string(),
                    "bytes": blob.size,
                    "repositories": blob.repositories,
                })
            };
            ok(&json!({ "blobs": blobs.iter().map(view).collect::<Vec<_>>() }))
        }
        _ => Err(Problem::not_found()),
    }
}

/// Bytes of each repository of a namespace, for those who own it.
async fn within(call: Call<'_>, namespace: &str) -> Done {
    // One-part names belong to administrators, as does the pattern of all of them.
    let pattern = if namespace == NO_NAMESPACE { "*".to_owned() } else { format!("{namespace}/**") };
    let access = call.registry.authorizer().owns(call.caller, &parse(&pattern)?)?;
    let after = call.query().get("after").map(std::borrow::Cow::into_owned).unwrap_or_default();
    let page = call.registry.repository_usages(&access, &after, call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).map(|(name, _)| name.clone());
    let view = |(name, uses): &(String, Bytes)| {
        let mut document = bytes(*uses);
        document["name"] = name.as_str().into();
        document
    };
    ok(&json!({ "repositories": page.items.iter().map(view).collect::<Vec<_>>(), "next": next }))
}

/// Bytes of a repository, of one of its images, or the tags that nobody used since a time.
pub(super) async fn of(call: Call<'_>, name: &RepositoryName, at: Option<&str>) -> Done {
    if call.method() != "GET" {
        return Err(Problem::method_not_allowed());
    }
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    if let Some(at) = at {
        let at: Reference = parse(at)?;
        let weight = call.registry.weigh(&access, &at).await?;
        let mut document = bytes(weight.bytes);
        document["digest"] = weight.digest.to_string().into();
        document["tags"] = weight.tags.into();
        document["pulls"] = weight.pulls.into();
        document["used_at"] = weight.used_at.map(|at| rfc3339::from_micros(at.0)).into();
        return ok(&document);
    }
    let Some(unused) = call.query().get("unused_seconds").map(|text| parse::<u64>(&text)).transpose()? else {
        return ok(&bytes(call.registry.repository_usage(&access).await?));
    };
    let after = call.query().get("after").map(std::borrow::Cow::into_owned).unwrap_or_default();
    let since = Timestamp::now().minus(Duration::from_secs(unused));
    let (tags, next) = call.registry.unused_tags(&access, since, &after, call.limit()?).await?;
    let view = |tag: &berth_registry::UnusedTag| {
        json!({
            "tag": tag.tag,
            "digest": tag.digest.to_string(),
            "used_at": rfc3339::from_micros(tag.used_at.0),
        })
    };
    ok(&json!({ "tags": tags.iter().map(view).collect::<Vec<_>>(), "next": next }))
}

fn bytes(bytes: Bytes) -> Value {
    json!({ "bytes": bytes.all, "own_bytes": bytes.own, "shared_bytes": bytes.all.saturating_sub(bytes.own) })
}

/// Quotas: of a namespace, of the repositories without one (`-`), of everything (`*`).
pub(super) async fn quotas(call: Call<'_>, rest: &[&str], body: Payload) -> Done {
    let access = call.registry.authorizer().administers(call.caller)?;
    match (rest, call.method()) {
        ([], "GET") => {
            let quotas = call.registry.quotas(&access).await?;
            ok(&json!({ "quotas": quotas.iter().map(view).collect::<Vec<_>>() }))
        }
        ([namespace], "PUT") => {
            let quota: Quota = read(body).await?;
            let namespace = place(namespace)?;
            ok(&view(&call.registry.set_quota(&access, namespace, Some(quota.bytes)).await?))
        }
        ([namespace], "DELETE") => {
            call.registry.set_quota(&access, place(namespace)?, None).await?;
            gone()
        }
        ([] | [_], _) => Err(Problem::method_not_allowed()),
        _ => Err(Problem::not_found()),
    }
}

fn place(namespace: &str) -> Result<&str, Problem> {
    let is_name = |text: &str| !text.contains('/') && text.parse::<RepositoryName>().is_ok();
    if namespace == TOTAL || namespace == NO_NAMESPACE || is_name(namespace) {
        return Ok(namespace);
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "a quota is set for a namespace such as acme, for - (names of one part) or for * (everything)",
    ))
}

fn view(fullness: &Fullness) -> Value {
    json!({
        "namespace": fullness.namespace,
        "used_bytes": fullness.used,
        "quota_bytes": fullness.quota,
        "percent": fullness.percent(),
    })
}
