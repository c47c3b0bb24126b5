//! `/api/v1/me`.

use berth_auth::{AccountKind, Who};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
use super::operation::{Found, Operation};
use super::problem::Problem;

/// Who the caller is.
#[derive(Serialize, JsonSchema)]
struct Me {
    /// The name of the account.
    name: String,
    /// `owner` is who owns the data folder and asks on the server itself.
    #[schemars(extend("enum" = ["user", "robot", "owner"]))]
    kind: &'static str,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::get("/me", me).named("getMe", "Tell who the caller is")]
}

async fn me(call: Call<'_>) -> Result<Found<Me>, Problem> {
    if call.caller.is_anonymous() {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "sign in with name and password, or a token"));
    }
    let kind = match call.caller.who() {
        Who::Account { kind: AccountKind::Robot, .. } => "robot",
        Who::Account { .. } => "user",
        Who::FolderOwner | Who::Anonymous => "owner",
    };
    Ok(Found(Me { name: call.caller.name().to_string(), kind }))
}
