//! What is set of an upstream, and what may be.

use std::path::PathBuf;
use std::time::Duration;

use berth_client::{Origin, OriginError};
use berth_oci::{Pattern, RepositoryName};
use berth_registry::Visibility;
use serde::{Deserialize, Serialize};

use berth_client::known;

/// Fallbacks of one upstream.
const FALLBACKS: usize = 8;
/// The longest name.
const NAME_MAX: usize = 64;

/// What is set of an upstream. Its credentials are kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where it is: scheme, host, port, and a path if its repositories have a prefix there.
    pub url: String,
    /// The name that the credentials are for.
    pub user: Option<String>,
    /// Registries with the same images that are asked when it is away, in this order, without credentials.
    pub fallbacks: Vec<String>,
    /// Hosts that may be sent the credentials to give a token for them.
    pub auth_hosts: Vec<String>,
    /// Whether it is on this machine or a private network.
    pub private: bool,
    /// Certificates of its own authority, PEM; a file on the server.
    pub ca_file: Option<PathBuf>,
    /// Whether any certificate will do.
    pub unverified: bool,
    /// Patterns of its repositories that may be had; all, if there are none.
    pub allow: Vec<String>,
    /// Patterns of its repositories that may not.
    pub deny: Vec<String>,
    /// For how many seconds a tag is taken to name what it named; zero asks each time.
    pub fresh: u64,
    /// For how many seconds a tag is served that the upstream could not be asked about.
    pub stale: u64,
    /// Bytes that its images may take here; any number, if nothing is said.
    pub max_bytes: Option<u64>,
    /// Seconds after which an image goes that nobody used; never, if nothing is said.
    pub max_age: Option<u64>,
    /// Whether everybody may pull its images from here.
    pub public: bool,
    /// Per cent of its pulls below which it is asked only for what is not here.
    pub reserve: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        const DAY: u64 = 24 * 60 * 60;
        Settings {
            url: String::new(),
            user: None,
            fallbacks: Vec::new(),
            auth_hosts: Vec::new(),
            private: false,
            ca_file: None,
            unverified: false,
            allow: Vec::new(),
            deny: Vec::new(),
            fresh: 5 * 60,
            stale: 30 * DAY,
            max_bytes: None,
            max_age: Some(90 * DAY),
            public: true,
            reserve: 10,
        }
    }
}

/// Why something cannot be set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The name cannot stand first in image names.
    #[error(
        "{name:?} cannot be the name of an upstream: it is the first part of image names here, so write the registry's host, like quay.io, or a word with a dot in it"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// Nobody knows where it is.
    #[error("{name} is none of the known registries; say where it is (--url https://…)")]
    NoUrl {
        /// Its name.
        name: String,
    },
    /// The address is none.
    #[error("{url} is no address of a registry: {source}")]
    Url {
        /// What was given.
        url: String,
        /// Why.
        source: OriginError,
    },
    /// The path is no prefix of repository names.
    #[error("the path of {url} is no prefix of repository names")]
    Prefix {
        /// What was given.
        url: String,
    },
    /// A pattern is none.
    #[error(transparent)]
    Pattern(#[from] berth_oci::PatternError),
    /// More fallbacks than are asked.
    #[error("at most {FALLBACKS} fallbacks are asked")]
    TooMany,
    /// A part of a hundred that is more than a hundred.
    #[error("the reserve is a number of per cent, from 0 to 100")]
    Reserve,
}

/// A place where images are: a server, and what stands before repository names there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) origin: Origin,
    /// Empty, or with a slash at its end.
    pub(crate) prefix: String,
}

impl Base {
    pub(crate) fn read(url: &str) -> Result<Base, SettingsError> {
        let wrong = |source| SettingsError::Url { url: url.to_owned(), source };
        let link: berth_client::Link = url.parse().map_err(wrong)?;
        if link.target().contains('?') {
            return Err(wrong(OriginError::Query));
        }
        let path = link.path().trim_matches('/');
        let path = path.strip_prefix("v2/").unwrap_or(if path == "v2" { "" } else { path });
        if !path.is_empty() && path.parse::<RepositoryName>().is_err() {
            return Err(SettingsError::Prefix { url: url.to_owned() });
        }
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        Ok(Base { origin: link.origin().clone(), prefix })
    }
}

impl Settings {
    /// Fills in what is known of a registry by its name, and checks the rest.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn complete(mut self, name: &str) -> Result<Settings, SettingsError> {
        check_name(name)?;
        if let Some(known) = known(name)
            && self.url.is_empty()
        {
            self.url = known.url.to_owned();
            let missing =
                known.auth_hosts.iter().filter(|host| !self.auth_hosts.iter().any(|own| own == *host));
            let missing: Vec<_> = missing.map(|host| (*host).to_owned()).collect();
            self.auth_hosts.extend(missing);
        }
        if self.url.is_empty() {
            return Err(SettingsError::NoUrl { name: name.to_owned() });
        }
        if self.fallbacks.len() > FALLBACKS {
            return Err(SettingsError::TooMany);
        }
        if self.reserve > 100 {
            return Err(SettingsError::Reserve);
        }
        self.bases()?;
        self.patterns()?;
        Ok(self)
    }

    /// Where it is, and its fallbacks.
    pub(crate) fn bases(&self) -> Result<Vec<Base>, SettingsError> {
        std::iter::once(&self.url).chain(&self.fallbacks).map(|url| Base::read(url)).collect()
    }

    /// What may be had, and what may not.
    pub(crate) fn patterns(&self) -> Result<[Vec<Pattern>; 2], SettingsError> {
        let read = |texts: &[String]| texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
        Ok([read(&self.allow)?, read(&self.deny)?])
    }

    pub(crate) fn fresh(&self) -> Duration {
        Duration::from_secs(self.fresh)
    }

    pub(crate) fn stale(&self) -> Duration {
        Duration::from_secs(self.stale)
    }

    pub(crate) fn visibility(&self) -> Visibility {
        if self.public { Visibility::Public } else { Visibility::Private }
    }
}

/// A name has a dot, as hosts do and namespaces of people do not, or is one of the words that people use for prefixes.
fn check_name(name: &str) -> Result<(), SettingsError> {
    let refused = || SettingsError::Name { name: name.chars().take(80).collect() };
    let is_component = format!("{name}/x").parse::<RepositoryName>().is_ok() && !name.contains('/');
    if is_component && name.contains('.') && name.len() <= NAME_MAX { Ok(()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_registries_need_no_address() {
        let hub = Settings::default().complete("docker.io").unwrap();
        assert_eq!(hub.url, "https://registry-1.docker.io");
        assert_eq!(hub.auth_hosts, ["auth.docker.io"]);
        let own = Settings { url: "http://127.0.0.1:5000".into(), ..Settings::default() };
        assert_eq!(own.clone().complete("docker.io").unwrap(), own);
        assert!(matches!(Settings::default().complete("corp.example"), Err(SettingsError::NoUrl { .. })));
    }

    #[test]
    fn a_name_is_no_namespace_of_somebody() {
        for name in ["corp", "quay.io/x", "Quay.io", "", "..", "quay.io:443", "a b.c", &"x.".repeat(40)] {
            assert!(matches!(check_name(name), Err(SettingsError::Name { .. })), "{name}");
        }
        for name in ["quay.io", "corp.example", "registry-1.docker.io"] {
            check_name(name).unwrap();
        }
    }

    #[test]
    fn an_address_may_have_a_prefix() {
        let prefix = |url: &str| Base::read(url).map(|base| base.prefix);
        assert_eq!(prefix("https://harbor.example/hub").unwrap(), "hub/");
        assert_eq!(prefix("https://harbor.example/v2/hub/").unwrap(), "hub/");
        assert_eq!(prefix("https://harbor.example/v2/").unwrap(), "");
        assert_eq!(prefix("https://harbor.example").unwrap(), "");
        for url in ["https://h/UP", "https://h/a?b", "https://h/a/../b", "ftp://h", "h"] {
            assert!(prefix(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let set = Settings { allow: vec!["org/**".into()], max_bytes: Some(7), ..Settings::default() };
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), set);
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
        assert!(serde_json::from_str::<Settings>("{\"pasword\":1}").is_err());
    }
}
