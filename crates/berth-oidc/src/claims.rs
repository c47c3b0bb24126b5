//! What an ID token says, and what of it must hold (OpenID Connect Core 1.0, section 3.1.3.7).

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::IdTokenError;
use crate::pending::same;
use crate::signature::half_digest;

/// How far the clocks of the provider and of this machine may differ, in seconds.
const LEEWAY: f64 = 60.0;
/// Longest subject, in bytes (section 2).
const LONGEST_SUBJECT: usize = 255;

/// What an ID token says. A claim that is there twice or of another type is no claim: the token cannot be read then.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    pub(crate) sub: String,
    aud: Audience,
    azp: Option<String>,
    /// Seconds since 1970, as the two below; a fraction is allowed (RFC 7519, section 2).
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    at_hash: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn all(&self) -> &[String] {
        match self {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Many(many) => many,
        }
    }
}

/// What we know from before.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) now: SystemTime,
}

impl Claims {
    /// Whether the token is from that issuer, for us, for now, and for this sign-in.
    pub(crate) fn check(&self, expected: &Expected<'_>) -> Result<(), IdTokenError> {
        if self.iss != expected.issuer {
            return Err(IdTokenError::Issuer);
        }
        self.check_audience(expected.client_id)?;
        self.check_time(expected.now)?;
        if !self.nonce.as_deref().is_some_and(|nonce| same(nonce, expected.nonce)) {
            return Err(IdTokenError::Nonce);
        }
        check_subject(&self.sub)
    }

    fn check_audience(&self, client_id: &str) -> Result<(), IdTokenError> {
        let all = self.aud.all();
        if !all.iter().any(|one| one == client_id) {
            return Err(IdTokenError::Audience);
        }
        match self.azp.as_deref() {
            Some(party) if party != client_id => Err(IdTokenError::Party),
            None if all.len() > 1 => Err(IdTokenError::Party),
            _ => Ok(()),
        }
    }

    fn check_time(&self, now: SystemTime) -> Result<(), IdTokenError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        if now >= self.exp + LEEWAY {
            return Err(IdTokenError::Expired);
        }
        let latest = now + LEEWAY;
        if self.iat > latest || self.nbf.is_some_and(|from| from > latest) {
            return Err(IdTokenError::NotYet);
        }
        Ok(())
    }

    /// Whether the token came with that access token (section 3.1.3.8), if it says so.
    pub(crate) fn check_access_token(
        &self,
        algorithm: Algorithm,
        access: Option<&str>,
    ) -> Result<(), IdTokenError> {
        let Some(claimed) = &self.at_hash else { return Ok(()) };
        let claimed = BASE64_URL_SAFE_NO_PAD.decode(claimed).map_err(|_| IdTokenError::AccessToken)?;
        let real = half_digest(algorithm, access.ok_or(IdTokenError::AccessToken)?);
        verify_slices_are_equal(&claimed, &real).map_err(|_| IdTokenError::AccessToken)
    }
}

/// A name for somebody: it is a key in a table, so it must be one.
fn check_subject(subject: &str) -> Result<(), IdTokenError> {
    let is_one =
        !subject.is_empty() && subject.len() <= LONGEST_SUBJECT && !subject.chars().any(char::is_control);
    if is_one { Ok(()) } else { Err(IdTokenError::Subject) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::{Claims, Expected, check_subject};
    use crate::IdTokenError;

    fn check(change: impl FnOnce(&mut Value), at: u64) -> Result<(), IdTokenError> {
        let mut claims = json!({
            "iss": "https://id.example", "sub": "248289761001", "aud": "berth", "nonce": "n",
            "exp": 2000, "iat": 1000, "nbf": 1000.5,
        });
        change(&mut claims);
        let expected = Expected {
            issuer: "https://id.example",
            client_id: "berth",
            nonce: "n",
            now: UNIX_EPOCH + Duration::from_secs(at),
        };
        serde_json::from_value::<Claims>(claims).map_err(|_| IdTokenError::Header)?.check(&expected)
    }

    #[test]
    fn time_has_a_minute_of_leeway() {
        check(|_| (), 1000).unwrap();
        check(|_| (), 941).unwrap();
        assert!(matches!(check(|_| (), 939), Err(IdTokenError::NotYet)));
        check(|_| (), 2059).unwrap();
        assert!(matches!(check(|_| (), 2060), Err(IdTokenError::Expired)));
        assert!(matches!(check(|claims| claims["exp"] = json!(-1e300), 1000), Err(IdTokenError::Expired)));
        assert!(check(|claims| claims["exp"] = json!("2000"), 1000).is_err());
        assert!(check(|claims| claims["iat"] = Value::Null, 1000).is_err());
    }

    #[test]
    fn several_audiences_need_a_party() {
        let with = |audience: Value, party: Value| {
            check(
                |claims| {
                    claims["aud"] = audience;
                    claims["azp"] = party;
                },
                1000,
            )
        };
        with(json!(["berth"]), Value::Null).unwrap();
        with(json!(["other", "berth"]), json!("berth")).unwrap();
        assert!(matches!(with(json!(["other", "berth"]), Value::Null), Err(IdTokenError::Party)));
        assert!(matches!(with(json!(["other", "berth"]), json!("other")), Err(IdTokenError::Party)));
        assert!(matches!(with(json!("berth"), json!("other")), Err(IdTokenError::Party)));
        assert!(matches!(with(json!([]), json!("berth")), Err(IdTokenError::Audience)));
        assert!(matches!(with(json!("berth "), json!("berth")), Err(IdTokenError::Audience)));
    }

    #[test]
    fn a_subject_is_a_key() {
        check_subject(&"x".repeat(255)).unwrap();
        for subject in ["", "a\0b", &"x".repeat(256)] {
            assert!(check_subject(subject).is_err());
        }
    }
}
