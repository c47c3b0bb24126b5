//! What is said of a registry that gives no answer, or not the one that was wanted.

use std::io::{Error, ErrorKind};

use berth_client::{ClientError, EgressError, FindError, TlsTrouble};
use berth_oci::DOCKER_HUB;

use super::REQUIRED;
use crate::failure::Failure;

/// The failure of a registry, whatever it was asked.
pub(crate) fn of_registry(registry: &str, error: ClientError) -> Failure {
    let login = || match registry {
        DOCKER_HUB => "berth login".to_owned(),
        registry => format!("berth login {registry}"),
    };
    let (text, hint) = match error {
        ClientError::Egress(error) => return of_connection(registry, error),
        ClientError::Unauthorized { message, is_wrong } => {
            let usual = if is_wrong { "incorrect username or password" } else { REQUIRED };
            let again = if is_wrong { " anew" } else { "" };
            let said = message.unwrap_or_else(|| usual.to_owned());
            (format!("unauthorized: {said}"), format!("'{}' signs in{again}", login()))
        }
        ClientError::Denied { message } => {
            let said = message.unwrap_or_else(|| "requested access to the resource is denied".to_owned());
            (format!("denied: {said}"), format!("'{}' signs in; who did needs the right to do this", login()))
        }
        ClientError::TooMany { retry_after } => {
            let when = retry_after
                .map_or_else(|| "later".to_owned(), |wait| format!("in {} s", wait.as_secs().max(1)));
            let more = format!("who is signed in ('{}') may often ask more", login());
            ("toomanyrequests: it was asked too often (429)".to_owned(), format!("try again {when}; {more}"))
        }
        ClientError::Server { status, message } => {
            let said = message.map(|message| format!(" (the registry says: {message})")).unwrap_or_default();
            let later = "the trouble is at the registry: try again later, or tell who runs it".to_owned();
            (format!("received unexpected HTTP status: {status}{said}"), later)
        }
        error @ (ClientError::Unexpected { .. } | ClientError::Useless { .. } | ClientError::NotFound) => {
            let what = match error {
                ClientError::NotFound => "404 page not found: this is no registry's answer".to_owned(),
                error => error.to_string(),
            };
            (what, format!("see whether {registry} is right: a registry answers at https://{registry}/v2/"))
        }
        error => return Failure::other(AtRegistry { registry: registry.to_owned(), error }),
    };
    Failure::other(format!("{registry}: {text}")).hint(hint)
}

/// The failure to find out how a registry is spoken to.
pub(crate) fn unfound(registry: &str, error: FindError) -> Failure {
    match error {
        FindError::Client(error) => of_registry(registry, error),
        FindError::Plain { .. } => {
            let (text, hint) = without_tls();
            Failure::other(format!("{registry}: {text}")).hint(hint)
        }
        error => Failure::other(error),
    }
}

fn of_connection(registry: &str, error: EgressError) -> Failure {
    let (host, (text, hint)) = match &error {
        EgressError::Name { host, source } => (host, of_name(host, source)),
        EgressError::Connect { host, source } => (host, of_connect(source)),
        EgressError::Tls { host, trouble, source } => (host, of_tls(registry, host, *trouble, source)),
        EgressError::TooSlow(_) | EgressError::Broken(_) => {
            let again = "try again: what has arrived is not transferred again";
            return Failure::other(AtRegistry { registry: registry.to_owned(), error: error.into() })
                .hint(again);
        }
        _ => return Failure::other(AtRegistry { registry: registry.to_owned(), error: error.into() }),
    };
    // It may be a proxy, or a host for tokens.
    let is_other = !registry.starts_with(host.as_str()) && !text.contains(host.as_str());
    let whose = if is_other { format!("{host}: ") } else { String::new() };
    Failure::other(format!("{registry}: {whose}{text}")).hint(hint)
}

fn of_name(host: &str, source: &Error) -> (String, String) {
    match source.to_string().contains("Temporary failure") {
        true => (
            format!("lookup {host}: temporary failure in name resolution"),
            "the DNS of this machine does not answer: see whether there is a network".to_owned(),
        ),
        false => (
            format!("lookup {host}: no such host"),
            "see whether the name of the registry is right".to_owned(),
        ),
    }
}

fn of_connect(source: &Error) -> (String, String) {
    let runs = "see whether the registry runs, and whether host and port are right".to_owned();
    match source.kind() {
        ErrorKind::ConnectionRefused => ("connection refused".to_owned(), runs),
        ErrorKind::TimedOut => (
            "i/o timeout: nobody answers there".to_owned(),
            "see whether host and port are right; a firewall, or a proxy that is not named, may be between"
                .to_owned(),
        ),
        _ => (format!("no connection: {source}"), runs),
    }
}

fn of_tls(registry: &str, host: &str, trouble: TlsTrouble, source: &Error) -> (String, String) {
    let renew = "who runs it has to renew it; --insecure takes any certificate".to_owned();
    match trouble {
        TlsTrouble::None => without_tls(),
        TlsTrouble::Authority => (
            "x509: certificate signed by unknown authority".to_owned(),
            format!(
                "put its authority's certificate into ~/.config/containers/certs.d/{registry}/ca.crt \
                 (or Docker's /etc/docker/certs.d); --insecure takes any certificate"
            ),
        ),
        TlsTrouble::OtherName => (
            format!("x509: certificate is not valid for {host}"),
            "name the registry as its certificate does; --insecure takes any certificate".to_owned(),
        ),
        TlsTrouble::Expired => ("x509: certificate has expired".to_owned(), renew),
        TlsTrouble::NotYetValid => (
            "x509: certificate is not yet valid".to_owned(),
            "see whether the clock of this machine is right".to_owned(),
        ),
        _ => (format!("tls: {source}"), "see whether it is the right port, and speaks TLS".to_owned()),
    }
}

fn without_tls() -> (String, String) {
    let hint = "if nobody can listen on the way to it, --insecure goes without TLS; \
                'insecure-registries' of Docker's daemon.json makes that lasting";
    ("http: server gave HTTP response to HTTPS client".to_owned(), hint.to_owned())
}

/// An error with the registry that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{registry}: {error}")]
struct AtRegistry {
    registry: String,
    #[source]
    error: ClientError,
}
