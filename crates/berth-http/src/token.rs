//! `/token`: the token server of `distribution`'s specification, by GET with Basic and by POST with an OAuth form.

use std::collections::BTreeMap;

use berth_auth::{Accounts, Action, Actions, Caller, Credentials, LoginError, ScopeGrant, Secret};
use berth_oci::{ErrorCode, RepositoryName, Resource, Scope};
use berth_registry::{Body, Registry};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Serialize;

use crate::answer::{Answer, Describe, json};
use crate::body;
use crate::credentials;
use crate::error::ApiError;
use crate::headers::NO_STORE;
use crate::origin::Origin;
use crate::query::Form;
use crate::rfc3339;
use crate::server::RouteKind;

/// The longest form, in bytes.
const LONGEST: usize = 64 * 1024;
/// Bytes of names in a token: with the rest of it, it stays below the 8 KiB that a header may have.
const NAMES: usize = 4 * 1024;

/// What clients read. Both names of the token are in use.
#[derive(Serialize)]
struct Granted<'a> {
    token: &'a str,
    access_token: &'a str,
    expires_in: u64,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

/// Answers a request for a token.
pub(crate) async fn answer(
    registry: &Registry,
    accounts: &Accounts,
    origin: &Origin,
    head: &Parts,
    body: impl Body,
) -> Answer {
    let desk = Desk { registry, accounts, origin };
    let answered = match head.method {
        Method::GET | Method::HEAD => desk.by_query(head).await,
        Method::POST => desk.by_form(body).await,
        _ => Err(ApiError::method_not_allowed(&head.method, "GET, HEAD, POST")),
    };
    let mut answer = answered.unwrap_or_else(ApiError::into_answer).with(CACHE_CONTROL, NO_STORE);
    answer.extensions_mut().insert(RouteKind("token"));
    answer
}

struct Desk<'a> {
    registry: &'a Registry,
    accounts: &'a Accounts,
    origin: &'a Origin,
}

impl Desk<'_> {
    /// Name and password, or nothing, in the header; everything else in the query.
    async fn by_query(&self, head: &Parts) -> Result<Answer, ApiError> {
        let form = Form::new(head.uri.query().unwrap_or_default());
        let credentials =
            credentials::read(&head.headers).ok_or_else(|| credentials::malformed(self.origin))?;
        let caller = self.identify(&credentials).await?;
        let offline = form.get("offline_token").is_some_and(|value| value == "true");
        self.grant(&caller, &form, offline).await
    }

    async fn by_form(&self, body: impl Body) -> Result<Answer, ApiError> {
        let text = body::text(body, LONGEST).await?;
        let form = Form::new(&text);
        let caller = match form.get("grant_type").as_deref() {
            Some("password") => {
                let (user, secret) = (form.get("username"), form.get("password").unwrap_or_default());
                let user = user.unwrap_or_default().into_owned();
                self.identify(&Credentials::Basic { user, secret: Secret::new(secret) }).await?
            }
            Some("refresh_token") => {
                let token = Secret::new(form.get("refresh_token").unwrap_or_default());
                self.accounts.refresh(&token, self.origin.client).map_err(|error| self.refused(error))?
            }
            // Clients go on to GET after a 401, and give up after other answers.
            _ => {
                let reason = "only grant_type=password and grant_type=refresh_token are known here";
                return Err(
                    ApiError::because(ErrorCode::Unauthorized, reason).saying("unsupported grant type")
                );
            }
        };
        let offline = form.get("access_type").is_some_and(|value| value == "offline");
        self.grant(&caller, &form, offline).await
    }

    async fn identify(&self, credentials: &Credentials) -> Result<Caller, ApiError> {
        let identified = self.accounts.identify(credentials, self.origin.client).await;
        identified.map_err(|error| self.refused(error))
    }

    /// What docker, podman and the others show after a wrong password is the message.
    fn refused(&self, error: LoginError) -> ApiError {
        match error {
            LoginError::Incorrect | LoginError::Expired | LoginError::Invalid => {
                let challenge = http::HeaderValue::from_static("Basic realm=\"berth\"");
                credentials::refused(error, self.origin)
                    .with(WWW_AUTHENTICATE, challenge)
                    .saying("incorrect username or password")
            }
            other => credentials::refused(other, self.origin),
        }
    }

    async fn grant(&self, caller: &Caller, form: &Form<'_>, offline: bool) -> Result<Answer, ApiError> {
        // Else a bearer token could be made to last for ever, and to reach further than it was issued for.
        if caller.has_bearer() {
            return Err(self.refused(LoginError::Invalid));
        }
        let asked: Vec<_> = form.all("scope").collect();
        let scope = self.granted(caller, &Scope::read_all(asked.iter().map(AsRef::as_ref))).await?;
        let issued = self.accounts.issue(caller, scope).map_err(ApiError::internal)?;
        let client = form.get("client_id").unwrap_or_default();
        let kept = if offline {
            self.accounts.remember(caller, &client).await.map_err(ApiError::internal)?
        } else {
            None
        };
        let micros = i64::try_from(issued.issued_at).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let granted = Granted {
            token: issued.token.reveal(),
            access_token: issued.token.reveal(),
            expires_in: issued.expires_in,
            issued_at: rfc3339::from_micros(micros),
            refresh_token: kept.as_ref().map(Secret::reveal),
        };
        Ok(json(StatusCode::OK, &granted))
    }

    /// Of what was asked for what the caller may, each repository once. What does not fit is asked for again.
    async fn granted(&self, caller: &Caller, asked: &[Scope]) -> Result<Vec<ScopeGrant>, ApiError> {
        let mut repositories: BTreeMap<&RepositoryName, Actions> = BTreeMap::new();
        let (mut catalog, mut names) = (false, 0);
        for scope in asked {
            let name = match &scope.resource {
                Resource::Repository(name) => name,
                Resource::Catalog => {
                    catalog = true;
                    continue;
                }
                Resource::Unknown => continue,
            };
            if !repositories.contains_key(name) {
                names += name.as_str().len() + 40;
                if names > NAMES {
                    break;
                }
            }
            let wanted: Actions =
                Action::ALL.into_iter().filter(|action| scope.asks(action.as_str())).collect();
            let granted = repositories.entry(name).or_default();
            *granted = wanted.iter().fold(*granted, Actions::with);
        }
        let mut grants = Vec::with_capacity(repositories.len() + 1);
        for (name, wanted) in repositories {
            let actions = self.registry.authorizer().allowed(caller, name).await?.and(wanted);
            grants.push(ScopeGrant { repository: Some(name.clone()), actions });
        }
        if catalog {
            grants.push(ScopeGrant { repository: None, actions: Actions::NONE.with(Action::Pull) });
        }
        Ok(grants)
    }
}
