//! The upstreams are what they say, asked by other programs than a mirror.

use std::path::Path;
use std::process::Command;

use super::{Front, Secured, TokenServer, Upstream};
use crate::http::{Connection, Request};

fn curl(arguments: &[&str]) -> (String, bool) {
    let output =
        Command::new("curl").args(["--silent", "--show-error", "--fail"]).args(arguments).output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

/// `docker-registry` is a program of its own; without it there is nothing to test.
fn is_there(programs: &[&str]) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = |program: &&str| std::env::split_paths(&paths).any(|folder| folder.join(program).is_file());
    let all = programs.iter().all(found);
    assert!(all || std::env::var_os("CI").is_none(), "missing one of {programs:?}");
    all
}

fn scratch() -> tempfile::TempDir {
    crate::folders::scratch("upstream").unwrap()
}

#[test]
fn a_token_opens_what_it_was_given_for() {
    if !is_there(&["docker-registry", "openssl", "curl"]) {
        return;
    }
    let folder = scratch();
    let tokens = TokenServer::start(&folder.path().join("tokens"), "ann", "right").unwrap();
    let upstream = Upstream::with_tokens(&folder.path().join("registry"), &tokens).unwrap();
    let list = format!("{}/v2/a/b/tags/list", upstream.proxy.url());
    let challenge = Connection::new(upstream.proxy.address()).send(&Request::new("GET", "/v2/")).unwrap();
    let challenge = challenge.header("www-authenticate").unwrap().to_owned();
    let realm = challenge.split('"').nth(1).unwrap();
    let url = format!("{realm}?service=upstream.test&scope=repository:a/b:pull,push");
    assert!(!curl(&["--user", "ann:wrong", &url]).1);
    for (user, opens) in [(Some("ann:right"), true), (None, false)] {
        let (said, got) = curl(
            &[&["--user", user.unwrap_or_default()][..2 * usize::from(user.is_some())], &[&url]].concat(),
        );
        assert!(got, "{said}");
        let token: serde_json::Value = serde_json::from_str(&said).unwrap();
        let header = format!("Authorization: Bearer {}", token["token"].as_str().unwrap());
        let request = Request::new("GET", "/v2/a/b/tags/list").header("Authorization", &header[15..]);
        let status = Connection::new(upstream.proxy.address()).send(&request).unwrap().status;
        // With the right, the repository is looked for, and is not there.
        assert_eq!(status, if opens { 404 } else { 401 }, "{list} for {user:?}");
    }
    assert_eq!(tokens.answered(), [401, 200, 200]);
}

#[test]
fn tls_goes_wrong_when_it_is_told_to() {
    if !is_there(&["docker-registry", "openssl", "curl", "nginx", "setpriv"]) {
        return;
    }
    let folder = scratch();
    let upstream = Upstream::open(&folder.path().join("registry")).unwrap();
    let secured = Secured::start(&folder.path().join("tls"), upstream.proxy.address()).unwrap();
    let url = format!("{}/v2/", secured.url());
    let asks = |authority: &Path| curl(&["--cacert", &authority.to_string_lossy(), &url]).1;
    for (front, works) in
        [(Front::Right, true), (Front::OtherName, false), (Front::Plain, false), (Front::Right, true)]
    {
        secured.show(front);
        assert_eq!(asks(&secured.authority), works, "{front:?}");
    }
}
