//! Serving: what operators ask, what is pushed is there, also after the folder has moved.

use std::fs;

use crate::client::Request;
use crate::server::{Server, berth};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// `{}` and its digest, the configuration of an artifact.
const EMPTY: (&[u8], &str) =
    (b"{}", "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");

/// Pushes an artifact with one small blob under `repository:tag`.
pub(crate) fn push(server: &Server, repository: &str, tag: &str) {
    let upload = format!("/v2/{repository}/blobs/uploads/?digest={}", EMPTY.1);
    let pushed = server
        .ask(&Request::new("POST", &upload).header("Content-Type", "application/octet-stream").body(EMPTY.0));
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let path = format!("/v2/{repository}/manifests/{tag}");
    let manifest = manifest();
    let pushed = server
        .ask(&Request::new("PUT", &path).header("Content-Type", MANIFEST_TYPE).body(manifest.as_bytes()));
    assert_eq!(pushed.status, 201, "{pushed:?}");
}

fn manifest() -> String {
    let empty = format!(
        r#"{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":{}}}"#,
        EMPTY.1,
        EMPTY.0.len()
    );
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}","artifactType":"text/plain","config":{empty},"layers":[{empty}]}}"#
    )
}

#[test]
fn operators_get_health_readiness_and_metrics() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    let metrics = server.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().ends_with("# EOF\n"), "{}", metrics.text());
}

#[test]
fn the_catalog_and_the_tags_list_what_was_pushed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    assert_eq!(server.get("/v2/").status, 200);
    assert_eq!(server.get("/v2/_catalog").text().trim(), r#"{"repositories":[]}"#);
    push(&server, "quay.io/example/app-operator", "v1.1");
    assert_eq!(
        server.get("/v2/_catalog").text().trim(),
        r#"{"repositories":["quay.io/example/app-operator"]}"#
    );
    let tags = server.get("/v2/quay.io/example/app-operator/tags/list");
    assert_eq!(tags.text().trim(), r#"{"name":"quay.io/example/app-operator","tags":["v1.1"]}"#);
}

#[test]
fn a_folder_that_was_moved_serves_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(folder.path());
    push(&server, "app", "1");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    let moved = folder.path().join("another place");
    fs::rename(folder.path().join("berth-data"), &moved).expect("it can be moved");
    let data = moved.to_str().expect("UTF-8");
    let server =
        Server::start_with(berth(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data", data]));
    let pulled = server.get("/v2/app/manifests/1");
    assert_eq!((pulled.status, pulled.text()), (200, manifest()));
    assert_eq!(server.get(&format!("/v2/app/blobs/{}", EMPTY.1)).body, EMPTY.0);
}

#[test]
fn deleting_can_be_switched_off() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let flags = ["serve", "--listen", "127.0.0.1:0", "--delete-enabled=false"];
    let server = Server::start_with(berth(folder.path(), &flags));
    push(&server, "app", "1");
    let refused = server.ask(&Request::new("DELETE", "/v2/app/manifests/1"));
    assert_eq!(refused.status, 405, "{refused:?}");
    assert_eq!(server.get("/v2/app/manifests/1").status, 200);
}

#[test]
fn a_request_is_logged_when_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log");
    let flags = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--log-requests",
        "--log-level",
        "error",
        "--log-format",
        "json",
    ];
    let file = fs::File::create(&log).expect("a file");
    let mut server = Server::start_logging_to(berth(folder.path(), &flags), file.into());
    assert_eq!(server.get("/v2/_catalog").status, 200);
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    let log = fs::read_to_string(log).expect("the log");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(lines.len(), 1, "the level hides all but the request: {log}");
    assert_eq!(lines[0]["target"], "berth::access");
    assert!(log.contains("/v2/_catalog"), "{log}");
}
