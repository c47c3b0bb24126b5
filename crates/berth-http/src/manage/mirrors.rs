//! `/api/v1/mirrors`: registries that are mirrored here, how they are, and what would fail without them.

use std::time::Duration;

use berth_mirror::{ManageError, Mirror, Settings};
use berth_registry::{Admin, Pin, RegistryError, ServerAccess};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
use super::mirror_settings::{Change, View};
use super::mirror_status::Entry;
use super::operation::{Found, Gone, Json, Operation};
use super::parameter::{Kind, PAGES, Parameter};
use super::problem::Problem;
use super::wire::{When, page};

static PURGE: Parameter =
    Parameter::new("purge", Kind::Flag, "Delete its images here as well; without it they stay.");
static USED_WITHIN: Parameter = Parameter::new(
    "used_within_seconds",
    Kind::Number,
    "Only images that were used within this time; 30 days if nothing is said.",
);

/// What a rehearsal looks at if nothing is said, in seconds.
const MONTH: i64 = 30 * 24 * 60 * 60;

/// Upstreams in the order of their names.
#[derive(Serialize, JsonSchema)]
struct Mirrors {
    /// The upstreams of this page.
    mirrors: Vec<Entry>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// What went with an upstream.
#[derive(Serialize, JsonSchema)]
struct RemovedMirror {
    /// Repositories that were deleted with it.
    repositories: usize,
}

/// What would happen if an upstream were away now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Rehearsal")]
struct Rehearsed {
    /// The upstream.
    mirror: String,
    /// Images in use that could be pulled without it.
    good: u64,
    /// Those that could not.
    fail: Vec<Failing>,
}

/// An image that could not be pulled.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WouldFail")]
struct Failing {
    /// Its name, as it is pulled here.
    image: String,
    /// What it names.
    digest: String,
    /// When it was last used.
    used_at: When,
    /// Why.
    why: String,
}

/// Pinned images of an upstream.
#[derive(Serialize, JsonSchema)]
struct Pins {
    /// All of them, by name.
    pins: Vec<PinView>,
}

/// An image that stays in the cache, whatever the room and however long nobody uses it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pin")]
struct PinView {
    /// Its repository.
    repository: String,
    /// Its tag or digest.
    reference: String,
    /// Since when.
    made_at: When,
    /// By whom.
    made_by: String,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/mirrors", list)
            .named("listMirrors", "List upstreams, and how they are")
            .about("For administrators.")
            .with(&PAGES),
        Operation::get("/mirrors/{mirror}", get)
            .named("getMirror", "Show what is set of an upstream")
            .about("For administrators. The password is never shown."),
        Operation::put("/mirrors/{mirror}", put)
            .named("setMirror", "Set an upstream up, or anew")
            .about("For administrators. What is absent is as it is for a new one; known registries need nothing at all.")
            .conflicts("there are repositories of that name which were pushed here"),
        Operation::patch("/mirrors/{mirror}", change)
            .named("changeMirror", "Change what is set of an upstream")
            .about("For administrators. What is absent stays."),
        Operation::delete("/mirrors/{mirror}", remove)
            .named("removeMirror", "Forget an upstream")
            .about("For administrators.")
            .with(&[&PURGE])
            .conflicts("it is in the configuration"),
        Operation::get("/mirrors/{mirror}/rehearsal", rehearse)
            .named("rehearseMirror", "Tell what would fail if an upstream were away")
            .about("For administrators. Nothing is asked and nothing is changed.")
            .with(&[&USED_WITHIN]),
        Operation::get("/mirrors/{mirror}/pins", pins)
            .named("listPins", "List the pinned images of an upstream")
            .about("For administrators."),
        Operation::set("/repositories/{repository}/-/pins/{reference}", pin)
            .named("pinImage", "Keep an image of an upstream, whatever the room")
            .about("Needs `admin`. It need not be here yet."),
        Operation::delete("/repositories/{repository}/-/pins/{reference}", unpin)
            .named("unpinImage", "Let a pinned image go when its time comes")
            .about("Needs `admin`."),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Mirrors>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let all = call.mirror()?.status(&access).await?;
    let (all, next) = page(all, Some(&call.after()), call.limit()?, |status| status.name.clone());
    Ok(Found(Mirrors { mirrors: all.iter().map(Entry::of).collect(), next }))
}

async fn get(call: Call<'_>) -> Result<Found<View>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    shown(call.mirror()?, &access, call.captures.get("mirror")).await
}

async fn put(call: Call<'_>, Json(change): Json<Change>) -> Result<Found<View>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let name = call.captures.get("mirror");
    call.mirror()?.set_upstream(&access, name, change.onto(Settings::default())?).await?;
    shown(call.mirror()?, &access, name).await
}

async fn change(call: Call<'_>, Json(change): Json<Change>) -> Result<Found<View>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let name = call.captures.get("mirror");
    let settings = call.mirror()?.settings(&access, name).ok_or_else(|| unknown(name))?;
    call.mirror()?.set_upstream(&access, name, change.onto(settings)?).await?;
    shown(call.mirror()?, &access, name).await
}

async fn remove(call: Call<'_>) -> Result<Found<RemovedMirror>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let purge = call.flag(&PURGE)?;
    let repositories = call.mirror()?.remove_upstream(&access, call.captures.get("mirror"), purge).await?;
    Ok(Found(RemovedMirror { repositories }))
}

async fn rehearse(call: Call<'_>) -> Result<Found<Rehearsed>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let name = known(call)?;
    let seconds = call.number(&USED_WITHIN)?.unwrap_or(MONTH);
    let used_within = Duration::from_secs(seconds.unsigned_abs());
    let rehearsal = call.mirror()?.rehearse(&access, name, used_within).await?;
    let failing = |would: berth_mirror::WouldFail| Failing {
        image: would.image,
        digest: would.digest.to_string(),
        used_at: would.used_at.into(),
        why: would.why,
    };
    let fail = rehearsal.fail.into_iter().map(failing).collect();
    Ok(Found(Rehearsed { mirror: name.to_owned(), good: rehearsal.n_good, fail }))
}

async fn pins(call: Call<'_>) -> Result<Found<Pins>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let pins = call.registry.pins(&access, known(call)?).await?;
    let view = |pin: Pin| PinView {
        repository: pin.repository,
        reference: pin.reference,
        made_at: pin.made_at.into(),
        made_by: pin.made_by,
    };
    Ok(Found(Pins { pins: pins.into_iter().map(view).collect() }))
}

async fn pin(call: Call<'_>) -> Result<Gone, Problem> {
    set_pin(call, true).await
}

async fn unpin(call: Call<'_>) -> Result<Gone, Problem> {
    set_pin(call, false).await
}

async fn set_pin(call: Call<'_>, pinned: bool) -> Result<Gone, Problem> {
    let name = call.mirror()?.canonical(&call.part("repository")?);
    let access = call.registry.authorizer().authorize::<Admin>(call.caller, &name).await?;
    // What is left of an upstream that was forgotten can still be let go.
    if pinned && access.upstream().is_none() {
        let detail = format!("{name} belongs to no upstream; what was pushed here stays without a pin");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    call.registry.set_pin(&access, &call.part("reference")?, pinned).await?;
    Ok(Gone)
}

/// The upstream of the path, if there is one.
fn known(call: Call<'_>) -> Result<&str, Problem> {
    let name = call.captures.get("mirror");
    if call.mirror()?.has(name) { Ok(name) } else { Err(unknown(name)) }
}

fn unknown(name: &str) -> Problem {
    ManageError::Unknown { name: name.to_owned() }.into()
}

async fn shown(mirror: &Mirror, access: &ServerAccess, name: &str) -> Result<Found<View>, Problem> {
    let status = mirror.status_of(access, name).await?;
    status.map(|status| Found(View::of(&status))).ok_or_else(|| unknown(name))
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Problem {
        let status = match error {
            ManageError::Registry(error) => return error.into(),
            ManageError::Seal(error) => return RegistryError::Internal(Box::new(error)).into(),
            ManageError::Unknown { .. } => StatusCode::NOT_FOUND,
            ManageError::Configured { .. } | ManageError::Taken { .. } => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, error.to_string())
    }
}
