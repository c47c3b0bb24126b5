//! `/v2/`: is this a registry, and are my credentials good?

use http::StatusCode;
use serde_json::json;

use crate::answer::{Answer, json};

/// "Determining Support": a JSON body, since some clients refuse an empty 200.
pub(super) fn get() -> Answer {
    json(StatusCode::OK, &json!({}))
}
