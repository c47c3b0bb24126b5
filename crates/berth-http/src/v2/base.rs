//! `/v2/`: is this a registry, and are my credentials good?

use http::StatusCode;
use serde_json::json;

use super::{Call, access};
use crate::answer::{Answer, json};
use crate::error::ApiError;

/// "Determining Support": a JSON body, since some clients refuse an empty 200.
pub(super) fn get(call: Call<'_>) -> Result<Answer, ApiError> {
    access::required(call)?;
    Ok(json(StatusCode::OK, &json!({})))
}
