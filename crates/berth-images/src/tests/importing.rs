//! A file system becomes an image.

use std::time::{Duration, UNIX_EPOCH};

use berth_oci::{Digest, media_type};
use serde_json::{Value, json};

use super::fixture::{blobs, names, new_store, platform, reference};
use super::tarball::{entry, file, gzip, tar, zstd};
use crate::{Error, Format, Import};

#[test]
fn a_file_system_becomes_an_image_of_one_layer() {
    let root =
        tar(&[file("bin/app", b"program"), entry("bin/sh", b'2', b"", "/bin/busybox"), file("/etc/x", b"")]);
    let (name, arm) = (reference("team/app:1"), platform("linux/arm64/v8"));
    let changes = ["CMD [\"/bin/app\"]", "ENV A=1"];
    let import = Import {
        name: Some(&name),
        message: "Imported from -",
        changes: &changes,
        platform: &arm,
        created: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    };
    for (layer, layer_type) in [
        (root.clone(), media_type::OCI_LAYER),
        (gzip(&root), media_type::OCI_LAYER_GZIP),
        (zstd(&root), media_type::OCI_LAYER_ZSTD),
    ] {
        let (_folder, store) = new_store();
        let image = store.import(layer.as_slice(), &import).unwrap();
        assert_eq!(names(&store), ["team/app:1"]);
        let config: Value = serde_json::from_slice(&store.read_document(&image.id).unwrap()).unwrap();
        let created = "2023-11-14T22:13:20.000000000Z";
        let expected = json!({
            "architecture": "arm64", "variant": "v8", "os": "linux", "created": created,
            "config": { "Cmd": ["/bin/app"], "Env": ["A=1"] },
            "history": [{ "created": created, "comment": "Imported from -" }],
            "rootfs": { "type": "layers", "diff_ids": [Digest::sha256(&root)] },
        });
        assert_eq!(config, expected);
        let manifest: Value = serde_json::from_slice(&store.read_document(&image.manifest).unwrap()).unwrap();
        let stored =
            json!({ "mediaType": layer_type, "digest": Digest::sha256(&layer), "size": layer.len() });
        assert_eq!(manifest["layers"], json!([stored]), "the layer is stored as it came");
        let history = store.history("team/app:1").unwrap();
        assert_eq!((history[0].comment.as_str(), history[0].size), ("Imported from -", layer.len() as u64));
        store.save(&["team/app:1"], Format::Docker, std::io::sink()).unwrap();
    }
}

#[test]
fn what_is_no_file_system_leaves_nothing() {
    let (_folder, store) = new_store();
    let host = berth_oci::Platform::of_this_machine();
    let changes = ["RUN make"];
    let mut import = Import { name: None, message: "", changes: &[], platform: &host, created: UNIX_EPOCH };
    let whole = tar(&[file("a", b"content")]);
    for (input, expected) in [
        (&b"text"[..], "no tar archive"),
        (&whole[..600], "ends in the middle"),
        (&gzip(&whole)[..40], "ends in the middle"),
        (b"BZh9", "packed with bzip2"),
    ] {
        let error = store.import(input, &import).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    import.changes = &changes;
    assert!(matches!(store.import(whole.as_slice(), &import), Err(Error::Change { .. })));
    assert_eq!((blobs(&store), names(&store).len()), (0, 0));
    import.changes = &[];
    store.import(whole.as_slice(), &import).unwrap();
    assert_eq!((blobs(&store), names(&store)), (3, vec!["<none>".to_owned()]));
}
