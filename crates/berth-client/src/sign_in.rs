//! Whether credentials are good: what `docker login` asks.

use berth_egress::whole;
use http::{Method, StatusCode};

use crate::auth::{Authenticator, Way};
use crate::credentials::sensitive;
use crate::health::Asked;
use crate::scope::Scope;
use crate::token::{self, Wanted};
use crate::{Client, ClientError, Secret, fault};

/// Bytes of an answer that are read.
const LONGEST: usize = 64 * 1024;

/// What a registry says to credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Whether it looked at them at all. One that lets everybody in says nothing of a password.
    pub verified: bool,
    /// What it wants to see in place of the password from now on, and what is better stored.
    pub identity_token: Option<Secret>,
}

impl Client {
    /// Asks whether the credentials are good, as `docker login` does: knock, get a token, knock again. Nothing is kept of
    /// it.
    ///
    /// # Errors
    /// [`ClientError::Unauthorized`] if they are not, with what the registry says; [`ClientError::Unexpected`] or
    /// [`ClientError::Useless`] if there is no registry.
    pub async fn sign_in(&self) -> Result<SignIn, ClientError> {
        let question = self.question(Method::GET, "", Scope::none(), Asked::Manifest)?;
        let response = self.send(&question, &question.link, None).await?;
        if response.status() == StatusCode::OK {
            // Some registries call their answer a page for people; only what is in it tells.
            let body = whole(response.into_body(), LONGEST).await?;
            if body.trim_ascii_start().starts_with(b"<") {
                return Err(ClientError::Useless { what: "it is a web page, and no registry's" });
            }
            return Ok(SignIn { verified: false, identity_token: None });
        }
        let way = match response.status() {
            StatusCode::UNAUTHORIZED => Authenticator::wanted(&question.link, response.headers())?,
            StatusCode::NOT_FOUND => {
                return Err(ClientError::Unexpected { status: StatusCode::NOT_FOUND });
            }
            _ => return Err(fault::of(response).await),
        };
        let shared = &*self.0;
        let (header, identity_token) = match way {
            None => return Err(fault::of(response).await),
            Some((Way::Basic, _)) => (shared.auth.basic()?, None),
            Some((Way::Bearer { realm, service }, _)) => {
                let service = service.as_deref();
                let scope = Scope::none();
                let wanted = Wanted { realm: &realm, service, scope: &scope, identity: true };
                let granted = token::in_time(shared.auth.granted(&shared.egress, wanted)).await?;
                let header = sensitive(format!("Bearer {}", granted.token.text.reveal()))?;
                (Some(header), granted.identity)
            }
        };
        let response = self.send(&question, &question.link, header.as_ref()).await?;
        match response.status() {
            StatusCode::OK => Ok(SignIn { verified: true, identity_token }),
            _ => Err(fault::of(response).await),
        }
    }
}
