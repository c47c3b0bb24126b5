//! One sign-in, in which a test can change every part before it is finished.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use berth_oidc::{Callback, Identity, OidcError, Pending, Provider, ProviderOptions};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::fake::{Fake, Reply};
use crate::signer::{Signer, chance};

/// Where the browser comes back to.
pub(crate) const BACK: &str = "https://registry.example/sign-in/back?at=one";
/// The time of all tests, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What the tests begin with: a client with a secret that asks for groups.
pub(crate) fn options(issuer: &str) -> ProviderOptions {
    let mut options = ProviderOptions::new(issuer, "berth:1");
    options.client_secret = Some("s3cret/%".to_owned());
    options.groups_claim = Some("groups".to_owned());
    options
}

/// The parameters of an address, decoded.
pub(crate) fn query(url: &str) -> HashMap<String, String> {
    let query = url.split_once('?').unwrap().1;
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// A sign-in that was begun and would end well.
pub(crate) struct Scene {
    pub(crate) fake: Fake,
    pub(crate) provider: Provider,
    pub(crate) pending: Pending,
    pub(crate) callback: Callback,
    pub(crate) signer: Signer,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) access: String,
    /// What becomes of the token after it was signed.
    pub(crate) spoil: fn(&str) -> String,
    /// What is answered instead of the tokens.
    pub(crate) token: Option<Reply>,
    /// The time at which it is finished, in seconds since 1970.
    pub(crate) now: u64,
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        let fake = Fake::start().await;
        let provider = Provider::new(options(&fake.issuer)).unwrap();
        Scene::at(fake, provider).await
    }

    /// Another sign-in at a provider that is known.
    pub(crate) async fn at(fake: Fake, provider: Provider) -> Scene {
        let begun = provider.begin(BACK, at(NOW)).await.unwrap();
        let asked = query(&begun.url);
        let callback = Callback {
            code: Some(chance()),
            state: Some(asked["state"].clone()),
            iss: None,
            error: None,
            error_description: None,
        };
        let claims = json!({
            "iss": fake.issuer, "sub": "248289761001", "aud": asked["client_id"], "nonce": asked["nonce"],
            "exp": NOW + 300, "iat": NOW, "preferred_username": "ann", "name": "Ann Example",
            "email": "ann@example.org", "email_verified": true, "groups": ["dev", "ops"],
        });
        Scene {
            fake,
            provider,
            pending: begun.pending,
            callback,
            signer: Signer::Rs256,
            header: json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"}),
            claims,
            access: chance(),
            spoil: str::to_owned,
            token: None,
            now: NOW + 5,
        }
    }

    /// Takes another algorithm and key.
    pub(crate) fn sign(&mut self, signer: Signer, algorithm: &str, key: &str) {
        self.signer = signer;
        self.header["alg"] = json!(algorithm);
        self.header["kid"] = json!(key);
    }

    /// Takes a claim away.
    pub(crate) fn omit(&mut self, claim: &str) {
        self.claims.as_object_mut().unwrap().remove(claim).unwrap();
    }

    pub(crate) async fn finish(&self) -> Result<Identity, OidcError> {
        let token = (self.spoil)(&self.signer.token(&self.header, &self.claims));
        let tokens = json!({"id_token": token, "access_token": self.access, "token_type": "bearer"});
        self.fake.script().token = self.token.clone().unwrap_or(Reply::Json(200, tokens));
        self.provider.finish(&self.pending, &self.callback, at(self.now)).await
    }
}
