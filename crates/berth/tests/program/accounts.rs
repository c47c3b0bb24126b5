//! Accounts by the program's own commands: on a stopped server, on a running one, and by a link.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::server::{Said, Server, berth, said};
use crate::serving::push;

const PASSWORD: &str = "correct horse battery staple";

/// Runs a command with something on its standard input.
fn fed(command: &mut Command, input: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("it was piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("the program speaks UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn add(folder: &Path, arguments: &[&str]) {
    let arguments = [&["user", "add", "--password-stdin"], arguments].concat();
    let added = fed(&mut berth(folder, &arguments), PASSWORD);
    assert_eq!(added.code, Some(0), "{}", added.err);
}

/// Runs a command that must succeed.
fn run(folder: &Path, arguments: &[&str]) -> String {
    let said = said(&mut berth(folder, arguments));
    assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.err);
    said.out
}

fn as_somebody(server: &Server, user: &str, secret: &str, method: &str, path: &str) -> Answer {
    let value = format!("Basic {}", base64(&format!("{user}:{secret}")));
    server.ask(&Request::new(method, path).header("Authorization", &value))
}

fn status(server: &Server, user: &str, secret: &str, path: &str) -> u16 {
    as_somebody(server, user, secret, "GET", path).status
}

/// The tests need no more of it than this.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= three.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    out
}

#[test]
fn accounts_are_made_on_a_stopped_and_on_a_running_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = fed(&mut berth(folder.path(), &["user", "add", "alice", "--password-stdin"]), PASSWORD);
    assert_eq!(first.code, Some(1));
    assert!(first.err.contains("the first user must be an administrator"), "{}", first.err);
    add(folder.path(), &["root-of-all", "--admin"]);
    let server = Server::start(folder.path());
    assert!(
        server.greeting[2].starts_with("Sign in, then push: docker login localhost:"),
        "{:?}",
        server.greeting
    );
    assert_eq!(server.get("/v2/").status, 401);
    let challenge = server.get("/v2/").header("WWW-Authenticate").to_owned();
    assert_eq!(challenge, format!("Bearer realm=\"http://{}/token\",service=\"berth\"", server.address));
    add(folder.path(), &["alice"]);
    assert_eq!(status(&server, "alice", PASSWORD, "/v2/"), 200);
    assert_eq!(status(&server, "alice", "wrong", "/v2/"), 401);
    assert!(run(folder.path(), &["user", "list"]).contains("administrator"));

    run(folder.path(), &["user", "disable", "alice"]);
    let disabled = Instant::now();
    assert_eq!(status(&server, "alice", PASSWORD, "/v2/"), 401);
    assert!(disabled.elapsed() < Duration::from_secs(5));
    run(folder.path(), &["user", "enable", "alice"]);
    assert_eq!(status(&server, "alice", PASSWORD, "/v2/"), 200);
    let changed = fed(
        &mut berth(folder.path(), &["user", "passwd", "alice", "--password-stdin"]),
        "another password\n",
    );
    assert_eq!(changed.code, Some(0), "{}", changed.err);
    assert_eq!(status(&server, "alice", PASSWORD, "/v2/"), 401);
    assert_eq!(status(&server, "alice", "another password", "/v2/"), 200, "the line break is not part of it");
    run(folder.path(), &["user", "remove", "alice"]);
    assert_eq!(status(&server, "alice", "another password", "/v2/"), 401);
    server.kill();
    assert!(run(folder.path(), &["user", "list"]).contains("root-of-all"), "and after the server is gone");
}

#[test]
fn images_of_before_belong_to_administrators() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    push(&server, "old/app", "1.0");
    push(&server, "alice/app", "1.0");
    add(folder.path(), &["root-of-all", "--admin"]);
    let manifest = "/v2/old/app/manifests/1.0";
    assert_eq!(server.get(manifest).status, 401, "accounts count from the moment there is one");
    assert_eq!(status(&server, "root-of-all", PASSWORD, manifest), 200);
    let added = fed(&mut berth(folder.path(), &["user", "add", "alice", "--password-stdin"]), PASSWORD);
    assert!(added.out.contains("alice/app"), "it is told what she owns now: {}", added.out);
    assert_eq!(status(&server, "alice", PASSWORD, manifest), 403);
    assert_eq!(status(&server, "alice", PASSWORD, "/v2/alice/app/manifests/1.0"), 200);
    let kept = said(&mut berth(folder.path(), &["user", "remove", "alice"]));
    assert_eq!(kept.code, Some(1));
    assert!(kept.err.contains("alice/app"), "{}", kept.err);
    run(folder.path(), &["user", "remove", "alice", "--keep"]);
    run(folder.path(), &["repo", "set", "old/app", "--visibility", "public", "--description", "An old app"]);
    assert_eq!(server.get(manifest).status, 200, "a public one is pulled without a name");
    assert!(run(folder.path(), &["repo", "show", "old/app"]).contains("An old app"));
}

#[test]
fn a_link_makes_the_first_administrator_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = berth(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    command.env("BERTH_LOG_REQUESTS", "true");
    let log = fs::File::create(folder.path().join("log")).expect("a file");
    let mut server = Server::start_logging_to(command, log.into());
    let secret = server.link().rsplit_once("/setup/").expect("a link").1.to_owned();
    let path = format!("/setup/{secret}");
    let page = server.get(&path);
    assert_eq!(page.status, 200);
    assert!(page.header("Content-Security-Policy").contains("default-src 'none'"));
    assert_eq!(page.header("Referrer-Policy"), "no-referrer");
    let form = |body: String| server.ask(&Request::new("POST", &path).body(body.as_bytes()));
    let fields =
        |name: &str, password: &str, again: &str| format!("name={name}&password={password}&again={again}");
    for (wrong, sentence) in [
        (fields("boss", "long+enough", "another"), "not the same"),
        (fields("boss", "short", "short"), "8 to 1024"),
        (fields("B", "long+enough", "long+enough"), "cannot be the name"),
        (fields("", "long+enough", "long+enough"), "choose a name"),
    ] {
        let again = form(wrong);
        assert_eq!(again.status, 400);
        assert!(again.text().contains(sentence), "{sentence}: {}", again.text());
    }
    assert_eq!(server.get("/v2/").status, 503, "still nobody");
    assert_eq!(form(fields("boss", "long+enough", "long+enough")).status, 200);
    assert_eq!(form(fields("eve", "long+enough", "long+enough")).status, 404, "it works once");
    assert_eq!(server.get(&path).status, 404);
    assert_eq!(status(&server, "boss", "long enough", "/v2/"), 200);
    assert_eq!(server.get("/setup/berth_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").status, 404);
    server.kill();
    let log = fs::read_to_string(folder.path().join("log")).expect("it was logged");
    assert!(log.contains("/setup/") && !log.contains(&secret), "the link is a secret");
    assert!(!log.contains("long+enough") && !log.contains("long enough"));
}

#[test]
fn a_fresh_registry_has_no_working_password() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    add(folder.path(), &["root-of-all", "--admin"]);
    let server = Server::start(folder.path());
    for user in [
        "admin",
        "root",
        "administrator",
        "user",
        "test",
        "registry",
        "harbor",
        "owner",
        "anonymous",
        "berth",
    ] {
        for password in ["admin", "password", "Harbor12345", "admin123", "root123", "registry", "", "owner"] {
            if user.is_empty() && password.is_empty() {
                continue;
            }
            let answered = status(&server, user, password, "/v2/");
            assert!(matches!(answered, 401 | 429), "{user}:{password} got {answered}");
        }
    }
}

#[test]
fn rights_tokens_and_robots_by_commands() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    push(&server, "acme/app", "1.0");
    let here = folder.path();
    add(here, &["root-of-all", "--admin"]);
    add(here, &["alice"]);
    add(here, &["bob"]);
    run(here, &["team", "add", "acme"]);
    run(here, &["team", "member", "acme", "alice", "write"]);
    assert!(run(here, &["team", "list"]).contains("alice (write)"));
    let manifest = "/v2/acme/app/manifests/1.0";
    assert_eq!(status(&server, "alice", PASSWORD, manifest), 200);
    assert_eq!(status(&server, "bob", PASSWORD, manifest), 403);
    let why = |subject: &str, action: &str| run(here, &["why", subject, action, "acme/app"]);
    assert!(
        why("alice", "push").starts_with("yes: ")
            && why("alice", "push").contains("role write in the team acme")
    );
    assert!(why("alice", "delete").starts_with("no: "));
    assert!(why("anonymous", "pull").contains("sign in"));
    run(here, &["grant", "add", "bob", "acme/app", "pull"]);
    assert_eq!(status(&server, "bob", PASSWORD, manifest), 200);
    assert!(why("bob", "pull").contains("by grant"));
    let wide = said(&mut berth(here, &["grant", "add", "bob", "**", "pull"]));
    assert!(wide.err.contains("--wide"), "{}", wide.err);

    run(here, &["robot", "add", "acme.ci"]);
    run(here, &["grant", "add", "acme.ci", "acme/**", "pull,push"]);
    let token: Value = serde_json::from_str(&run(
        here,
        &[
            "token",
            "add",
            "ci",
            "--account",
            "acme.ci",
            "--actions",
            "pull",
            "--repository",
            "acme/app",
            "--json",
        ],
    ))
    .expect("JSON");
    let secret = token["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("berth_"));
    assert_eq!(status(&server, "any-name", secret, manifest), 200);
    let pushed = as_somebody(&server, "any-name", secret, "POST", "/v2/acme/app/blobs/uploads/");
    assert_eq!(pushed.status, 403);
    assert!(pushed.text().contains("not meant for push"), "{}", pushed.text());
    assert!(run(here, &["token", "list"]).contains("acme.ci"));
    run(here, &["token", "revoke", &token["id"].to_string()]);
    assert_eq!(status(&server, "any-name", secret, manifest), 401);
    let audit = run(here, &["audit", "--action", "token"]);
    assert!(
        audit.contains("token.add") && audit.contains("token.revoke") && !audit.contains(secret),
        "{audit}"
    );
    let audit: Value = serde_json::from_str(&run(here, &["audit", "--json"])).expect("JSON");
    assert!(
        audit["entries"]
            .as_array()
            .is_some_and(|entries| entries.iter().any(|entry| entry["actor"] == json!("bob")))
    );
}

#[test]
fn a_folder_that_is_not_there_is_told_and_not_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refused = said(&mut berth(folder.path(), &["user", "list"]));
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("there is no data folder") && refused.err.contains("--data"),
        "{}",
        refused.err
    );
    assert!(!folder.path().join("berth-data").exists());
}
