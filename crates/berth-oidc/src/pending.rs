//! A sign-in between its two halves, and the secrets that tie them together.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use crate::OidcError;

/// How long the person may take.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// How far the clocks of servers that share a sign-in may differ.
const LEEWAY: Duration = Duration::from_secs(60);
/// Longest text that is read as a sign-in, in bytes.
const LONGEST: usize = 16 * 1024;

/// Which form of the text this is; it changes with the fields.
const FORM: u8 = 1;
/// Length of each secret, in characters.
const SECRET: usize = 43;
/// Microseconds since 1970 until the year 10000: later times cannot be reckoned with.
const LATEST: u64 = 253_402_300_800_000_000;

/// The fields as they are written: form, beginning, issuer, client id, redirect address, state, nonce, verifier.
type Written = (u8, u64, String, String, String, String, String, String);

/// The first half of a sign-in.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Where to send the browser.
    pub url: String,
    /// What to keep for that browser.
    pub pending: Pending,
}

/// A sign-in that waits for the browser to come back, within ten minutes.
///
/// It is worth as much as a key for that time. Keep it on the server, or sealed in a cookie of that one browser: a
/// callback that comes with the sign-in of another browser is how somebody is signed in to a foreign account. Use it
/// once and forget it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pending {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    /// Microseconds since 1970.
    began_at: u64,
}

impl Pending {
    pub(crate) fn new(
        issuer: &str,
        client_id: &str,
        redirect_uri: &str,
        now: SystemTime,
    ) -> Result<Pending, OidcError> {
        Ok(Pending {
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            state: chance()?,
            nonce: chance()?,
            verifier: chance()?,
            began_at: micros(now),
        })
    }

    /// What the browser has to bring back; unguessable, so it can be the key under which a server keeps this.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// From when on it is refused.
    pub fn expires_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.began_at) + LIFE
    }

    /// One that began in the future is refused as well, but for what the clocks of two servers may differ by.
    pub(crate) fn is_alive(&self, now: SystemTime) -> bool {
        let (now, began_at) = (Duration::from_micros(micros(now)), Duration::from_micros(self.began_at));
        now < began_at + LIFE && began_at <= now + LEEWAY
    }

    /// The challenge for the verifier (RFC 7636, section 4.2).
    pub(crate) fn challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.verifier.as_bytes()))
    }

    /// A text of letters, digits, `-` and `_`. It is neither sealed nor signed: whoever reads it knows its secrets.
    pub fn encode(&self) -> String {
        let written = json!([
            FORM,
            self.began_at,
            self.issuer,
            self.client_id,
            self.redirect_uri,
            self.state,
            self.nonce,
            self.verifier,
        ]);
        BASE64_URL_SAFE_NO_PAD.encode(written.to_string())
    }

    /// Reads what [`encode`](Pending::encode) wrote. Whether it is still alive is asked by
    /// [`finish`](crate::Provider::finish).
    ///
    /// # Errors
    ///
    /// If it is anything else, or of another version of the program.
    pub fn decode(text: &str) -> Result<Pending, PendingError> {
        if text.len() > LONGEST {
            return Err(PendingError);
        }
        let text = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| PendingError)?;
        let written: Written = serde_json::from_slice(&text).map_err(|_| PendingError)?;
        let (form, began_at, issuer, client_id, redirect_uri, state, nonce, verifier) = written;
        // An empty secret would equal an empty parameter.
        let has_secrets = [&state, &nonce, &verifier].iter().all(|secret| secret.len() == SECRET);
        if form != FORM || !has_secrets || began_at > LATEST {
            return Err(PendingError);
        }
        Ok(Pending { issuer, client_id, redirect_uri, state, nonce, verifier, began_at })
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .field("began_at", &self.began_at)
            .finish_non_exhaustive()
    }
}

/// The text is not a sign-in that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a sign-in that was begun here; sign in again")]
pub struct PendingError;

/// Whether two texts are the same; how long that takes says nothing about where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// 32 bytes that nobody can guess, as 43 characters: enough for a verifier (RFC 7636, section 4.1).
fn chance() -> Result<String, OidcError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| OidcError::Chance)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Microseconds since 1970; 0 for what was before.
fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(LATEST).min(LATEST)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Pending, PendingError};

    fn pending() -> Pending {
        Pending::new("https://id.example", "berth", "https://reg.example/back", SystemTime::now()).unwrap()
    }

    #[test]
    fn it_is_written_and_read_again() {
        let pending = pending();
        assert_eq!(Pending::decode(&pending.encode()).unwrap(), pending);
        for text in ["", "e30", "!", &pending.encode()[1..], &"A".repeat(20_000)] {
            assert_eq!(Pending::decode(text), Err(PendingError), "{text}");
        }
        let empty = Pending { nonce: String::new(), ..pending };
        assert_eq!(Pending::decode(&empty.encode()), Err(PendingError));
    }

    #[test]
    fn it_lives_for_ten_minutes() {
        let pending = pending();
        let end = pending.expires_at();
        assert!(pending.is_alive(end - Duration::from_secs(600)));
        assert!(pending.is_alive(end - Duration::from_micros(1)));
        assert!(!pending.is_alive(end));
        assert!(pending.is_alive(end - Duration::from_secs(660)));
        assert!(!pending.is_alive(end - Duration::from_secs(661)));
    }

    #[test]
    fn no_two_are_alike_and_none_is_shown() {
        let (one, other) = (pending(), pending());
        assert!(one.state != other.state && one.nonce != other.nonce && one.verifier != other.verifier);
        let shown = format!("{one:?}");
        assert!(![&one.state, &one.nonce, &one.verifier].into_iter().any(|secret| shown.contains(secret)));
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let pending = Pending { verifier, ..pending() };
        assert_eq!(pending.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
