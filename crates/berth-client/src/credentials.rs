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
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password, or a token that stands for it.
    pub password: Secret,
}

impl Credentials {
    /// The field `authorization` (RFC 7617).
    pub(crate) fn basic(&self) -> Result<HeaderValue, http::Error> {
        let pair = format!("{}:{}", self.user, self.password.reveal());
        sensitive(format!("Basic {}", STANDARD.encode(pair)))
    }
}

/// A value that no log shows.
pub(crate) fn sensitive(text: String) -> Result<HeaderValue, http::Error> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}
