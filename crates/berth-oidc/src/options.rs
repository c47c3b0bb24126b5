//! What the operator says of a provider.

use std::fmt;
use std::path::PathBuf;

use crate::OidcError;
use crate::endpoint::Endpoint;

/// Longest value of an option, in bytes.
const LONGEST: usize = 2048;

/// What the operator says of a provider.
#[derive(Clone)]
pub struct ProviderOptions {
    /// The name of the provider: an `https` address, letter for letter as the provider writes it. `http` is for a
    /// provider on this machine alone.
    pub issuer: String,
    /// The name that the provider knows us by.
    pub client_id: String,
    /// The secret that goes with the name; none for a client that is public.
    pub client_secret: Option<String>,
    /// What the provider is asked for. `openid` is always asked for.
    pub scopes: Vec<String>,
    /// A file of certificates (PEM) that are believed beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// The claim that holds the name of a user.
    pub user_name_claim: String,
    /// The claim that holds the groups of a user; without it nobody is asked for groups.
    pub groups_claim: Option<String>,
}

impl ProviderOptions {
    /// A public client that asks for `profile` and `email`, takes the user name from `preferred_username`, and does
    /// not look at groups.
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>) -> ProviderOptions {
        ProviderOptions {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            scopes: vec!["openid".to_owned(), "profile".to_owned(), "email".to_owned()],
            ca_file: None,
            user_name_claim: "preferred_username".to_owned(),
            groups_claim: None,
        }
    }

    /// Looks at everything that can be seen without asking the provider. Gives the issuer's address.
    pub(crate) fn check(&self) -> Result<Endpoint, OidcError> {
        let issuer = Endpoint::parse(&self.issuer).map_err(|source| OidcError::Address {
            what: "issuer",
            url: self.issuer.clone(),
            source,
        })?;
        // OpenID Connect Discovery 1.0, section 2.
        if issuer.has_query() {
            return Err(wrong("issuer", "it has no query; take the part before the question mark"));
        }
        let texts = [("client id", &self.client_id), ("user name claim", &self.user_name_claim)];
        let more = [("client secret", &self.client_secret), ("groups claim", &self.groups_claim)];
        let more = more.into_iter().filter_map(|(option, text)| Some((option, text.as_ref()?)));
        for (option, text) in texts.into_iter().chain(more) {
            if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
                return Err(wrong(option, "it is empty, very long, or has control characters in it"));
            }
        }
        // RFC 6749, section 3.3.
        let of_scope = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if !self.scopes.iter().all(|scope| !scope.is_empty() && scope.bytes().all(of_scope)) {
            return Err(wrong("scopes", "each is a word without spaces, quotes and backslashes"));
        }
        Ok(issuer)
    }

    /// The scopes as they are asked for: `openid` first, none twice.
    pub(crate) fn scope(&self) -> String {
        let mut scopes = vec!["openid"];
        for scope in &self.scopes {
            if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        scopes.join(" ")
    }
}

fn wrong(option: &'static str, problem: &'static str) -> OidcError {
    OidcError::Option { option, problem }
}

impl fmt::Debug for ProviderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderOptions")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret.as_ref().map(|_| "…"))
            .field("scopes", &self.scopes)
            .field("ca_file", &self.ca_file)
            .field("user_name_claim", &self.user_name_claim)
            .field("groups_claim", &self.groups_claim)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::ProviderOptions;

    #[test]
    fn the_secret_is_not_shown() {
        let mut options = ProviderOptions::new("https://id.example", "berth");
        options.client_secret = Some("canary".to_owned());
        assert!(!format!("{options:?}").contains("canary"));
    }

    #[test]
    fn openid_is_always_asked_for_and_once() {
        let mut options = ProviderOptions::new("https://id.example", "berth");
        options.scopes = vec!["email".to_owned(), "openid".to_owned(), "email".to_owned()];
        assert_eq!(options.scope(), "openid email");
    }

    #[test]
    fn what_can_be_seen_at_once_is_refused_at_once() {
        type Spoil = fn(&mut ProviderOptions);
        let spoils: [Spoil; 9] = [
            |options| options.issuer = "id.example".to_owned(),
            |options| options.issuer = "http://id.example".to_owned(),
            |options| options.issuer = "https://id.example/?tenant=1".to_owned(),
            |options| options.issuer = "https://id.example/#here".to_owned(),
            |options| options.issuer = "https://me:word@id.example".to_owned(),
            |options| options.client_id = String::new(),
            |options| options.client_secret = Some(String::new()),
            |options| options.scopes.push("two words".to_owned()),
            |options| options.groups_claim = Some("a\nb".to_owned()),
        ];
        for (n, spoil) in spoils.into_iter().enumerate() {
            let mut options = ProviderOptions::new("https://id.example", "berth");
            options.check().unwrap();
            spoil(&mut options);
            assert!(options.check().is_err(), "{n}");
        }
    }
}
