//! A name and a password, which is shown to nobody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use berth_oci::Secret;
use http::HeaderValue;

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
