//! Docker's `daemon.json`: mirrors of Docker Hub, and registries that are spoken to without TLS.

use std::io::ErrorKind;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use crate::{ConfigError, Folders};

/// What the daemon was told of registries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Daemon {
    /// Addresses of mirrors of Docker Hub (`https://m.example`), which are asked for pulls in this order.
    #[serde(rename = "registry-mirrors", default)]
    pub mirrors: Vec<String>,
    /// Hosts (`r.example:5000`) and networks (`10.0.0.0/8`).
    #[serde(rename = "insecure-registries", default)]
    insecure: Vec<String>,
}

impl Daemon {
    /// Reads the user's `daemon.json`, or that of the system. None says nothing.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Damaged`].
    pub fn read(folders: &Folders) -> Result<Daemon, ConfigError> {
        for path in folders.daemon() {
            let text = match std::fs::read(&path) {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    continue;
                }
                text => text.map_err(|source| ConfigError::Read { path: path.clone(), source })?,
            };
            if text.trim_ascii().is_empty() {
                return Ok(Daemon::default());
            }
            let damaged = |error: serde_json::Error| ConfigError::Damaged { path, what: error.to_string() };
            return serde_json::from_slice(&text).map_err(damaged);
        }
        Ok(Daemon::default())
    }

    /// Whether a registry (`host[:port]`) may be spoken to without TLS, or with any certificate.
    pub fn is_insecure(&self, registry: &str) -> bool {
        let address = host(registry).parse::<IpAddr>().ok();
        is_loopback(registry)
            || self.insecure.iter().any(|entry| match entry.parse::<IpNet>() {
                Ok(network) => address.is_some_and(|address| network.contains(&address)),
                Err(_) => entry.trim_end_matches('/').eq_ignore_ascii_case(registry),
            })
    }
}

/// Whether a registry is this machine, by an address or as `localhost`: what goes there is seen by nobody else.
pub fn is_loopback(registry: &str) -> bool {
    let host = host(registry);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A host without its port and brackets.
fn host(registry: &str) -> &str {
    if let Some(rest) = registry.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match registry.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => registry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_what_was_named_go_without_tls() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders { etc: root.path().to_owned(), ..Folders::default() };
        assert_eq!(Daemon::read(&folders).unwrap(), Daemon::default());
        std::fs::create_dir(root.path().join("docker")).unwrap();
        let text = r#"{"registry-mirrors":["https://m.example"],"insecure-registries":["r.example:5000","10.0.0.0/8"],"debug":true}"#;
        std::fs::write(root.path().join("docker/daemon.json"), text).unwrap();
        let daemon = Daemon::read(&folders).unwrap();
        assert_eq!(daemon.mirrors, ["https://m.example"]);
        for (registry, insecure) in [
            ("r.example:5000", true),
            ("r.example", false),
            ("10.0.1.70:5000", true),
            ("11.0.1.70:5000", false),
            ("127.0.0.9:5000", true),
            ("localhost", true),
            ("localhost:5000", true),
            ("[::1]:5000", true),
            ("::1", true),
            ("localhost.evil.example", false),
            ("quay.io", false),
        ] {
            assert_eq!(daemon.is_insecure(registry), insecure, "{registry}");
        }
        std::fs::write(root.path().join("docker/daemon.json"), "{").unwrap();
        assert!(matches!(Daemon::read(&folders), Err(ConfigError::Damaged { .. })));
    }
}
