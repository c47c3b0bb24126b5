//! Looking at registries of every kind, and signing in there, as people see it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use berth_oci::Digest;

use crate::desk::{Desk, address};
use crate::fake::{Asked, Fake, Reply};
use crate::server::{Said, Server, said};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PASSWORD: &str = "correct horse battery";
/// `ann` and that password, as Basic has them.
const ANN: &str = "Basic YW5uOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";

/// Runs a command with something on its standard input.
fn fed(desk: &Desk, arguments: &[&str], input: &str) -> Said {
    let mut command = desk.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("it was piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("the program speaks UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The sign-ins that are kept.
fn kept(desk: &Desk) -> String {
    fs::read_to_string(desk.path("home/.docker/config.json")).unwrap_or_default()
}

/// A manifest of this type, as a registry answers with it.
fn manifest(media_type: &str, content: &str) -> Reply {
    let digest = Digest::sha256(content.as_bytes());
    Reply::new(200, &[("content-type", media_type)], content)
        .with("docker-content-digest", &digest.to_string())
}

/// An entry of an index or a manifest.
fn descriptor(media_type: &str, content: &str, more: &str) -> String {
    let digest = Digest::sha256(content.as_bytes());
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}{more}}}"#, content.len())
}

/// A registry as docker's is before 3.0: no search, no referrers, deletion by digest alone. It has one index with two
/// platforms, under three tags.
fn distribution(is_deleting: bool) -> Fake {
    let config = r#"{"architecture":"arm64","os":"linux"}"#;
    let layer = descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "layer", "");
    let config_type = "application/vnd.oci.image.config.v1+json";
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{layer},{layer}]}}"#,
        descriptor(config_type, config, "")
    );
    let arm = descriptor(MANIFEST, &image, r#","platform":{"os":"linux","architecture":"arm64"}"#);
    let other = descriptor(MANIFEST, "other", r#","platform":{"os":"plan9","architecture":"mips"}"#);
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{arm},{other}]}}"#);
    let more = r#","artifactType":"application/spdx+json","annotations":{"a":"\u001b[31mred","b":"c"}"#;
    let bill = descriptor(MANIFEST, "bill", more);
    let signature = descriptor(MANIFEST, "signature", r#","artifactType":"application/signature""#);
    let list = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{bill},{signature}]}}"#);
    let (top, inner) = (Digest::sha256(index.as_bytes()), Digest::sha256(image.as_bytes()));
    let (blob, listed) =
        (Digest::sha256(config.as_bytes()), format!("sha256-{}", Digest::sha256(index.as_bytes()).hex()));
    Fake::start(move |asked| {
        let at = asked.target.strip_prefix("/v2/team/app/").unwrap_or_default();
        let unsupported = r#"{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#;
        let invalid = r#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]}"#;
        match (asked.method.as_str(), at) {
            ("DELETE", _) if !is_deleting => Reply::json(405, unsupported),
            ("DELETE", at) if at.contains("sha256:") => Reply::json(202, ""),
            ("DELETE", _) => Reply::json(400, invalid),
            (_, "manifests/1.9" | "manifests/latest") => manifest(INDEX, &index),
            (_, at) if at == format!("manifests/{top}") => manifest(INDEX, &index),
            (_, at) if at == format!("manifests/{inner}") => manifest(MANIFEST, &image),
            (_, at) if at == format!("manifests/{listed}") => manifest(INDEX, &list),
            (_, at) if at == format!("blobs/{blob}") => Reply::new(200, &[], config),
            (_, "manifests/old") => manifest(MANIFEST, &image),
            (_, "tags/list?n=1000") => {
                let link = "</v2/team/app/tags/list?next_page=x>; rel=\"next\"";
                Reply::new(200, &[("link", link)], r#"{"tags":["1.9","old"]}"#)
            }
            (_, "tags/list?next_page=x") => Reply::json(200, r#"{"tags":["latest"]}"#),
            _ if asked.target == "/v2/" => Reply::json(200, "{}"),
            _ if asked.target.starts_with("/v2/_catalog") => {
                Reply::json(200, r#"{"repositories":["other","team/app","team/web"]}"#)
            }
            _ => Reply::new(404, &[], "404 page not found"),
        }
    })
}

#[test]
fn an_older_registry_is_looked_at_and_deletes_what_it_can() {
    let desk = Desk::new();
    let registry = distribution(true);
    let told = desk.transcript(
        &registry.address,
        &[
            "ls R/team",
            "search R/app",
            "tags R/team/app",
            "tags R/team/app:1.9",
            "tags R/nothing",
            "digest R/team/app:1.9",
            "digest --json R/team/app:1.9",
            "digest --platform linux/arm64 R/team/app:1.9",
            "digest --platform linux/riscv64 R/team/app:1.9",
            "config --platform linux/arm64 R/team/app:1.9",
            "layers --platform linux/arm64 R/team/app:1.9",
            "referrers R/team/app:1.9",
            "referrers --artifact-type application/signature R/team/app:1.9",
            "rm -n R/team/app:1.9",
            "rm -n --json R/team/app:1.9",
            "rm R/team/app:1.9",
            "rm R/team/app",
        ],
    );
    registry.lines();
    let digest = desk.command(&["digest", &format!("{}/team/app:latest", registry.address)]).output();
    let digest = String::from_utf8(digest.expect("it runs").stdout).expect("a digest");
    let image = format!("R/team/app@{}", digest.trim());
    let deleting = [format!("rm -n {image}"), format!("rm {image}"), format!("rm --json {image}")];
    let more = desk.transcript(&registry.address, &deleting.each_ref().map(String::as_str));
    let deleted = registry.lines().into_iter().filter(|line| line.starts_with("DELETE"));
    assert_eq!(deleted.count(), 2, "a preview deletes nothing");
    let closed = distribution(false);
    let closed = desk.transcript(&closed.address, &["rm R/team/app:old", &format!("rm {image}")]);
    insta::assert_snapshot!("look", told + &more + &closed);
}

#[test]
fn a_search_is_shown_as_docker_shows_it() {
    let desk = Desk::new();
    let found = r#"{"results":[
        {"name":"me/alpine","description":"Mine.\nWith two lines, of which the other is far too long to be shown","star_count":2},
        {"name":"alpine","description":"\u001b[2JSmall\u202e","star_count":99,"is_official":true}]}"#;
    let registry = Fake::start(move |asked| match asked.target.starts_with("/v1/search") {
        true => Reply::json(200, found),
        false => Reply::json(200, "{}"),
    });
    let told = desk.transcript(
        &registry.address,
        &[
            "search R/alpine",
            "search --no-trunc R/alpine",
            "search -f stars=3 R/alpine",
            "search -f is-official=false R/alpine --format '{{.Name}} {{.StarCount}}'",
            "search --limit 1 R/alpine --format json",
        ],
    );
    insta::assert_snapshot!("search", told);
    assert!(registry.lines().contains(&"GET /v1/search?q=alpine&n=25".to_owned()));
    for limit in ["0", "101"] {
        let name = format!("{}/x", registry.address);
        assert_eq!(said(&mut desk.command(&["search", "--limit", limit, &name])).code, Some(125));
    }
}

/// A registry with a host for tokens that gives identity tokens, or not.
fn with_tokens(gives_identity: bool) -> Fake {
    Fake::start(move |asked: &Asked| {
        let challenge = "Bearer realm=\"/token\",service=\"s\"";
        match (asked.target.split('?').next().unwrap_or_default(), asked.header("authorization")) {
            ("/token", ANN) if gives_identity => {
                Reply::json(200, r#"{"token":"t0k","refresh_token":"1dent1ty"}"#)
            }
            ("/token", ANN) => Reply::json(200, r#"{"token":"t0k"}"#),
            ("/token", _) if asked.method == "POST" => Reply::json(200, r#"{"access_token":"t0k"}"#),
            ("/token", _) => Reply::json(401, "{\"errors\":[{\"message\":\"wrong \\u001b[31mpassword\"}]}"),
            ("/v2/a/tags/list", "Bearer t0k") => Reply::json(200, r#"{"tags":["1"]}"#),
            (_, "Bearer t0k") => Reply::json(200, "{}"),
            _ => Reply::new(401, &[("www-authenticate", challenge)], ""),
        }
    })
}

#[test]
fn who_signs_in_is_kept_and_nobody_who_is_refused() {
    let desk = Desk::new();
    let registry = with_tokens(false);
    let host = registry.address.as_str();
    let login = ["login", "-u", "ann", "--password-stdin", host];
    let refused = fed(&desk, &login, "wrong\n");
    assert_eq!((refused.code, refused.out.as_str(), kept(&desk).as_str()), (Some(1), "", ""));
    assert!(refused.err.starts_with(&format!("error: {host}: unauthorized: wrong [31mpassword\nhint: ")));
    assert!(!refused.err.contains('\u{1b}'));
    let done = fed(&desk, &login, &format!("{PASSWORD}\r\n"));
    assert_eq!((done.code, done.out.as_str()), (Some(0), "Login Succeeded\n"), "{}", done.err);
    assert!(done.err.starts_with("WARNING! Your password will be stored unencrypted in "), "{}", done.err);
    assert!(kept(&desk).contains(&format!("\"{host}\"")) && kept(&desk).contains(&ANN[6..]));
    let mode = fs::metadata(desk.path("home/.docker/config.json")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let again = said(&mut desk.command(&["login", &format!("https://{host}/v1/")]));
    assert_eq!(again.out, "Authenticating with existing credentials...\nLogin Succeeded\n", "{}", again.err);
    let out = said(&mut desk.command(&["logout", host]));
    assert_eq!(out.out, format!("Removing login credentials for {host}\n"));
    assert!(!kept(&desk).contains(host));
}

#[test]
fn an_identity_token_takes_the_place_of_the_password() {
    let desk = Desk::new();
    let registry = with_tokens(true);
    let host = registry.address.as_str();
    let done = fed(&desk, &["login", "-u", "ann", "--password-stdin", host], PASSWORD);
    assert_eq!((done.code, done.out.as_str()), (Some(0), "Login Succeeded\n"), "{}", done.err);
    assert!(kept(&desk).contains("1dent1ty") && !kept(&desk).contains(&ANN[6..]), "{}", kept(&desk));
    registry.lines();
    let shown = said(&mut desk.command(&["tags", "-v", &format!("{host}/a")]));
    assert_eq!((shown.code, shown.out.as_str()), (Some(0), "1\n"), "{}", shown.err);
    // One more than it read: the first was TLS, which it does not speak.
    assert_eq!(shown.err.lines().count(), registry.lines().len() + 1, "{}", shown.err);
    assert!(shown.err.contains(&format!("POST http://{host}/token -> 200 after ")), "{}", shown.err);
    for secret in ["1dent1ty", "t0k", "Bearer"] {
        assert!(!shown.err.contains(secret), "{}", shown.err);
    }
}

#[test]
fn a_credential_helper_keeps_what_the_file_does_not() {
    let desk = Desk::new();
    let registry = with_tokens(false);
    let host = registry.address.as_str();
    let (helper, safe) = (desk.path("docker-credential-safe"), desk.path("safe"));
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat >{0};;\nget) cat >/dev/null; cat {0} || {{ echo credentials not found in native keychain; exit 1; }};;\nerase) cat >/dev/null; rm {0};;\nesac\n",
        safe.display()
    );
    fs::write(&helper, script).expect("a program");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("it can be run");
    fs::create_dir(desk.path("home/.docker")).expect("a folder");
    fs::write(desk.path("home/.docker/config.json"), r#"{"credsStore":"safe"}"#).expect("a file");
    let path = format!("{}:{}", desk.folder().display(), std::env::var("PATH").expect("there is one"));
    let run = |arguments: &[&str]| said(desk.command(arguments).env("PATH", &path));
    let done = run(&["login", "-u", "ann", "-p", PASSWORD, host]);
    assert_eq!((done.code, done.out.as_str()), (Some(0), "Login Succeeded\n"), "{}", done.err);
    assert_eq!(done.err, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    assert!(!kept(&desk).contains(&ANN[6..]));
    assert!(fs::read_to_string(&safe).expect("it was given something").contains(PASSWORD));
    assert_eq!(run(&["tags", &format!("{host}/a")]).out, "1\n");
    assert_eq!(run(&["logout", host]).code, Some(0));
    assert!(!safe.exists());
    assert_eq!(run(&["tags", &format!("{host}/a")]).code, Some(1));
}

#[test]
fn podmans_sign_ins_count_and_are_podmans_to_forget() {
    let desk = Desk::new();
    let registry = with_tokens(false);
    let host = registry.address.as_str();
    let folder = desk.path("home/.config/containers");
    fs::create_dir_all(&folder).expect("a folder");
    let text = format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, &ANN[6..]);
    fs::write(folder.join("auth.json"), text).expect("a file");
    assert_eq!(said(&mut desk.command(&["tags", &format!("{host}/a")])).out, "1\n");
    let out = said(&mut desk.command(&["logout", host]));
    assert_eq!(out.out, format!("Not logged in to {host}\n"));
    assert!(out.err.contains("podman logout"), "{}", out.err);
}

#[test]
fn what_is_no_registry_says_so() {
    let desk = Desk::new();
    let page = Fake::start(|_| Reply::new(200, &[("content-type", "text/html")], "<html>Hello"));
    let busy = Fake::start(|_| Reply::new(429, &[("retry-after", "3600")], ""));
    let broken = Fake::start(|_| Reply::json(503, r#"{"errors":[{"message":"the disk is full"}]}"#));
    let mut told = String::new();
    let questions = ["tags R/a", "digest R/a:1", "config R/a:1", "ls R", "pull R/a:1", "login -u a -p b R"];
    for fake in [&page, &busy, &broken] {
        // The rest of the troubles is alike whatever was asked.
        let some = if fake.address == page.address { &questions[..] } else { &questions[1..2] };
        told.push_str(&desk.transcript(&fake.address, some));
    }
    told.push_str(&desk.transcript("127.0.0.1:1", &["tags R/a", "rm R/a:1"]));
    insta::assert_snapshot!("troubles", told);
}

/// Berth says what a removal would take, also to somebody who signed in with a token.
#[test]
fn a_preview_has_the_rights_of_whoever_signed_in() {
    let desk = Desk::new();
    desk.layout("layout");
    let server = Server::start(desk.folder());
    let host = address(&server);
    let copied = said(&mut desk.command(&["copy", "-q", "oci:layout:app", &format!("{host}/ann/app:1")]));
    assert_eq!(copied.code, Some(0), "{}", copied.err);
    let added = fed(&desk, &["user", "add", "ann", "--admin", "--password-stdin"], PASSWORD);
    assert_eq!(added.code, Some(0), "{}", added.err);
    let before = desk.transcript(&host, &["rm -n R/ann/app:1", "search R/app"]);
    let login = fed(&desk, &["login", "-u", "ann", "--password-stdin", &host], PASSWORD);
    assert_eq!(login.code, Some(0), "{}", login.err);
    let after = desk.transcript(&host, &["rm -n R/ann/app:1", "search R/app", "rm -n --json R/ann/app:1"]);
    insta::assert_snapshot!("preview", before + &after);
}
