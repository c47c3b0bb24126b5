//! `/api/v1/repositories/NAME/-/…`: tags with their past, manifests, and why they are there or not.

use berth_oci::{Digest, Reference, RepositoryName, Tag};
use berth_registry::{Delete, Hold, Past, Pull, Push, TagPast, Timestamp, Verdict, WhyKept};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse, time};
use super::operation::{Found, Json, Operation};
use super::parameter::{BEFORE, DRY_RUN, Kind, NEWEST_FIRST, PAGES, Parameter};
use super::problem::Problem;
use super::rules;
use super::trash::{Removed, removed};
use super::wire::When;

static AT: Parameter =
    Parameter::new("at", Kind::Time, "What the tag named at this moment; now if nothing is said.");

/// What a tag shall name: what it named before, at a moment, or a digest.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rollback", example = back_example())]
struct Back {
    /// What it named at this moment, such as `2026-11-25T10:00:00Z` or `2026-11-25`.
    at: Option<String>,
    /// A digest that it named once.
    digest: Option<String>,
}

fn back_example() -> serde_json::Value {
    serde_json::json!({ "at": "2026-11-25T10:00:00Z" })
}

/// Tags in their order.
#[derive(Serialize, JsonSchema)]
struct Tags {
    /// The tags of this page.
    tags: Vec<String>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// What a tag named for a time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TagPeriod")]
struct Period {
    /// Its number; what came later has a larger one.
    id: i64,
    /// The tag.
    tag: String,
    /// What it named.
    digest: String,
    /// Since when.
    since: When,
    /// Who set it.
    by: String,
    /// Why, if not by a push.
    why: Option<String>,
    /// Until when; it names it still if nothing is said.
    until: Option<When>,
    /// Who ended it.
    ended_by: Option<String>,
    /// Why it ended.
    ended_why: Option<String>,
    /// Whether the image is still there.
    there: bool,
}

/// What tags named, the newest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TagHistory")]
struct History {
    /// The periods of this page.
    history: Vec<Period>,
    /// Where the next page begins, if there is one.
    next: Option<i64>,
}

/// Where a tag went back to.
#[derive(Serialize, JsonSchema)]
struct RolledBack {
    /// The tag.
    tag: String,
    /// What it names now.
    digest: String,
    /// What it named before.
    from: Option<String>,
    /// Whether that is another image.
    moved: bool,
}

/// What a push of a tag would move.
#[derive(Serialize, JsonSchema)]
struct FloatingTags {
    /// The tag.
    tag: String,
    /// Tags that would follow it.
    moves: Vec<String>,
}

/// What came back.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RestoredManifest")]
struct Restored {
    /// Its digest.
    digest: String,
    /// Tags that came back with it.
    tags: Vec<String>,
}

/// Why an image is there.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WhyKept")]
struct Kept {
    /// Its digest.
    digest: String,
    /// All that keeps it, in sentences.
    reasons: Vec<String>,
    /// When it will go, if nothing changes.
    until: Option<When>,
    /// The rules that are about it.
    rules: Vec<rules::View>,
}

/// Why an image is not there.
#[derive(Serialize, JsonSchema)]
struct WhyDeleted {
    /// Whether it was there and is not any more.
    gone: bool,
    #[serde(flatten)]
    how: Option<Departure>,
}

/// How an image went.
#[derive(Serialize, JsonSchema)]
struct Departure {
    /// Its digest.
    digest: String,
    /// When.
    at: When,
    /// Who did it.
    by: Option<String>,
    /// Why.
    why: Option<String>,
    /// Whether it can be restored.
    restorable: bool,
}

pub(super) fn tag_operations() -> Vec<Operation> {
    vec![
        Operation::get("/repositories/{repository}/-/tags", list)
            .named("listTags", "List tags")
            .about("Needs `pull`.")
            .with(&PAGES),
        Operation::get("/repositories/{repository}/-/tags/{tag}", at)
            .named("getTag", "Tell what a tag names, or named at a moment")
            .about("Needs `pull`.")
            .with(&[&AT]),
        Operation::delete("/repositories/{repository}/-/tags/{tag}", remove_tag)
            .named("removeTag", "Delete a tag")
            .about("Needs `delete`. The image can be restored until its time in the trash is over.")
            .with(&[&DRY_RUN])
            .conflicts("a rule makes the tag immutable"),
        Operation::get("/repositories/{repository}/-/tags/{tag}/history", tag_history)
            .named("getTagHistory", "Tell what a tag named before")
            .about("Needs `pull`. The newest comes first.")
            .with(&NEWEST_FIRST),
        Operation::post("/repositories/{repository}/-/tags/{tag}/rollback", roll_back)
            .named("rollBackTag", "Let a tag name again what it named before")
            .about("Needs `push`. Without a body it is what the tag named last.")
            .with(&[&DRY_RUN])
            .conflicts("a rule makes the tag immutable, or the image is gone"),
        Operation::get("/repositories/{repository}/-/tags/{tag}/floating", floating)
            .named("previewFloatingTags", "Tell which tags a push of this one would move")
            .about("Needs `pull`. The tag need not exist."),
        Operation::get("/repositories/{repository}/-/history", history)
            .named("getRepositoryHistory", "Tell what the tags of a repository named")
            .about("Needs `pull`. The newest comes first.")
            .with(&NEWEST_FIRST),
    ]
}

pub(super) fn manifest_operations() -> Vec<Operation> {
    vec![
        Operation::delete("/repositories/{repository}/-/manifests/{digest}", remove_manifest)
            .named("removeManifest", "Delete an image with all its tags")
            .about("Needs `delete`. It can be restored until its time in the trash is over.")
            .with(&[&DRY_RUN])
            .conflicts("an index has it, or a rule makes one of its tags immutable"),
        Operation::run("/repositories/{repository}/-/manifests/{digest}/restore", restore)
            .named("restoreManifest", "Restore a deleted image")
            .about("Needs `push`.")
            .conflicts("its bytes are gone"),
        Operation::get("/repositories/{repository}/-/why-kept/{reference}", why_kept)
            .named("explainKept", "Tell why an image is there")
            .about("Needs `pull`."),
        Operation::get("/repositories/{repository}/-/why-deleted/{reference}", why_gone)
            .named("explainDeleted", "Tell why an image is not there any more")
            .about("Needs `pull`."),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Tags>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    let page = call.registry.list_tags(&access, Some(&call.after()), call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).cloned();
    Ok(Found(Tags { tags: page.items, next }))
}

async fn at(call: Call<'_>) -> Result<Found<Period>, Problem> {
    let (name, tag): (RepositoryName, Tag) = (call.part("repository")?, call.part("tag")?);
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    let at = call.time(&AT)?.map(Timestamp);
    Ok(Found(period(&call.registry.tag_at(&access, &tag, at).await?)))
}

async fn tag_history(call: Call<'_>) -> Result<Found<History>, Problem> {
    past(call, Some(&call.part("tag")?)).await
}

async fn history(call: Call<'_>) -> Result<Found<History>, Problem> {
    past(call, None).await
}

async fn past(call: Call<'_>, tag: Option<&Tag>) -> Result<Found<History>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    let page = call.registry.tag_history(&access, tag, call.number(&BEFORE)?, call.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).map(|past| past.id);
    Ok(Found(History { history: page.items.iter().map(period).collect(), next }))
}

async fn roll_back(call: Call<'_>, Json(back): Json<Back>) -> Result<Found<RolledBack>, Problem> {
    let (name, tag): (RepositoryName, Tag) = (call.part("repository")?, call.part("tag")?);
    let access = call.registry.authorizer().authorize::<Push>(call.caller, &name).await?;
    let to = match (back.at, back.digest) {
        (None, None) => Past::Previous,
        (Some(at), None) => Past::At(Timestamp(time(&at)?)),
        (None, Some(digest)) => Past::Digest(parse(&digest)?),
        _ => return Err(Problem::new(StatusCode::BAD_REQUEST, "say at or digest, not both")),
    };
    let (digest, moved) = call.registry.roll_back(&access, &tag, to, call.mode()?).await?;
    let from = moved.as_ref().and_then(|moved| moved.from.as_ref()).map(Digest::to_string);
    Ok(Found(RolledBack { tag: tag.to_string(), digest: digest.to_string(), from, moved: moved.is_some() }))
}

async fn floating(call: Call<'_>) -> Result<Found<FloatingTags>, Problem> {
    let (name, tag): (RepositoryName, Tag) = (call.part("repository")?, call.part("tag")?);
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    let moves = call.registry.preview_floating(&access, &tag).await?;
    Ok(Found(FloatingTags { tag: tag.to_string(), moves: moves.iter().map(Tag::to_string).collect() }))
}

async fn remove_tag(call: Call<'_>) -> Result<Found<Removed>, Problem> {
    remove(call, &Reference::Tag(call.part("tag")?)).await
}

async fn remove_manifest(call: Call<'_>) -> Result<Found<Removed>, Problem> {
    remove(call, &Reference::Digest(call.part("digest")?)).await
}

async fn remove(call: Call<'_>, at: &Reference) -> Result<Found<Removed>, Problem> {
    let name: RepositoryName = call.part("repository")?;
    let access = call.registry.authorizer().authorize::<Delete>(call.caller, &name).await?;
    Ok(Found(removed(&call.registry.delete_manifest(&access, at, call.mode()?).await?)))
}

async fn restore(call: Call<'_>) -> Result<Found<Restored>, Problem> {
    let (name, digest): (RepositoryName, Digest) = (call.part("repository")?, call.part("digest")?);
    let access = call.registry.authorizer().authorize::<Push>(call.caller, &name).await?;
    let tags = call.registry.restore_manifest(&access, &digest).await?;
    Ok(Found(Restored { digest: digest.to_string(), tags: tags.iter().map(Tag::to_string).collect() }))
}

async fn why_kept(call: Call<'_>) -> Result<Found<Kept>, Problem> {
    let (name, at): (RepositoryName, Reference) = (call.part("repository")?, call.part("reference")?);
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    let why = call.registry.why_kept(&access, &at).await?;
    Ok(Found(Kept {
        digest: why.standing.digest.to_string(),
        reasons: reasons(&why),
        until: why.until.map(When::from),
        rules: why.rules.iter().map(rules::view).collect(),
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

async fn why_gone(call: Call<'_>) -> Result<Found<WhyDeleted>, Problem> {
    let (name, at): (RepositoryName, Reference) = (call.part("repository")?, call.part("reference")?);
    let access = call.registry.authorizer().authorize::<Pull>(call.caller, &name).await?;
    let gone = call.registry.why_gone(&access, &at).await?;
    let how = gone.map(|gone| Departure {
        digest: gone.digest.to_string(),
        at: gone.at.into(),
        by: gone.by,
        why: gone.why,
        restorable: gone.is_restorable,
    });
    Ok(Found(WhyDeleted { gone: how.is_some(), how }))
}

fn period(past: &TagPast) -> Period {
    Period {
        id: past.id,
        tag: past.tag.clone(),
        digest: past.digest.to_string(),
        since: past.began_at.into(),
        by: past.began_by.clone(),
        why: past.began_why.clone(),
        until: past.ended_at.map(When::from),
        ended_by: past.ended_by.clone(),
        ended_why: past.ended_why.clone(),
        there: past.is_there,
    }
}
