//! What a caller is answered who may not: a challenge to those whom another token may help, a refusal to the others.
//!
//! The answer about a repository that the caller may not see is the same whether or not it exists.

use berth_auth::Action;
use berth_mirror::Entrance;
use berth_oci::ErrorCode;
use berth_registry::{Refusal, RegistryError};
use http::header::WWW_AUTHENTICATE;

use super::Call;
use crate::credentials::{Why, challenge};
use crate::error::ApiError;

/// Adds to a refusal what the client has to do.
pub(super) fn explained(call: Call<'_>, error: ApiError) -> ApiError {
    let scope = match error.refusal() {
        Some(Refusal::Repository { repository, action, .. }) => {
            Some(format!("repository:{repository}:{}", words(*action)))
        }
        Some(Refusal::Catalog) => Some("registry:catalog:*".to_owned()),
        _ => None,
    };
    // A challenge there would get us the password of somebody at Docker Hub.
    let Some(scope) = scope.filter(|_| call.entrance == Entrance::Main) else { return error };
    let why = if call.caller.has_bearer() {
        Why::InsufficientScope
    } else if call.caller.is_anonymous() {
        Why::Unknown
    } else {
        // Whoever sends name and password with each request has no other token to ask for.
        return error;
    };
    error.coded(ErrorCode::Unauthorized).with(WWW_AUTHENTICATE, challenge(call.origin, Some(&scope), why))
}

/// The actions of a scope, as clients ask for them: whoever pushes reads as well.
fn words(action: Action) -> &'static str {
    match action {
        Action::Pull => "pull",
        Action::Push => "pull,push",
        Action::Delete => "delete",
        Action::Admin => "admin",
    }
}

/// The answer to `/v2/` without any token: the one place where clients look for the challenge.
pub(super) fn required(call: Call<'_>) -> Result<(), ApiError> {
    if call.entrance == Entrance::Mirror {
        return Ok(());
    }
    let authorizer = call.registry.authorizer();
    if authorizer.waits_for_setup() && !call.caller.is_folder_owner() {
        return Err(RegistryError::from(Refusal::NotSetUp).into());
    }
    if authorizer.has_accounts() && call.caller.is_anonymous() && !call.caller.has_bearer() {
        let reason = "sign in, or ask for a token without a name to pull what is public";
        let error = ApiError::because(ErrorCode::Unauthorized, reason);
        return Err(error.with(WWW_AUTHENTICATE, challenge(call.origin, None, Why::Unknown)));
    }
    Ok(())
}
