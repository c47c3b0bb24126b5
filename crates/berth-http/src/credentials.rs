//! Credentials of a request (RFC 7617 and RFC 6750), and the challenge that asks for them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use berth_auth::{Credentials, LoginError, Secret};
use berth_oci::ErrorCode;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use crate::error::ApiError;
use crate::headers;
use crate::origin::Origin;

/// The service that tokens are asked for. It never changes, since some clients compare it between answers.
pub(crate) const SERVICE: &str = "berth";
/// The longest header that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// Reads the credentials of a request; `None` if they are malformed, which is never anonymous.
pub(crate) fn read(headers: &HeaderMap) -> Option<Credentials> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Some(Credentials::None) };
    if values.next().is_some() || value.len() > LONGEST {
        return None;
    }
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        return Some(Credentials::Bearer(Secret::new(rest)));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
    let (user, secret) = pair.split_once(':')?;
    Some(Credentials::Basic { user: user.to_owned(), secret: Secret::new(secret) })
}

/// What a challenge says beside where tokens are to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nobody said who he is.
    Unknown,
    /// The token lacks the scope.
    InsufficientScope,
    /// The token is not valid, or not any more.
    InvalidToken,
}

/// The one challenge: Bearer, lower-case parameters, an absolute realm on the address that the client used.
pub(crate) fn challenge(origin: &Origin, scope: Option<&str>, why: Why) -> HeaderValue {
    let mut text = format!("Bearer realm=\"{}/token\",service=\"{SERVICE}\"", origin.base);
    if let Some(scope) = scope {
        text.push_str(&format!(",scope=\"{scope}\""));
    }
    match why {
        Why::Unknown => {}
        Why::InsufficientScope => text.push_str(",error=\"insufficient_scope\""),
        Why::InvalidToken => text.push_str(",error=\"invalid_token\""),
    }
    headers::value(text)
}

/// The answer to credentials that are not taken.
pub(crate) fn refused(error: LoginError, origin: &Origin) -> ApiError {
    let reason = error.to_string();
    let why = match error {
        LoginError::Incorrect | LoginError::Source { .. } => Why::Unknown,
        LoginError::Expired | LoginError::Invalid => Why::InvalidToken,
        LoginError::TooMany { retry_after } => {
            let seconds = retry_after.as_secs().max(1);
            let detail = json!({ "reason": reason, "retry_after": seconds });
            return ApiError::new(ErrorCode::TooManyRequests, detail).with(RETRY_AFTER, seconds.into());
        }
        LoginError::Internal(berth_auth::AuthError::Busy) => {
            return ApiError::because(ErrorCode::TooManyRequests, reason);
        }
        LoginError::Internal(error) => return ApiError::internal(error),
        _ => Why::InvalidToken,
    };
    ApiError::because(ErrorCode::Unauthorized, reason).with(WWW_AUTHENTICATE, challenge(origin, None, why))
}

/// The answer to a header that cannot be read.
pub(crate) fn malformed(origin: &Origin) -> ApiError {
    let reason =
        "the Authorization header cannot be read; send Basic with user and password, or Bearer with a token";
    ApiError::because(ErrorCode::Unauthorized, reason)
        .with(WWW_AUTHENTICATE, challenge(origin, None, Why::Unknown))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_one(value: &[u8]) -> Option<Credentials> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).ok()?);
        read(&headers)
    }

    fn basic(pair: &str) -> Option<(String, String)> {
        match read_one(format!("Basic {}", BASE64_STANDARD.encode(pair)).as_bytes())? {
            Credentials::Basic { user, secret } => Some((user, secret.reveal().to_owned())),
            _ => None,
        }
    }

    #[test]
    fn credentials_are_read_or_malformed() {
        assert!(matches!(read(&HeaderMap::new()), Some(Credentials::None)));
        assert_eq!(basic("alice:pass:word"), Some(("alice".into(), "pass:word".into())));
        assert_eq!(basic(":"), Some((String::new(), String::new())));
        assert!(
            matches!(read_one(b"bearer abc"), Some(Credentials::Bearer(token)) if token.reveal() == "abc")
        );
        assert!(matches!(read_one(b"BASIC Og=="), Some(Credentials::Basic { .. })));
        let long = format!("Bearer {}", "a".repeat(LONGEST));
        for bad in [
            &b"Basic"[..],
            b"Basic ",
            b"Basic !!!",
            b"Basic YWxpY2U=",
            b"Basic //8=",
            b"Bearer",
            b"Bearer ",
            b"Digest a",
            b"\xff",
            b"Basic YTpi YTpi",
            long.as_bytes(),
        ] {
            assert!(read_one(bad).is_none(), "{}", bad.escape_ascii());
        }
        let mut twice = HeaderMap::new();
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(read(&twice).is_none());
    }

    proptest! {
        #[test]
        fn any_header_is_read(value in any::<Vec<u8>>(), pair in ".{0,20}") {
            let _ = read_one(&value);
            prop_assert_eq!(basic(&pair).is_some(), pair.contains(':'));
        }
    }
}
