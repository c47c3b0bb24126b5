//! The large registries as they answer, seen from the commands: Docker Hub, quay.io, ghcr.io.

use std::path::PathBuf;

use crate::desk::Desk;
use crate::fake::{Asked, Fake, Reply};
use crate::server::{Said, said};
use crate::transcripts;

/// `ann` and `secret`.
const ANN: &str = "Basic YW5uOnNlY3JldA==";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How a registry differs from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Tokens come from another host, blobs from a storage; each pull is counted.
    Hub,
    /// Tokens come from `/v2/auth`.
    Quay,
    /// Tokens come from `/token`, which says who may not.
    Ghcr,
    /// Somebody's own, with tokens and storage on other hosts of a private network.
    GitLab,
}

/// A registry with one public repository, and one that is `ann`'s.
#[derive(Debug, Clone)]
struct Large {
    kind: Kind,
    layout: PathBuf,
    digest: String,
    /// Where tokens and blobs are.
    tokens: String,
    storage: String,
}

impl Large {
    /// Starts it with the image of a desk; gives it, and its storage.
    fn start(kind: Kind, desk: &Desk) -> (Fake, Fake) {
        let layout = desk.path("layout");
        let digest = desk.layout("layout");
        let blobs = layout.clone();
        let storage = Fake::start(move |asked| {
            let hex = asked.target.trim_start_matches('/').split('?').next().unwrap_or_default();
            Reply::new(200, &[], std::fs::read(blobs.join("blobs/sha256").join(hex)).expect("a blob"))
        });
        let mut large =
            Large { kind, layout, digest, tokens: String::new(), storage: storage.address.clone() };
        if [Kind::Hub, Kind::GitLab].contains(&kind) {
            let clerk = large.clone();
            let tokens = Fake::at("127.0.0.2:0", move |asked| clerk.token(asked));
            large.tokens = tokens.address.clone();
        }
        (Fake::start(move |asked| large.answer(asked)), storage)
    }

    fn token(&self, asked: &Asked) -> Reply {
        let json = [("content-type", "application/json")];
        let grant = |token: &str| Reply::new(200, &json, format!(r#"{{"token":"{token}"}}"#));
        let is_private = asked.target.contains("private");
        match (self.kind, asked.header("authorization")) {
            (_, ANN) => grant("ann"),
            (Kind::Ghcr, "") if is_private || asked.target.contains("push") => {
                Reply::error(403, "DENIED", "requested access to the resource is denied")
            }
            // A token of nobody is had for anything, and opens what is public.
            (_, "") => grant("nobody"),
            (Kind::Ghcr, _) => Reply::error(403, "DENIED", "denied"),
            (Kind::Quay, _) => Reply::new(
                401,
                &json,
                r#"{"errors":[{"code":"UNAUTHORIZED","detail":{},"message":"Invalid Username or Password"}]}"#,
            ),
            (Kind::Hub | Kind::GitLab, _) => {
                Reply::new(401, &json, r#"{"details":"incorrect username or password"}"#)
            }
        }
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let path = asked.target.split('?').next().unwrap_or_default();
        if path == "/v2/auth" || path == "/token" {
            return self.token(asked);
        }
        if path == "/v1/search" {
            let found =
                r#"{"num_results":1,"results":[{"name":"org/app","description":"An app","star_count":3}]}"#;
            return Reply::new(200, &[("content-type", "application/json")], found);
        }
        let right = if asked.method == "GET" || asked.method == "HEAD" { "pull" } else { "push" };
        match asked.header("authorization") {
            "Bearer ann" => self.open(asked, path),
            "Bearer nobody" if right == "pull" && !path.contains("private") && !path.contains("nobody/") => {
                self.open(asked, path)
            }
            "Bearer nobody" => self.challenge(asked, path, ",error=\"insufficient_scope\""),
            _ => self.challenge(asked, path, ""),
        }
    }

    fn challenge(&self, asked: &Asked, path: &str, error: &str) -> Reply {
        let host = asked.header("host");
        let scope = match name_of(path) {
            Some(name) => format!(",scope=\"repository:{name}:pull,push\""),
            None => String::new(),
        };
        let realm = match self.kind {
            Kind::Hub => format!("realm=\"http://{}/token\",service=\"registry.docker.io\"", self.tokens),
            Kind::GitLab => {
                format!("realm=\"http://{}/jwt/auth\",service=\"container_registry\"", self.tokens)
            }
            Kind::Quay => format!("realm=\"http://{host}/v2/auth\",service=\"{host}\""),
            Kind::Ghcr => format!("realm=\"http://{host}/token\",service=\"{host}\""),
        };
        Reply::error(401, "UNAUTHORIZED", "authentication required")
            .with("www-authenticate", &format!("Bearer {realm}{scope}{error}"))
            .with("docker-distribution-api-version", "registry/2.0")
    }

    /// To somebody who may.
    fn open(&self, asked: &Asked, path: &str) -> Reply {
        let name = name_of(path).unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let hex = last.trim_start_matches("sha256:");
        let blob = self.layout.join("blobs/sha256").join(hex);
        match asked.method.as_str() {
            "GET" if path.ends_with("/tags/list") => Reply::new(
                200,
                &[("content-type", "application/json")],
                format!(r#"{{"name":"{name}","tags":["1","latest"]}}"#),
            ),
            "GET" | "HEAD" if path.contains("/manifests/") && !name.ends_with("fresh") => self.manifest(last),
            "GET" if path.contains("/manifests/") => {
                Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown")
            }
            "HEAD" => Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            "GET" if path.contains("/blobs/") && blob.exists() => match self.kind {
                Kind::Hub | Kind::GitLab => Reply::new(
                    307,
                    &[("location", &format!("http://{}/{hex}?signature=x", self.storage))],
                    "",
                ),
                _ => Reply::new(200, &[], std::fs::read(blob).expect("a blob")),
            },
            "GET" => Reply::new(200, &[], "{}"),
            "POST" => Reply::new(
                202,
                &[
                    ("location", &format!("/v2/{name}/blobs/uploads/5a6f4a1e?_state=k3Yx-_%3D%3D")),
                    ("range", "0-0"),
                ],
                "",
            ),
            "PATCH" => Reply::new(
                202,
                &[("location", &format!("/v2/{name}/blobs/uploads/5a6f4a1e?_state=k4")), ("range", "0-0")],
                "",
            ),
            _ => {
                let told =
                    asked.target.split_once("digest=sha256%3A").map(|(_, hex)| format!("sha256:{hex}"));
                let digest = told.unwrap_or_else(|| self.digest.clone());
                Reply::new(201, &[("docker-content-digest", &digest), ("location", path)], "")
            }
        }
    }

    fn manifest(&self, reference: &str) -> Reply {
        if !["1", "latest", &self.digest].contains(&reference) {
            return Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        }
        let hex = self.digest.trim_start_matches("sha256:");
        let bytes = std::fs::read(self.layout.join("blobs/sha256").join(hex)).expect("a manifest");
        let reply =
            Reply::new(200, &[("content-type", MANIFEST), ("docker-content-digest", &self.digest)], bytes);
        match self.kind {
            Kind::Hub => reply
                .with("ratelimit-limit", "100;w=21600")
                .with("ratelimit-remaining", "76;w=21600")
                .with("docker-ratelimit-source", "192.0.2.7"),
            Kind::Quay | Kind::Ghcr | Kind::GitLab => reply,
        }
    }
}

/// The repository that a path names.
fn name_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v2/")?;
    let ends = ["/manifests/", "/blobs/", "/tags/"].iter().filter_map(|part| rest.find(part));
    Some(&rest[..ends.min()?])
}

/// docker.io is this fake from now on.
fn move_hub(desk: &Desk, to: &Fake) {
    let folder = desk.path("home/.config/containers");
    std::fs::create_dir_all(&folder).expect("a folder");
    let table =
        format!("[[registry]]\nprefix = \"docker.io\"\nlocation = \"{}\"\ninsecure = true\n", to.address);
    std::fs::write(folder.join("registries.conf"), table).expect("a file");
}

#[test]
fn docker_hub_is_pulled_from_and_refuses_pushes() {
    let desk = transcripts::desk();
    let removed = said(&mut desk.command(&["rmi", "app:1.9"]));
    assert_eq!(removed.code, Some(0), "{}", removed.err);
    let (hub, storage) = Large::start(Kind::Hub, &desk);
    move_hub(&desk, &hub);
    transcripts::replay(&desk, "127.0.0.1:1", "hub");
    let stored = storage.asked();
    assert!(stored.len() >= 3, "blobs come from the storage: {stored:?}");
    assert!(stored.iter().all(|asked| asked.header("authorization").is_empty()), "{stored:?}");
    let named = hub.asked();
    assert!(named.iter().any(|asked| asked.target.starts_with("/v2/library/alpine/manifests/latest")));
    assert!(!named.iter().any(|asked| asked.target.starts_with("/v2/library/my-image")), "{named:?}");
}

#[test]
fn a_budget_that_is_used_up_is_told() {
    let desk = Desk::new();
    let hub = Fake::start(|asked| match asked.target.as_str() {
        "/v2/" => Reply::new(200, &[], "{}"),
        _ => Reply::error(429, "TOOMANYREQUESTS", "You have reached your pull rate limit.")
            .with("retry-after", "21600"),
    });
    move_hub(&desk, &hub);
    let Said { code, err, .. } = said(&mut desk.command(&["pull", "alpine"]));
    assert_eq!(code, Some(1));
    for expected in ["toomanyrequests", "(429)", "hint: ", "berth login"] {
        assert!(err.contains(expected), "no {expected:?}: {err}");
    }
    assert!(hub.asked().len() < 5, "who has no budget is not asked again: {:?}", hub.asked());
}

#[test]
fn registries_know_who_signed_in() {
    for kind in [Kind::Quay, Kind::Ghcr, Kind::GitLab] {
        let desk = transcripts::desk();
        let (registry, _storage) = Large::start(kind, &desk);
        let host = registry.address.clone();
        let name = |rest: &str| format!("{host}/{rest}");
        let type_in = |words: &[&str], code: i32, expected: &str| {
            let said = said(&mut desk.command(words));
            let text = format!("{}{}", said.out, said.err);
            assert_eq!(said.code, Some(code), "{kind:?} {words:?}: {text}");
            assert!(text.contains(expected), "{kind:?} {words:?} says no {expected:?}: {text}");
            assert!(!text.contains("secret") && !text.contains("YW5u"), "a password is told: {text}");
        };
        // What is public is for everybody.
        type_in(&["pull", &name("org/app")], 0, "Status: Downloaded newer image for");
        type_in(&["tags", &name("org/app")], 0, "latest\n");
        type_in(&["digest", &name("org/app:1")], 0, "sha256:");
        type_in(&["pull", &name("org/app:none")], 1, "not found: manifest unknown");
        type_in(&["pull", &name("org/private")], 1, "pull access denied for ");
        type_in(&["tag", "app:1.9", &name("org/private-fresh:1")], 0, "");
        type_in(
            &["push", &name("org/private-fresh:1")],
            1,
            "denied: requested access to the resource is denied",
        );
        // A wrong password, and a right one; it goes where the registry has its tokens, as docker does it.
        type_in(&["login", "-u", "ann", "-p", "other", &host], 1, "error: ");
        type_in(&["login", "-u", "ann", "-p", "secret", &host], 0, "Login Succeeded");
        type_in(&["pull", "-v", &name("org/private")], 0, "-> 200");
        type_in(&["push", &name("org/private-fresh:1")], 0, ": Pushed");
        type_in(&["search", &name("app")], 0, "org/app");
        type_in(&["logout", &host], 0, "Removing login credentials");
        type_in(&["pull", &name("org/private")], 1, "pull access denied for ");
    }
}
