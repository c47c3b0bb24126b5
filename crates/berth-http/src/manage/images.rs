//! `/api/v1/repositories/NAME/-/…`: tags with their past, manifests, and why they are there or not.

use berth_oci::{Digest, Reference, RepositoryName, Tag};
use berth_registry::{Delete, Hold, Past, Pull, Push, TagPast, Timestamp, Verdict, WhyKept};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, Payload, ok, parse, read, rules, time, trash};
use crate::rfc3339;

/// What a tag shall name: what it named before, at a time, or a digest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Back {
    at: Option<String>,
    digest: Option<String>,
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName, rest: &[&str], body: Payload) -> Done {
    match (rest, call.method()) {
        (["tags"], "GET") => list(call, name).await,
        (["tags", tag], "GET") => at(call, name, &parse(tag)?).await,
        (["tags", tag], "DELETE") => remove(call, name, &Reference::Tag(parse(tag)?)).await,
        (["tags", tag, "history"], "GET") => history(call, name, Some(&parse(tag)?)).await,
        (["tags", tag, "rollback"], "POST") => roll_back(call, name, &parse(tag)?, body).await,
        (["tags", tag, "floating"], "GET") => floating(call, name, &parse(tag)?).await,
        (["history"], "GET") => history(call, name, None).await,
        (["manifests", digest], "DELETE") => remove(call, name, &Reference::Digest(parse(digest)?)).await,
        (["manifests", digest, "restore"], "POST") => restore(call, name, &parse(digest)?).await,
        (["why-kept", at], "GET") => why_kept(call, name, &parse(at)?).await,
        (["why-deleted", at], "GET") => why_gone(call, name, &parse(at)?).await,
        (["tags"] | ["tags", _] | ["history"] | ["why-kept" | "why-deleted", _], _)
        | (
            ["tags", _, "history" | "rollback" | "floating"] | ["manifests", _] | ["manifests", _, "restore"],
            _,
        ) => Err(Problem::method_not_allowed()),
        _ => Err(Problem::not_found()),
    }
}

async fn list(call: Call<'_>, name: &RepositoryName) -> Done {
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let after = call.query().get("after").map(std::borrow::Cow::into_owned);
    let page = call.registry.list_tags(&access, after.as_deref(), call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more);
    ok(&json!({ "tags": page.items, "next": next }))
}

async fn at(call: Call<'_>, name: &RepositoryName, tag: &Tag) -> Done {
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let at = call.query().get("at").map(|text| time(&text)).transpose()?;
    ok(&view(&call.registry.tag_at(&access, tag, at.map(Timestamp)).await?))
}

async fn history(call: Call<'_>, name: &RepositoryName, tag: Option<&Tag>) -> Done {
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let before = call.query().get("before").map(|text| parse::<i64>(&text)).transpose()?;
    let page = call.registry.tag_history(&access, tag, before, call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).map(|past| past.id);
    ok(&json!({ "history": page.items.iter().map(view).collect::<Vec<_>>(), "next": next }))
}

async fn roll_back(call: Call<'_>, name: &RepositoryName, tag: &Tag, body: Payload) -> Done {
    let access = call.registry.authorizer().authorize::<Push>(call.caller, name).await?;
    let back: Back = read(body).await?;
    let to = match (back.at, back.digest) {
        (None, None) => Past::Previous,
        (Some(at), None) => Past::At(Timestamp(time(&at)?)),
        (None, Some(digest)) => Past::Digest(parse(&digest)?),
        _ => return Err(Problem::new(StatusCode::BAD_REQUEST, "say at or digest, not both")),
    };
    let (digest, moved) = call.registry.roll_back(&access, tag, to, call.mode()).await?;
    let from = moved.as_ref().and_then(|moved| moved.from.as_ref()).map(Digest::to_string);
    ok(&json!({ "tag": tag, "digest": digest.to_string(), "from": from, "moved": moved.is_some() }))
}

async fn floating(call: Call<'_>, name: &RepositoryName, tag: &Tag) -> Done {
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let tags = call.registry.preview_floating(&access, tag).await?;
    ok(&json!({ "tag": tag, "moves": tags }))
}

async fn remove(call: Call<'_>, name: &RepositoryName, at: &Reference) -> Done {
    let access = call.registry.authorizer().authorize::<Delete>(call.caller, name).await?;
    ok(&trash::removal(&call.registry.delete_manifest(&access, at, call.mode()).await?))
}

async fn restore(call: Call<'_>, name: &RepositoryName, digest: &Digest) -> Done {
    let access = call.registry.authorizer().authorize::<Push>(call.caller, name).await?;
    let tags = call.registry.restore_manifest(&access, digest).await?;
    ok(&json!({ "digest": digest.to_string(), "tags": tags }))
}

async fn why_kept(call: Call<'_>, name: &RepositoryName, at: &Reference) -> Done {
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let why = call.registry.why_kept(&access, at).await?;
    ok(&json!({
        "digest": why.standing.digest.to_string(),
        "reasons": reasons(&why),
        "until": why.until.map(|until| rfc3339::from_micros(until.0)),
        "rules": why.rules.iter().map(rules::view).collect::<Vec<_>>(),
    }))
}

/// All that keeps an image, in sentences.
fn reasons(why: &WhyKept) -> Vec<String> {
    let standing = &why.standing;
    let mut reasons = Vec::new();
    reasons.push(match &standing.hold {
        Some(Hold::Tag(tag)) => format!("the tag {tag} names it"),
        Some(Hold::Index(index)) => format!("the index {index} lists it"),
        Some(Hold::Subject(subject)) => format!("it belongs to {subject}, which is there"),
        None if standing.loose_since.is_some() => {
            "nothing holds it any more; it can be pulled by digest until its trash time is over, and longer while it is"
                .to_owned()
        }
        None => "it was pushed by digest and never tagged; that stays until somebody deletes it".to_owned(),
    });
    reasons.extend(standing.immutable_by.map(|rule: i64| format!("rule {rule} makes the tag immutable")));
    reasons.extend(why.verdict.as_ref().map(|verdict| match verdict {
        Verdict::Kept(why) => why.clone(),
        Verdict::Removed { why, .. } => format!("the next round of the rules ends the tag: {why}"),
    }));
    reasons
}

async fn why_gone(call: Call<'_>, name: &RepositoryName, at: &Reference) -> Done {
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let Some(gone) = call.registry.why_gone(&access, at).await? else {
        return ok(&json!({ "gone": false }));
    };
    ok(&json!({
        "gone": true,
        "digest": gone.digest.to_string(),
        "at": rfc3339::from_micros(gone.at.0),
        "by": gone.by,
        "why": gone.why,
        "restorable": gone.is_restorable,
    }))
}

fn view(past: &TagPast) -> Value {
    json!({
        "id": past.id,
        "tag": past.tag,
        "digest": past.digest.to_string(),
        "since": rfc3339::from_micros(past.began_at.0),
        "by": past.began_by,
        "why": past.began_why,
        "until": past.ended_at.map(|at| rfc3339::from_micros(at.0)),
        "ended_by": past.ended_by,
        "ended_why": past.ended_why,
        "there": past.is_there,
    })
}
