//! Each trouble is one sentence and one hint.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use berth_client::{EgressError, TlsTrouble};
use http::StatusCode;

use super::*;

const HOST: &str = "r.example:5000";

/// A failure as it is told.
fn told(failure: &Failure) -> (String, String) {
    let text = failure.text(false);
    let lines: Vec<_> = text.lines().collect();
    match lines[..] {
        [error, hint] => (error.replacen("error: ", "", 1), hint.replacen("hint: ", "", 1)),
        _ => panic!("one sentence and one hint: {text}"),
    }
}

fn tls(trouble: TlsTrouble) -> ClientError {
    let (host, source) = ("r.example".to_owned(), Error::other("HandshakeFailure"));
    EgressError::Tls { host, trouble, source }.into()
}

fn connect(host: &str, kind: ErrorKind) -> ClientError {
    EgressError::Connect { host: host.to_owned(), source: kind.into() }.into()
}

fn name(why: &str) -> ClientError {
    EgressError::Name { host: "r.example".to_owned(), source: Error::other(why.to_owned()) }.into()
}

#[test]
fn a_registry_that_cannot_be_reached() {
    for (error, text, hint) in [
        (
            name("Name or service not known"),
            "lookup r.example: no such host",
            "name of the registry is right",
        ),
        (name("Temporary failure in name resolution"), "temporary failure in name resolution", "DNS"),
        (connect("r.example", ErrorKind::ConnectionRefused), "r.example:5000: connection refused", "runs"),
        (connect("proxy", ErrorKind::ConnectionRefused), "r.example:5000: proxy: connection refused", "port"),
        (connect("r.example", ErrorKind::TimedOut), "i/o timeout", "firewall"),
        (connect("r.example", ErrorKind::NetworkUnreachable), "no connection: network unreachable", "runs"),
        (
            tls(TlsTrouble::Authority),
            "x509: certificate signed by unknown authority",
            "certs.d/r.example:5000/",
        ),
        (
            tls(TlsTrouble::OtherName),
            "x509: certificate is not valid for r.example",
            "as its certificate does",
        ),
        (tls(TlsTrouble::Expired), "x509: certificate has expired", "renew"),
        (tls(TlsTrouble::NotYetValid), "x509: certificate is not yet valid", "clock"),
        (tls(TlsTrouble::None), "server gave HTTP response to HTTPS client", "--insecure"),
        (tls(TlsTrouble::Other), "tls: HandshakeFailure", "port"),
        (EgressError::TooSlow(Duration::from_secs(30)).into(), "came within 30 s", "try again"),
        (EgressError::Broken("reset".into()).into(), "the connection broke: reset", "try again"),
    ] {
        let (said, advice) = told(&of_registry(HOST, error));
        assert!(said.starts_with("r.example:5000: ") && said.contains(text), "{said}");
        assert!(advice.contains(hint), "{said}: {advice}");
        assert_eq!(said.matches("r.example:5000").count(), 1, "said once: {said}");
    }
}

#[test]
fn a_registry_that_answers_something_else() {
    let message = || Some("wrong password".to_owned());
    let page = ClientError::Unexpected { status: StatusCode::IM_A_TEAPOT };
    for (error, text, hint) in [
        (
            ClientError::Unauthorized { message: message(), is_wrong: true },
            "unauthorized: wrong password",
            "anew",
        ),
        (
            ClientError::Unauthorized { message: None, is_wrong: true },
            "unauthorized: incorrect username or password",
            "'berth login r.example:5000' signs in anew",
        ),
        (
            ClientError::Unauthorized { message: None, is_wrong: false },
            "unauthorized: authentication required",
            "'berth login r.example:5000' signs in",
        ),
        (
            ClientError::Denied { message: None },
            "denied: requested access to the resource is denied",
            "right",
        ),
        (
            ClientError::TooMany { retry_after: Some(Duration::from_secs(60)) },
            "toomanyrequests: ",
            "try again in 60 s",
        ),
        (ClientError::TooMany { retry_after: None }, "toomanyrequests: ", "try again later"),
        (
            ClientError::Server { status: StatusCode::SERVICE_UNAVAILABLE, message: message() },
            "received unexpected HTTP status: 503 Service Unavailable (the registry says: wrong password)",
            "later",
        ),
        (page, "status 418, which no registry does", "https://r.example:5000/v2/"),
        (ClientError::NotFound, "404 page not found", "https://r.example:5000/v2/"),
        (
            ClientError::Useless { what: "its list of tags is none" },
            "its list of tags is none",
            "https://r.example:5000/v2/",
        ),
    ] {
        let (said, advice) = told(&of_registry(HOST, error));
        assert!(said.starts_with("r.example:5000: ") && said.contains(text), "{said}");
        assert!(advice.contains(hint), "{said}: {advice}");
    }
    let hub = told(&of_registry(DOCKER_HUB, ClientError::TooMany { retry_after: None })).1;
    assert!(hub.contains("('berth login')"), "{hub}");
}

#[test]
fn an_image_that_cannot_be_had() {
    let image = names::image("r.example:5000/team/app:1.9").unwrap();
    let official = names::image("nothing").unwrap();
    let required = || ClientError::Unauthorized { message: Some(REQUIRED.to_owned()), is_wrong: false };
    let denied = |message: &str| ClientError::Denied { message: Some(message.to_owned()) };
    for (doing, image, error, text, hint) in [
        (
            Doing::Pulling,
            &image,
            ClientError::NotFound,
            "manifest for r.example:5000/team/app:1.9 not found: manifest unknown",
            "berth tags r.example:5000/team/app'",
        ),
        (
            Doing::Pulling,
            &official,
            required(),
            "pull access denied for nothing, repository does not exist or may require 'berth login': \
             denied: requested access to the resource is denied",
            "Docker Hub",
        ),
        (
            Doing::Pushing,
            &image,
            denied("the quota is used up"),
            "denied: requested access to the resource is denied (the registry says: the quota is used up)",
            "'berth login r.example:5000'",
        ),
        (
            Doing::Deleting,
            &image,
            denied("requested access to the resource is denied"),
            "denied: requested access to the resource is denied",
            "right",
        ),
        (
            Doing::Pulling,
            &image,
            ClientError::Unauthorized { message: None, is_wrong: true },
            "r.example:5000: unauthorized: incorrect username or password",
            "anew",
        ),
    ] {
        let (said, advice) = told(&trouble(doing, image, error));
        assert_eq!(said, text);
        assert!(advice.contains(hint), "{said}: {advice}");
    }
}
