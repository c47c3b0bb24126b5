//! Files as Docker and podman write them, helpers as they are, and what is left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{Folders, sign_in};

/// A `config.json` with this in it.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn password(user: &str, password: &str) -> SignIn {
    SignIn::Password { user: user.into(), password: Secret::new(password) }
}

fn read(text: &str, registry: &str) -> Option<SignIn> {
    let (_folder, path) = file(text);
    DockerConfig::read(&path).unwrap().sign_in(registry).unwrap()
}

#[test]
fn sign_ins_are_read_under_every_key() {
    // alice:secret, and bob:pass:word with padding behind it.
    let text = r#"{"auths":{
        "https://index.docker.io/v1/":{"auth":"YWxpY2U6c2VjcmV0"},
        "r.example:5000":{"auth":"Ym9iOnBhc3M6d29yZAAA"},
        "r.example/team":{"auth":"YWxpY2U6c2VjcmV0"},
        "old.example":{"username":"carl","password":"plain"},
        "token.example":{"auth":"ZG9yYTo=","identitytoken":"identity"},
        "empty.example":{}
    }}"#;
    for registry in ["docker.io", "index.docker.io", "docker.io/library/alpine"] {
        assert_eq!(read(text, registry), Some(password("alice", "secret")), "{registry}");
    }
    assert_eq!(read(text, "r.example:5000"), Some(password("bob", "pass:word")));
    assert_eq!(read(text, "r.example:5000/any/app"), Some(password("bob", "pass:word")));
    assert_eq!(read(text, "r.example/team/app"), Some(password("alice", "secret")));
    assert_eq!(read(text, "old.example"), Some(password("carl", "plain")));
    let token = SignIn::IdentityToken { user: "dora".into(), token: Secret::new("identity") };
    assert_eq!(read(text, "token.example"), Some(token));
    for registry in ["r.example", "r.example/teams", "empty.example", "nobody.example", "r.example:5001"] {
        assert_eq!(read(text, registry), None, "{registry}");
    }
    assert_eq!(read("", "r.example"), None);
}

#[test]
fn what_is_damaged_is_told_with_its_file_and_never_written_over() {
    for text in ["{", "[]", "{\"auths\":[]}"] {
        let (_folder, path) = file(text);
        let kept =
            DockerConfig::read(&path).and_then(|mut config| config.keep("r.example", &password("a", "b")));
        let error = kept.unwrap_err();
        assert!(error.to_string().contains("config.json"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let (_folder, path) = file(r#"{"auths":{"r.example":{"auth":"?"}}}"#);
    let error = DockerConfig::read(&path).unwrap().sign_in("r.example").unwrap_err();
    assert!(error.to_string().contains("r.example"), "{error}");
}

#[test]
fn keeping_and_forgetting_leaves_everything_else_alone() {
    let (folder, path) = file(
        r#"{"HttpHeaders":{"X-Meta":"secret"},"detachKeys":"ctrl-q","auths":{"http://r.example/v1/":{},"b":{"auth":"x","email":"e"}},"plugins":{"a":{"b":[1]}}}"#,
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut config = DockerConfig::read(&path).unwrap();
    let kept = config.keep("r.example", &password("alice", "secret")).unwrap();
    assert_eq!(kept, Kept::InTheClear(path.clone()));
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let expected = json!({
        "HttpHeaders": {"X-Meta": "secret"},
        "detachKeys": "ctrl-q",
        "auths": {"r.example": {"auth": "YWxpY2U6c2VjcmV0"}, "b": {"auth": "x", "email": "e"}},
        "plugins": {"a": {"b": [1]}},
    });
    assert_eq!(written, expected);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(config.sign_in("r.example").unwrap(), Some(password("alice", "secret")));
    assert!(config.forget("r.example").unwrap());
    assert!(!config.forget("r.example").unwrap());
    assert_eq!(config.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(config.http_headers(), [("X-Meta".to_owned(), Secret::new("secret"))]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn the_first_sign_in_makes_the_folder_and_a_link_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home/.docker/config.json");
    let mut config = DockerConfig::read(&path).unwrap();
    let token = SignIn::IdentityToken { user: "alice".into(), token: Secret::new("identity") };
    let _ = config.keep("docker.io", &token).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\t\t\"https://index.docker.io/v1/\""), "{text}");
    assert_eq!(DockerConfig::read(&path).unwrap().sign_in("docker.io").unwrap(), Some(token));
    let mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(DockerConfig::read(&link).unwrap().forget("docker.io").unwrap());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(DockerConfig::read(&path).unwrap().keys().count(), 0);
}

/// Somebody else signs in after the file was read.
#[test]
fn what_others_wrote_in_the_meantime_stays() {
    let (_folder, path) = file("{}");
    let mut first = DockerConfig::read(&path).unwrap();
    let mut second = DockerConfig::read(&path).unwrap();
    let _ = first.keep("a.example", &password("a", "1")).unwrap();
    let _ = second.keep("b.example", &password("b", "2")).unwrap();
    assert_eq!(DockerConfig::read(&path).unwrap().keys().count(), 2);
}

#[test]
fn a_file_that_cannot_be_written_is_as_it_was() {
    let (folder, path) = file("{}");
    fs::create_dir(folder.path().join("sub")).unwrap();
    let blocked = path.join("config.json");
    assert!(matches!(DockerConfig::read(&blocked), Err(ConfigError::Read { .. })));
    let folder_in_place = folder.path().join("sub");
    assert!(matches!(DockerConfig::read(&folder_in_place), Err(ConfigError::Read { .. })));
}

/// Programs are written and run by one test at a time: a child of another that is just being made would hold the file open
/// for writing, and nothing that is written to can be run.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static TURNS: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURNS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A helper that keeps one sign-in in a file beside it, and writes down how it was called.
fn helper(folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(format!("docker-credential-{name}"));
    let script = r#"#!/bin/sh
here=$(dirname "$0"); input=$(cat); echo "$1 $input" >> "$here/calls"
case "$1" in
  store) printf '%s' "$input" > "$here/kept" ;;
  get) [ -e "$here/kept" ] && cat "$here/kept" || { echo "credentials not found in native keychain"; exit 1; } ;;
  erase) [ -e "$here/kept" ] && rm "$here/kept" || { echo "credentials not found in native keychain"; exit 1; } ;;
esac
"#;
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[test]
fn a_helper_is_spoken_to_as_docker_does() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let helper = Helper::at(&helper(&folder, "test"));
    assert_eq!(helper.get("r.example").unwrap(), None);
    helper.erase("r.example").unwrap();
    for sign_in in [
        password("alice", "se\"cret"),
        SignIn::IdentityToken { user: String::new(), token: Secret::new("identity") },
    ] {
        helper.store("r.example", &sign_in).unwrap();
        assert_eq!(helper.get("r.example").unwrap(), Some(sign_in));
    }
    helper.erase("r.example").unwrap();
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let stored = r#"store {"ServerURL":"r.example","Username":"<token>","Secret":"identity"}"#;
    assert!(calls.contains("get r.example\n") && calls.contains(stored), "{calls}");
}

#[test]
fn a_helper_that_fails_or_is_not_there_is_told_with_what_it_says() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker-credential-broken");
    for (script, said) in [
        ("#!/bin/sh\necho 'the keyring is locked' >&2; exit 1", "the keyring is locked"),
        ("#!/bin/sh\necho 'not json'", "not what helpers give"),
        ("#!/bin/sh\nexit 7", "exit status: 7"),
    ] {
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let error = Helper::at(&path).get("r.example").unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let missing = Helper::named("surely-not-installed", &path).unwrap().get("r.example").unwrap_err();
    assert!(missing.to_string().contains("docker-credential-surely-not-installed"), "{missing}");
    for name in ["", "../evil", "a b", "a/b", "a;b"] {
        assert!(Helper::named(name, &path).is_err(), "{name}");
    }
}

#[test]
fn a_helper_that_is_named_and_missing_is_no_stranger() {
    let _alone = alone();
    let text = r#"{"credsStore":"surely-not-installed","credHelpers":{"own.example":"../evil"}}"#;
    let (_folder, path) = file(text);
    let mut config = DockerConfig::read(&path).unwrap();
    assert!(matches!(config.sign_in("r.example"), Err(ConfigError::Missing { .. })));
    assert!(matches!(config.sign_in("own.example"), Err(ConfigError::Damaged { .. })));
    assert!(config.keep("r.example", &password("a", "b")).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "no password falls back into the file");
}

#[test]
fn dockers_file_counts_before_podmans() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| Some(root.path().join(name));
    let folders =
        Folders { docker: at("docker"), config: at("config"), runtime: at("run"), ..Folders::default() };
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    assert_eq!(sign_in::find(&folders, "r.example").unwrap(), None);
    put("config/containers/auth.json", r#"{"auths":{"r.example":{"auth":"YjpjIA=="}}}"#);
    assert_eq!(sign_in::find(&folders, "r.example").unwrap().unwrap().0, password("b", "c "));
    put("run/containers/auth.json", r#"{"auths":{"r.example/team":{"auth":"YTpiYg=="}}}"#);
    assert_eq!(sign_in::find(&folders, "r.example/team/app").unwrap().unwrap().0, password("a", "bb"));
    put("docker/config.json", r#"{"auths":{"r.example":{"auth":"YWxpY2U6c2VjcmV0"}}}"#);
    let (found, path) = sign_in::find(&folders, "r.example/team/app").unwrap().unwrap();
    assert_eq!((found, path), (password("alice", "secret"), root.path().join("docker/config.json")));
}

proptest! {
    #[test]
    fn any_sign_in_is_read_as_it_was_kept(user in "[^:\\x00]{1,20}", secret in "[^\\x00]{1,40}", token: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let sign_in = match token {
            true => SignIn::IdentityToken { user, token: Secret::new(secret) },
            false => password(&user, &secret),
        };
        let _ = DockerConfig::read(&path).unwrap().keep("r.example:5000", &sign_in).unwrap();
        prop_assert_eq!(DockerConfig::read(&path).unwrap().sign_in("r.example:5000").unwrap(), Some(sign_in));
    }

    #[test]
    fn no_text_makes_a_panic(text: String, name in "[a-z./:]{0,20}") {
        let (_folder, path) = file(&text);
        if let Ok(config) = DockerConfig::read(&path) {
            let _ = config.sign_in(&name);
        }
    }
}
