//! The exchange of a code for an ID token (OpenID Connect Core 1.0, section 3.1.3; RFC 6749, section 4.1.3).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde::Deserialize;

use crate::callback::refusal;
use crate::discovery::{ClientMethod, Discovery};
use crate::endpoint::Endpoint;
use crate::form;
use crate::http::{Answer, Client};
use crate::{HttpError, OidcError, Pending, ProviderOptions};

/// Why an ID token is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// The provider gave none, or not together with a bearer token.
    #[error("there is none; the provider has to know this client as one of OpenID Connect")]
    Missing,
    /// It is longer than 64 KiB.
    #[error("it is longer than 64 KiB; let the provider put less into it")]
    TooLong,
    /// It is no token, or a claim is missing or of a wrong type.
    #[error("it cannot be read; see the provider's log")]
    Unreadable(#[from] jsonwebtoken::errors::Error),
    /// It is signed with an algorithm that the provider does not announce or that is not allowed here.
    #[error("it is signed with an algorithm that is not allowed; let the provider use RS256 or ES256")]
    Algorithm,
    /// Its header brings a key or asks for something unknown.
    #[error("its header brings a key of its own, or asks for something unknown")]
    Header,
    /// It is a token of another kind.
    #[error("it is a token of another kind")]
    Kind,
    /// The provider has no key with its key id that fits its algorithm.
    #[error("the provider has no key that fits it; if its keys were changed just now, try again in a minute")]
    UnknownKey,
    /// None of the keys made the signature.
    #[error("its signature is wrong")]
    Signature,
    /// It is another provider's.
    #[error("it names another issuer")]
    Issuer,
    /// It is not for us.
    #[error("it is for another client; compare the client id with the provider's")]
    Audience,
    /// It is for several clients and not issued to us.
    #[error("it was issued to another client; compare the client id with the provider's")]
    Party,
    /// It has ended.
    #[error("it has ended; compare the clocks of this machine and of the provider")]
    Expired,
    /// It does not hold yet.
    #[error("it does not hold yet; compare the clocks of this machine and of the provider")]
    NotYet,
    /// It belongs to another sign-in.
    #[error("it belongs to another sign-in; sign in again")]
    Nonce,
    /// It does not say whom it is about.
    #[error("its subject is empty, longer than 255 bytes, or has control characters in it")]
    Subject,
    /// The access token beside it is another one.
    #[error("it belongs to another access token")]
    AccessToken,
}

/// What a provider gives for a code (section 3.1.3.3).
#[derive(Deserialize)]
struct Document {
    id_token: Option<String>,
    access_token: Option<String>,
    token_type: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

/// Tokens as they came; nothing was checked.
pub(crate) struct Tokens {
    pub(crate) id: String,
    pub(crate) access: Option<String>,
}

/// Exchanges a code.
pub(crate) async fn exchange(
    client: &Client,
    discovery: &Discovery,
    options: &ProviderOptions,
    pending: &Pending,
    code: &str,
) -> Result<Tokens, OidcError> {
    let (authorization, form) = request(discovery.client, options, pending, code);
    let answer = client.post(&discovery.token, authorization, form).await;
    let document = read(answer, &discovery.token)?;
    // Section 3.1.3.3: the type is Bearer. A token of another type could not be used as we would use it.
    let is_bearer = document.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("Bearer"));
    let id = document.id_token.filter(|_| is_bearer).ok_or(IdTokenError::Missing)?;
    Ok(Tokens { id, access: document.access_token })
}

fn request(
    method: ClientMethod,
    options: &ProviderOptions,
    pending: &Pending,
    code: &str,
) -> (Option<String>, String) {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &pending.redirect_uri),
        ("code_verifier", &pending.verifier),
    ];
    let secret = options.client_secret.as_deref().unwrap_or_default();
    match method {
        ClientMethod::Basic => (Some(basic(&options.client_id, secret)), form::joined(&pairs)),
        ClientMethod::Post => {
            pairs.extend([("client_id", options.client_id.as_str()), ("client_secret", secret)]);
            (None, form::joined(&pairs))
        }
        ClientMethod::Public => {
            pairs.push(("client_id", &options.client_id));
            (None, form::joined(&pairs))
        }
    }
}

/// Name and secret are encoded before they are joined (RFC 6749, section 2.3.1).
fn basic(client_id: &str, secret: &str) -> String {
    let pair = format!("{}:{}", form::encoded(client_id), form::encoded(secret));
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}

/// A refusal in the form of RFC 6749, section 5.2, is told as such, anything else as a failed request.
fn read(answer: Result<Answer, HttpError>, at: &Endpoint) -> Result<Document, OidcError> {
    let failed = |source| OidcError::Ask { what: "token", url: at.as_str().to_owned(), source };
    let answer = answer.map_err(failed)?;
    let may_refuse = matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    if may_refuse && let Ok(refused) = answer.parsed::<Refusal>() {
        let (error, description) = refusal(&refused.error, refused.error_description.as_deref());
        return Err(OidcError::TokenRefused { error, description });
    }
    answer.document().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::basic;

    #[test]
    fn name_and_secret_are_encoded_before_they_are_joined() {
        // "a%3Ab:c%2Fd%25"
        assert_eq!(basic("a:b", "c/d%"), "Basic YSUzQWI6YyUyRmQlMjU=");
    }
}
