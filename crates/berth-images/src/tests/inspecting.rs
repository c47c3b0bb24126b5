//! What an image says of itself.

use berth_oci::Digest;
use serde_json::json;

use super::fixture::{Fixture, new_store, reference};
use crate::Error;

fn built() -> Fixture {
    let config = json!({
        "architecture": "arm64", "variant": "v8", "os": "linux",
        "created": "2026-01-02T03:04:05Z", "author": "me",
        "config": { "Env": ["A=b"], "Cmd": ["/app"], "Labels": { "team": "x" } },
        "rootfs": { "type": "layers", "diff_ids": [Digest::sha256(b"one"), Digest::sha256(b"other")] },
        "history": [
            { "created": "2026-01-01T00:00:00Z", "created_by": "ADD one /" },
            { "created": "2026-01-01T00:00:00Z", "created_by": "ENV A=b", "empty_layer": true },
            { "created": "2026-01-02T03:04:05Z", "created_by": "RUN other", "comment": "buildkit" },
        ],
    });
    Fixture::with_config(&["one", "other"], &config)
}

#[test]
fn an_image_is_inspected_in_the_words_of_docker() {
    let (_folder, store) = new_store();
    let fixture = built();
    fixture.pull(&store, "app:1").unwrap();
    store.tag("app:1", &reference("quay.io/team/app:2")).unwrap();
    let digest = fixture.descriptor().digest;
    let inspected = serde_json::to_value(store.inspect("app:1").unwrap()).unwrap();
    let expected = json!({
        "Id": fixture.id(), "RepoTags": ["app:1", "quay.io/team/app:2"],
        "RepoDigests": [format!("app@{digest}"), format!("quay.io/team/app@{digest}")],
        "Parent": "", "Comment": "buildkit", "Created": "2026-01-02T03:04:05Z",
        "DockerVersion": "", "Author": "me",
        "Config": {
            "Env": ["A=b"], "Cmd": ["/app"], "Labels": { "team": "x" }, "Entrypoint": null, "Volumes": null,
            "ExposedPorts": null, "User": "", "WorkingDir": "",
        },
        "Architecture": "arm64", "Variant": "v8", "Os": "linux", "Size": fixture.config.len() + 8,
        "RootFS": { "Type": "layers", "Layers": [Digest::sha256(b"one"), Digest::sha256(b"other")] },
        "Descriptor": fixture.descriptor(),
    });
    assert_eq!(inspected, expected);
}

#[test]
fn the_history_has_the_last_step_first() {
    let (_folder, store) = new_store();
    let fixture = built();
    fixture.pull(&store, "app:1").unwrap();
    let lines = store.history("app:1").unwrap();
    let short: Vec<_> = lines.iter().map(|line| (line.created_by.as_str(), line.size)).collect();
    assert_eq!(short, [("RUN other", 5), ("ENV A=b", 0), ("ADD one /", 3)]);
    assert_eq!((&lines[0].id, &lines[1].id), (&Some(fixture.id()), &None));
    assert_eq!((lines[0].comment.as_str(), lines[0].created.as_str()), ("buildkit", "2026-01-02T03:04:05Z"));
    Fixture::numbered(1).pull(&store, "silent").unwrap();
    let lines = store.history("silent").unwrap();
    assert_eq!((lines.len(), lines[0].size, lines[0].created_by.as_str()), (1, 6, ""));
}

#[test]
fn what_has_no_configuration_cannot_be_inspected() {
    let (_folder, store) = new_store();
    let fixture = Fixture::with_config(&["one"], &json!(["no", "object"]));
    fixture.pull(&store, "chart").unwrap();
    assert!(matches!(store.inspect("chart"), Err(Error::Config { .. })));
}
