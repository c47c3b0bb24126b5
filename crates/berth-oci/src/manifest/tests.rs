//! Documents and what they are read as.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Manifest, ManifestError, ManifestKind, Role};
use crate::digest::Digest;
use crate::error_code::ErrorCode;
use crate::media_type::{
    DOCKER_LAYER_FOREIGN, DOCKER_LIST, DOCKER_MANIFEST, DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, OCI_ARTIFACT,
    OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST,
};

fn descriptor(media_type: &str, content: &str) -> Value {
    json!({"mediaType": media_type, "digest": Digest::sha256(content.as_bytes()), "size": content.len()})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, "config"),
        "layers": [descriptor(OCI_LAYER_GZIP, "one"), descriptor(OCI_LAYER_GZIP, "two")],
    })
}

fn index() -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST, "child")]})
}

/// `document` with one field set, or removed if the value is `null`.
fn with(mut document: Value, field: &str, value: Value) -> Value {
    let fields = document.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(field)
    } else {
        fields.insert(field.to_owned(), value)
    };
    document
}

fn read(content_type: &str, document: &Value) -> Result<Manifest, ManifestError> {
    Manifest::read(content_type, document.to_string().as_bytes())
}

fn roles(manifest: &Manifest) -> Vec<Role> {
    manifest.references.iter().map(|reference| reference.role).collect()
}

#[test]
fn an_image() {
    let manifest = read(OCI_MANIFEST, &image()).unwrap();
    assert_eq!(manifest.kind, ManifestKind::Image);
    assert_eq!(roles(&manifest), [Role::Config, Role::Layer, Role::Layer]);
    assert_eq!(manifest.references[1].descriptor.digest, Digest::sha256(b"one"));
    assert_eq!(manifest.artifact_type.as_deref(), Some(OCI_CONFIG));
    assert_eq!(manifest.subject, None);
}

#[test]
fn an_index_and_a_docker_list() {
    let manifest = read(OCI_INDEX, &index()).unwrap();
    assert_eq!((manifest.kind, manifest.artifact_type.as_deref()), (ManifestKind::Index, None));
    assert_eq!(roles(&manifest), [Role::Child]);
    let list = with(index(), "mediaType", json!(DOCKER_LIST));
    assert_eq!(read(DOCKER_LIST, &list).unwrap().kind, ManifestKind::Index);
}

#[test]
fn an_attestation_of_buildkit() {
    let config = json!({
        "mediaType": OCI_EMPTY, "digest": Digest::sha256(b"{}"), "size": 2, "data": "e30=",
    });
    let document = with(image(), "config", config);
    let document =
        with(document, "artifactType", json!("application/vnd.docker.attestation.manifest.v1+json"));
    let document = with(document, "subject", descriptor(OCI_MANIFEST, "child"));
    let document =
        with(document, "annotations", json!({"vnd.docker.reference.type": "attestation-manifest"}));
    let manifest = read(OCI_MANIFEST, &document).unwrap();
    assert_eq!(manifest.artifact_type.unwrap(), "application/vnd.docker.attestation.manifest.v1+json");
    assert_eq!(manifest.subject.unwrap().digest, Digest::sha256(b"child"));
    assert_eq!(manifest.annotations["vnd.docker.reference.type"], "attestation-manifest");
}

#[test]
fn the_cache_index_of_old_buildkit_has_blobs_for_children() {
    let entries = json!([
        descriptor(OCI_LAYER_GZIP, "layer"),
        descriptor("application/vnd.buildkit.cacheconfig.v0", "config"),
    ]);
    let manifest = read(OCI_INDEX, &with(index(), "manifests", entries)).unwrap();
    assert_eq!(roles(&manifest), [Role::Child, Role::Child]);
}

#[test]
fn an_artifact_manifest_of_the_release_candidates() {
    let document = json!({
        "mediaType": OCI_ARTIFACT,
        "artifactType": "application/vnd.example",
        "blobs": [descriptor("text/plain", "hello")],
        "subject": descriptor(OCI_MANIFEST, "child"),
    });
    let manifest = read(OCI_ARTIFACT, &document).unwrap();
    assert_eq!((manifest.kind, roles(&manifest)), (ManifestKind::Artifact, vec![Role::Layer]));
    assert_eq!(manifest.artifact_type.as_deref(), Some("application/vnd.example"));
}

#[test]
fn an_unknown_type_keeps_every_digest_it_mentions() {
    let document = json!({
        "mediaType": "application/vnd.example.v1+json",
        "layers": [descriptor("a/b", "one")],
        "deep": {"er": [{"digest": Digest::sha256(b"two"), "parts": descriptor("a/b", "three")}]},
        "other": {"digest": "md5:abc", "size": -1},
        "subject": descriptor(OCI_MANIFEST, "child"),
    });
    let manifest = read("application/vnd.example.v1+json", &document).unwrap();
    assert_eq!((manifest.kind, roles(&manifest)), (ManifestKind::Other, vec![Role::Mention; 3]));
    for content in ["one", "two", "three"] {
        let digest = Digest::sha256(content.as_bytes());
        assert!(manifest.references.iter().any(|r| r.descriptor.digest == digest), "{content}");
    }
    assert_eq!(manifest.subject.unwrap().digest, Digest::sha256(b"child"));
}

#[test]
fn what_clients_really_send_is_fine() {
    let docker = with(image(), "mediaType", json!(DOCKER_MANIFEST));
    let fine = [
        (OCI_MANIFEST, with(image(), "mediaType", Value::Null)),
        (OCI_INDEX, with(index(), "mediaType", Value::Null)),
        ("", image()),
        ("application/vnd.oci.image.manifest.v1+json; charset=utf-8", image()),
        (OCI_MANIFEST, with(image(), "unknown", json!({"a": [1, null, true]}))),
        (
            OCI_MANIFEST,
            with(image(), "config", descriptor("application/vnd.docker.container.image.v1+json", "c")),
        ),
        (DOCKER_MANIFEST, docker),
        (OCI_MANIFEST, with(image(), "layers", Value::Null)),
        (OCI_MANIFEST, with(image(), "layers", json!([]))),
        (OCI_INDEX, with(index(), "manifests", json!([]))),
    ];
    for (content_type, document) in fine {
        let manifest = read(content_type, &document).unwrap_or_else(|error| panic!("{error}: {document}"));
        assert!(!manifest.media_type.contains(';') && !manifest.media_type.is_empty(), "{document}");
    }
    let null = br#"{"schemaVersion":2,"manifests":null,"annotations":null,"subject":null}"#;
    assert!(Manifest::read(OCI_INDEX, null).unwrap().references.is_empty());
}

#[test]
fn odd_white_space_is_fine() {
    let text = serde_json::to_string_pretty(&image()).unwrap().replace('\n', "\r\n\t ");
    assert_eq!(Manifest::read(OCI_MANIFEST, text.as_bytes()).unwrap(), read(OCI_MANIFEST, &image()).unwrap());
}

#[test]
fn documents_with_two_meanings_are_refused() {
    let bad_descriptor = |field: &str, value: Value| {
        with(image(), "layers", json!([with(descriptor("a/b", "one"), field, value)]))
    };
    let refused = [
        with(image(), "manifests", json!([])),
        with(index(), "layers", json!([])),
        with(index(), "config", descriptor(OCI_CONFIG, "config")),
        with(image(), "fsLayers", json!([])),
        with(image(), "Layers", json!([])),
        with(image(), "CONFIG", json!({})),
        with(image(), "layer\u{17f}", json!([])),
        with(image(), "mediatype", json!(OCI_INDEX)),
        with(image(), "mediaType", json!(OCI_INDEX)),
        with(image(), "mediaType", json!(7)),
        with(image(), "config", Value::Null),
        with(image(), "config", json!([])),
        with(image(), "layers", json!({})),
        with(image(), "layers", json!([null])),
        with(image(), "schemaVersion", Value::Null),
        with(image(), "schemaVersion", json!(3)),
        with(image(), "schemaVersion", json!("2")),
        with(image(), "annotations", json!({"a": 1})),
        with(image(), "subject", json!("sha256:x")),
        bad_descriptor("size", json!(-1)),
        bad_descriptor("size", json!(1e30)),
        bad_descriptor("size", json!(1_u64 << 63)),
        bad_descriptor("digest", json!("sha256:x")),
        bad_descriptor("digest", json!("sha384:x")),
        bad_descriptor("Digest", json!(Digest::sha256(b"x"))),
        bad_descriptor("mediaType", Value::Null),
        bad_descriptor("data", json!("b25l=")),
        bad_descriptor("data", json!("dHdv")),
    ];
    for document in refused {
        for content_type in [OCI_MANIFEST, OCI_INDEX] {
            let error = read(content_type, &document).expect_err(&document.to_string());
            assert_eq!(error.code(), ErrorCode::ManifestInvalid);
        }
    }
    assert!(read(OCI_MANIFEST, &bad_descriptor("data", json!("b25l"))).is_ok());
}

#[test]
fn bytes_that_are_not_strict_json_are_refused() {
    let text = image().to_string();
    let twice = text.replacen('{', r#"{"schemaVersion":2,"#, 1);
    let inside = text.replacen(r#""size":6"#, r#""size":6,"size":6"#, 1);
    assert_ne!(inside, text);
    for bad in
        [twice, inside, format!("\u{feff}{text}"), format!("{text}{text}"), format!("{text}x"), "[]".into()]
    {
        assert!(Manifest::read(OCI_MANIFEST, bad.as_bytes()).is_err(), "{bad}");
    }
    let mut bytes = with(image(), "unknown", json!("?")).to_string().into_bytes();
    *bytes.iter_mut().find(|byte| **byte == b'?').unwrap() = 0xff;
    assert!(matches!(Manifest::read(OCI_MANIFEST, &bytes), Err(ManifestError::Json { .. })));
}

#[test]
fn schema_1_is_refused_in_its_own_words() {
    let document = json!({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": []});
    for content_type in [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, "application/json", "", OCI_MANIFEST] {
        let error = read(content_type, &document).unwrap_err();
        assert!(matches!(error, ManifestError::Schema1), "{content_type}: {error}");
        assert!(error.to_string().contains("schema 1"));
    }
}

#[test]
fn content_types_that_are_no_manifest_are_refused() {
    let untyped = with(image(), "mediaType", Value::Null);
    for content_type in
        ["", "application/json", "text/html", "a/b/c+json", "+json", "a/\r\nx: y+json", "a/é+json"]
    {
        let error = read(content_type, &untyped).unwrap_err();
        assert!(matches!(error, ManifestError::ContentType { .. }), "{content_type}: {error}");
    }
}

#[test]
fn lists_and_annotations_are_limited() {
    let many = |count: usize| Value::Array(vec![descriptor("a/b", "one"); count]);
    assert!(read(OCI_MANIFEST, &with(image(), "layers", many(1000))).is_ok());
    let refused = read(OCI_MANIFEST, &with(image(), "layers", many(1001))).unwrap_err();
    assert!(matches!(refused, ManifestError::TooMany { field: "layers", found: 1001, limit: 1000 }));
    let refused = read(OCI_INDEX, &with(index(), "manifests", many(1001))).unwrap_err();
    assert!(matches!(refused, ManifestError::TooMany { field: "manifests", .. }));

    let annotations = |length: usize| json!({ "a": "x".repeat(length - 1) });
    let about = with(image(), "subject", descriptor(OCI_MANIFEST, "one"));
    let exact = with(about.clone(), "annotations", annotations(Manifest::MAX_ANNOTATIONS));
    assert!(read(OCI_MANIFEST, &exact).is_ok());
    let more = with(about, "annotations", annotations(Manifest::MAX_ANNOTATIONS + 1));
    assert!(matches!(read(OCI_MANIFEST, &more), Err(ManifestError::Annotations { .. })));
    let alone = with(image(), "annotations", annotations(Manifest::MAX_ANNOTATIONS + 1));
    assert!(read(OCI_MANIFEST, &alone).is_ok());
}

#[test]
fn foreign_layers_are_flagged() {
    let by_url = with(descriptor(OCI_LAYER_GZIP, "one"), "urls", json!(["https://example.com/one"]));
    let layers = json!([descriptor(DOCKER_LAYER_FOREIGN, "one"), by_url, descriptor(OCI_LAYER_GZIP, "one")]);
    let manifest = read(OCI_MANIFEST, &with(image(), "layers", layers)).unwrap();
    let flags: Vec<bool> = manifest.references.iter().map(super::ManifestReference::is_foreign).collect();
    assert_eq!(flags, [false, true, true, false]);
}

#[test]
fn an_empty_artifact_type_falls_back() {
    let manifest = read(OCI_MANIFEST, &with(image(), "artifactType", json!(""))).unwrap();
    assert_eq!(manifest.artifact_type.as_deref(), Some(OCI_CONFIG));
}

proptest! {
    #[test]
    fn never_panics_on_damaged_documents(at in 0..600_usize, byte: u8, cut in 0..600_usize, of_index: bool) {
        let (content_type, document) = if of_index { (OCI_INDEX, index()) } else { (OCI_MANIFEST, image()) };
        let mut bytes = document.to_string().into_bytes();
        let length = bytes.len();
        bytes[at % length] = byte;
        if let Ok(manifest) = Manifest::read(content_type, &bytes) {
            prop_assert_eq!(manifest.media_type, content_type);
        }
        // A document that is cut short is never a document.
        prop_assert!(Manifest::read(content_type, &bytes[..cut % length]).is_err());
    }
}
