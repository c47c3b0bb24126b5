//! `/api/v1/cleaning`: what was cleaned and freed, and a cycle at once.

use serde_json::json;

use super::problem::Problem;
use super::{Call, Done, ok};

pub(super) async fn answer(call: Call<'_>) -> Done {
    let access = call.registry.authorizer().administers(call.caller)?;
    match call.method() {
        "GET" => {
            let state = call.registry.cleaning_state(&access).await?;
            let [cycles, failures, manifests, blobs, bytes] = call.registry.freed().read();
            ok(&json!({
                "waiting": {
                    "manifests": state.trash,
                    "blobs": state.collectable,
                    "files": state.tombstones,
                },
                "last_30_days": {
                    "manifests": state.manifests,
                    "blobs": state.blobs,
                    "bytes": state.bytes,
                },
                "since_start": {
                    "cycles": cycles,
                    "failures": failures,
                    "manifests": manifests,
                    "blobs": blobs,
                    "bytes": bytes,
                },
            }))
        }
        "POST" => {
            let cycle = call.registry.clean_now(&access).await?;
            ok(&json!({
                "manifests": cycle.manifests,
                "memberships": cycle.memberships,
                "blobs": cycle.blobs,
                "bytes": cycle.bytes,
                "longest_step_microseconds": cycle.longest_step,
            }))
        }
        _ => Err(Problem::method_not_allowed()),
    }
}
