//! A name and a password, which is shown to nobody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use berth_oci::Secret;
use http::HeaderValue;

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
