//! Where docker's engine listens.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use berth_oci::Digest;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::failure::Failure;

/// Where it listens if nothing is said.
const USUAL: &str = "unix:///var/run/docker.sock";
/// Its usual port without TLS.
const PORT: u16 = 2375;

/// The address of an engine on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    /// A port of the loop-back interface: what goes there stays here.
    Loopback(SocketAddr),
}

/// A connection of either sort.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl Stream for UnixStream {}
impl Stream for TcpStream {}

impl Address {
    /// The address that docker itself would go to.
    ///
    /// # Errors
    /// That it is none of this machine, or of a sort that only docker knows.
    pub(super) fn find(
        get: impl Fn(&str) -> Option<String>,
        docker: Option<&Path>,
    ) -> Result<Address, Failure> {
        let told = get("DOCKER_HOST")
            .map_or_else(|| of_context(get("DOCKER_CONTEXT"), docker), |host| Ok(Some(host)))?;
        let host = told.as_deref().unwrap_or(USUAL);
        let address = match host.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Some(Address::Unix(path.into())),
            Some(("tcp", place)) if get("DOCKER_TLS_VERIFY").is_none() => {
                loopback(place).map(Address::Loopback)
            }
            _ => None,
        };
        address.ok_or_else(|| {
            Failure::other(format!(
                "the engine of docker is at {host}, and only unix:// and tcp://127.0.0.1 are spoken to"
            ))
            .hint("'docker save NAME | berth load' and 'berth save NAME | docker load' go by docker itself")
        })
    }

    pub(super) async fn connect(&self) -> io::Result<TokioIo<Box<dyn Stream>>> {
        Ok(TokioIo::new(match self {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Loopback(address) => Box::new(TcpStream::connect(address).await?),
        }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Loopback(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// `127.0.0.1:2375`, `[::1]:2375`, `localhost`.
fn loopback(place: &str) -> Option<SocketAddr> {
    let place = place.trim_end_matches('/');
    let named = match place.strip_prefix("localhost") {
        Some(rest) => format!("{}{rest}", Ipv4Addr::LOCALHOST),
        None => place.to_owned(),
    };
    let bare = named.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&named);
    let address = named.parse::<SocketAddr>().ok();
    let address = address.or_else(|| Some(SocketAddr::new(bare.parse::<IpAddr>().ok()?, PORT)))?;
    address.ip().is_loopback().then_some(address)
}

/// The address of the context that docker works in (`docker context`); `None` if that is the usual one.
fn of_context(named: Option<String>, docker: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(docker) = docker else { return Ok(None) };
    let read = |path: PathBuf| serde_json::from_slice::<Value>(&std::fs::read(path).ok()?).ok();
    let chosen = || Some(read(docker.join("config.json"))?["currentContext"].as_str()?.to_owned());
    let Some(name) = named.or_else(chosen).filter(|name| !name.is_empty() && name != "default") else {
        return Ok(None);
    };
    let folder = docker.join("contexts/meta").join(Digest::sha256(name.as_bytes()).hex());
    let host = read(folder.join("meta.json"))
        .and_then(|meta| Some(meta["Endpoints"]["docker"]["Host"].as_str()?.to_owned()));
    match host {
        Some(host) => Ok(Some(host)),
        None => Err(Failure::other(format!("docker's context {name:?} names no engine"))
            .hint("'docker context ls' lists those that there are; DOCKER_HOST decides over all of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], docker: Option<&Path>) -> Result<String, String> {
        let get = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Address::find(get, docker).map(|address| address.to_string()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn engines_of_this_machine_are_spoken_to() {
        assert_eq!(found(&[], None).unwrap(), USUAL);
        for (host, expected) in [
            ("unix:///run/user/7/docker.sock", Some("unix:///run/user/7/docker.sock")),
            ("tcp://127.0.0.1:2375", Some("tcp://127.0.0.1:2375")),
            ("tcp://localhost:2376/", Some("tcp://127.0.0.1:2376")),
            ("tcp://localhost", Some("tcp://127.0.0.1:2375")),
            ("tcp://[::1]:2375", Some("tcp://[::1]:2375")),
            ("tcp://[::1]", Some("tcp://[::1]:2375")),
            ("tcp://10.0.0.1:2375", None),
            ("tcp://docker.example:2375", None),
            ("tcp://localhost.example:2375", None),
            ("ssh://ann@build", None),
            ("unix://", None),
            ("/var/run/docker.sock", None),
        ] {
            let found = found(&[("DOCKER_HOST", host)], None);
            assert_eq!(found.as_deref().ok(), expected, "{host}: {found:?}");
        }
        let tls = [("DOCKER_HOST", "tcp://127.0.0.1:2376"), ("DOCKER_TLS_VERIFY", "1")];
        assert!(found(&tls, None).is_err());
    }

    #[test]
    fn the_context_of_docker_counts_unless_a_variable_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let docker = folder.path();
        let meta = docker.join("contexts/meta").join(Digest::sha256(b"rootless").hex());
        std::fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Name":"rootless","Endpoints":{"docker":{"Host":"unix:///run/user/7/docker.sock"}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let of = |variables: &[(&str, &str)]| found(variables, Some(docker));
        assert_eq!(of(&[]).unwrap(), USUAL);
        assert_eq!(of(&[("DOCKER_CONTEXT", "rootless")]).unwrap(), "unix:///run/user/7/docker.sock");
        std::fs::write(docker.join("config.json"), r#"{"currentContext":"rootless"}"#).unwrap();
        assert_eq!(of(&[]).unwrap(), "unix:///run/user/7/docker.sock");
        assert_eq!(of(&[("DOCKER_CONTEXT", "default")]).unwrap(), USUAL);
        assert_eq!(of(&[("DOCKER_HOST", "unix:///x")]).unwrap(), "unix:///x");
        assert_eq!(
            of(&[("DOCKER_CONTEXT", "other")]).unwrap_err(),
            "docker's context \"other\" names no engine"
        );
    }
}
