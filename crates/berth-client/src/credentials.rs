//! A name and a password, which is shown to nobody.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// A text that is not shown. Printing it prints a placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text in.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself. What becomes of it is the caller's responsibility.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// With whose rights a registry is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and what proves it.
    Password {
        /// The name.
        user: String,
        /// The password, or a token that stands for it.
        password: Secret,
    },
    /// What a token server gave at an earlier sign-in in place of the password (OAuth2 calls it a refresh token).
    IdentityToken(Secret),
}

impl Credentials {
    /// A name and a password.
    pub fn password(user: impl Into<String>, password: Secret) -> Credentials {
        Credentials::Password { user: user.into(), password }
    }

    /// The field `authorization` (RFC 7617). An identity token is for token servers alone.
    pub(crate) fn basic(&self) -> Result<Option<HeaderValue>, http::Error> {
        let Credentials::Password { user, password } = self else { return Ok(None) };
        let pair = format!("{user}:{}", password.reveal());
        sensitive(format!("Basic {}", STANDARD.encode(pair))).map(Some)
    }
}

/// A value that no log shows.
pub(crate) fn sensitive(text: String) -> Result<HeaderValue, http::Error> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}
