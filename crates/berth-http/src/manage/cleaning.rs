//! `/api/v1/cleaning`: what was cleaned and freed, and a cycle at once.

use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
use super::operation::{Found, Operation};
use super::problem::Problem;

/// What waits for cleaning, and what was cleaned.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Cleaning")]
struct State {
    waiting: Waiting,
    last_30_days: Freed,
    since_start: Cycles,
}

/// What waits.
#[derive(Serialize, JsonSchema)]
struct Waiting {
    /// Manifests in the trash.
    manifests: u64,
    /// Blobs that no repository has.
    blobs: u64,
    /// Files that are about to go.
    files: u64,
}

/// What was freed.
#[derive(Serialize, JsonSchema)]
struct Freed {
    /// Manifests.
    manifests: u64,
    /// Blobs.
    blobs: u64,
    /// Bytes on disk.
    bytes: u64,
}

/// What this process did.
#[derive(Serialize, JsonSchema)]
struct Cycles {
    /// Rounds.
    cycles: u64,
    /// Rounds that failed.
    failures: u64,
    /// Manifests that were removed.
    manifests: u64,
    /// Blobs that were removed.
    blobs: u64,
    /// Bytes that were freed.
    bytes: u64,
}

/// What one round did.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CleaningCycle")]
struct Round {
    /// Manifests that were removed.
    manifests: u64,
    /// Blobs that repositories no longer have.
    memberships: u64,
    /// Blobs that were removed.
    blobs: u64,
    /// Bytes that were freed.
    bytes: u64,
    /// The longest time that others had to wait, in microseconds.
    longest_step_microseconds: u64,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/cleaning", state)
            .named("getCleaning", "Tell what waits for cleaning and what was freed")
            .about("For administrators."),
        Operation::run("/cleaning", clean).named("clean", "Clean now").about(
            "For administrators. Nothing goes before its time: only the wait for the next round is saved.",
        ),
    ]
}

async fn state(call: Call<'_>) -> Result<Found<State>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let state = call.registry.cleaning_state(&access).await?;
    let [cycles, failures, manifests, blobs, bytes] = call.registry.freed().read();
    Ok(Found(State {
        waiting: Waiting { manifests: state.trash, blobs: state.collectable, files: state.tombstones },
        last_30_days: Freed { manifests: state.manifests, blobs: state.blobs, bytes: state.bytes },
        since_start: Cycles { cycles, failures, manifests, blobs, bytes },
    }))
}

async fn clean(call: Call<'_>) -> Result<Found<Round>, Problem> {
    let access = call.registry.authorizer().administers(call.caller)?;
    let cycle = call.registry.clean_now(&access).await?;
    Ok(Found(Round {
        manifests: cycle.manifests,
        memberships: cycle.memberships,
        blobs: cycle.blobs,
        bytes: cycle.bytes,
        longest_step_microseconds: cycle.longest_step,
    }))
}
