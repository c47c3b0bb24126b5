//! What a provider says about itself: its addresses, and what it can do (OpenID Connect Discovery 1.0, section 3).

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::callback::shown;
use crate::endpoint::Endpoint;
use crate::signature;
use crate::{AddressError, OidcError, ProviderOptions};

/// What is read of the document. What is not named here is of no interest.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

/// A document that was checked.
#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) authorization: Endpoint,
    pub(crate) token: Endpoint,
    pub(crate) keys: Endpoint,
    pub(crate) user_info: Option<Endpoint>,
    /// What ID tokens may be signed with: what the provider announces, and we allow.
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) client: ClientMethod,
    /// Whether each callback says who sent it (RFC 9207, section 3).
    pub(crate) names_itself: bool,
}

/// How we say who we are when we exchange a code (OpenID Connect Core 1.0, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientMethod {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `none`: the verifier (PKCE) is all.
    Public,
}

/// Where the document of an issuer is (section 4).
pub(crate) fn address(issuer: &str) -> Result<Endpoint, OidcError> {
    endpoint("issuer", &format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
}

impl Document {
    pub(crate) fn check(self, options: &ProviderOptions) -> Result<Discovery, OidcError> {
        if self.issuer != options.issuer {
            return Err(OidcError::OtherIssuer {
                expected: options.issuer.clone(),
                found: shortened(&self.issuer),
            });
        }
        // A provider of the network must not send us to what listens on this machine alone.
        let may_be_plain = options.issuer.starts_with("http:");
        let endpoint = |what, url: &str| {
            let endpoint = endpoint(what, url)?;
            let is_allowed = endpoint.is_secure() || may_be_plain;
            let refused = || address_error(what, url, AddressError::Insecure);
            is_allowed.then_some(endpoint).ok_or_else(refused)
        };
        if self.code_challenge_methods_supported.is_some_and(|methods| !methods.iter().any(|it| it == "S256"))
        {
            return Err(OidcError::Unsupported("it has no code challenge S256; switch PKCE on there"));
        }
        let user_info = self.userinfo_endpoint.as_deref();
        Ok(Discovery {
            authorization: endpoint("authorization_endpoint", &self.authorization_endpoint)?,
            token: endpoint("token_endpoint", &self.token_endpoint)?,
            keys: endpoint("jwks_uri", &self.jwks_uri)?,
            user_info: user_info.map(|url| endpoint("userinfo_endpoint", url)).transpose()?,
            algorithms: algorithms(self.id_token_signing_alg_values_supported.as_deref())?,
            client: client_method(
                options.client_secret.is_some(),
                self.token_endpoint_auth_methods_supported.as_deref(),
            )?,
            names_itself: self.authorization_response_iss_parameter_supported == Some(true),
        })
    }
}

/// Every provider has to announce its algorithms, and to support RS256; so that one is taken if it announces none.
fn algorithms(announced: Option<&[String]>) -> Result<Vec<Algorithm>, OidcError> {
    let Some(announced) = announced else { return Ok(vec![Algorithm::RS256]) };
    let algorithms: Vec<_> = announced.iter().filter_map(|name| signature::allowed(name)).collect();
    if algorithms.is_empty() {
        return Err(OidcError::Unsupported(
            "it signs with no algorithm that is allowed here; let it use RS256 or ES256",
        ));
    }
    Ok(algorithms)
}

fn client_method(has_secret: bool, announced: Option<&[String]>) -> Result<ClientMethod, OidcError> {
    let has = |method: &str| announced.is_some_and(|announced| announced.iter().any(|it| it == method));
    match has_secret {
        // Providers for public clients often forget to announce it.
        false => Ok(ClientMethod::Public),
        // What holds if nothing is announced (section 3).
        true if announced.is_none() || has("client_secret_basic") => Ok(ClientMethod::Basic),
        true if has("client_secret_post") => Ok(ClientMethod::Post),
        true => Err(OidcError::Unsupported(
            "it takes the client secret neither by basic nor by post; allow one there",
        )),
    }
}

fn endpoint(what: &'static str, url: &str) -> Result<Endpoint, OidcError> {
    Endpoint::parse(url).map_err(|source| address_error(what, url, source))
}

fn address_error(what: &'static str, url: &str, source: AddressError) -> OidcError {
    OidcError::Address { what, url: shortened(url), source }
}

/// What a stranger wrote, in a length that can be shown.
fn shortened(text: &str) -> String {
    shown(text, 300)
}

#[cfg(test)]
mod tests {
    use super::{ClientMethod, address, algorithms, client_method};
    use jsonwebtoken::Algorithm;

    fn list(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn the_document_is_below_the_issuer() {
        for issuer in ["https://id.example/realms/a", "https://id.example/realms/a/"] {
            let address = address(issuer).unwrap();
            assert_eq!(address.as_str(), "https://id.example/realms/a/.well-known/openid-configuration");
        }
    }

    #[test]
    fn only_signatures_that_anybody_can_check_are_allowed() {
        let announced = list(&["none", "HS256", "HS512", "ES256", "ES256K", "RS256", "RSA1_5", "rs384"]);
        assert_eq!(algorithms(announced.as_deref()).unwrap(), [Algorithm::ES256, Algorithm::RS256]);
        assert_eq!(algorithms(None).unwrap(), [Algorithm::RS256]);
        assert!(algorithms(list(&["none", "HS256"]).as_deref()).is_err());
        assert!(algorithms(list(&[]).as_deref()).is_err());
    }

    #[test]
    fn the_secret_goes_the_way_that_is_announced() {
        let method =
            |has_secret, announced: Option<Vec<String>>| client_method(has_secret, announced.as_deref()).ok();
        let both = &["client_secret_post", "client_secret_basic"];
        assert_eq!(method(true, None), Some(ClientMethod::Basic));
        assert_eq!(method(true, list(both)), Some(ClientMethod::Basic));
        assert_eq!(method(true, list(&both[..1])), Some(ClientMethod::Post));
        assert_eq!(method(true, list(&["private_key_jwt"])), None);
        assert_eq!(method(false, list(both)), Some(ClientMethod::Public));
    }
}
