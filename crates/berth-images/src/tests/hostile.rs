//! Archives that want what no archive may: each is refused with a sentence, and leaves nothing.

use std::fs;
use std::io::{self, Read};

use berth_oci::{Digest, media_type};
use proptest::prelude::*;
use serde_json::json;

use super::archives::docker_archive;
use super::fixture::{Fixture, blobs, descriptor, names, new_store};
use super::tarball::{entry, file, gzip, header, tar, zstd};
use crate::{Error, Store};

/// Files that are at work.
fn at_work(store: &Store) -> usize {
    let folders = ["stage", "holds", "partial"].map(|folder| store.folder().join(".berth").join(folder));
    folders.iter().map(|folder| fs::read_dir(folder).map_or(0, Iterator::count)).sum()
}

fn refused(archive: &[u8]) -> String {
    let (_folder, store) = new_store();
    let error = store.load(archive, &berth_oci::Platform::of_this_machine()).expect_err("it is refused");
    assert!(matches!(error, Error::Archive { .. }), "{error:?}");
    assert_eq!((names(&store).len(), blobs(&store), at_work(&store)), (0, 0, 0), "{error}");
    error.to_string()
}

fn manifest_json(config: &str, layers: &[&str]) -> Vec<u8> {
    file("manifest.json", json!([{ "Config": config, "Layers": layers }]).to_string().as_bytes())
}

/// An image layout with the blobs of an image, without one of them.
fn layout(fixture: &Fixture, without: Option<&[u8]>) -> Vec<Vec<u8>> {
    let blob = |bytes: &Vec<u8>| file(&format!("blobs/sha256/{}", Digest::sha256(bytes).hex()), bytes);
    let mut entries: Vec<_> =
        fixture.blobs().filter(|bytes| Some(bytes.as_slice()) != without).map(blob).collect();
    let index = json!({ "schemaVersion": 2, "manifests": [fixture.descriptor()] });
    entries.push(file("index.json", index.to_string().as_bytes()));
    entries
}

#[test]
fn paths_and_links_that_lead_out() {
    let cases = [
        (file("../../etc/passwd", b"x"), "leads out of it"),
        (file("a/../../x", b"x"), "leads out of it"),
        (file("/etc/passwd", b"x"), "begins at the root"),
        (entry("a", b'2', b"", "/etc/passwd"), "begins at the root"),
        (entry("a/b", b'2', b"", "../../x"), "leads out of it"),
        (entry("a", b'1', b"", "../x"), "leads out of it"),
        (entry("dev", b'3', b"", ""), "neither a file nor a link"),
        (entry("pipe", b'6', b"", ""), "neither a file nor a link"),
    ];
    for (entry, expected) in cases {
        let error = refused(&tar(&[entry]));
        assert!(error.contains(expected), "{error}");
    }
    let loops = [manifest_json("a", &[]), entry("a", b'2', b"", "b"), entry("b", b'2', b"", "a")];
    assert!(refused(&tar(&loops)).contains("its links lead nowhere"));
    let outside = refused(&tar(&[manifest_json("../../../etc/passwd", &[])]));
    assert!(outside.contains("leads out of it"), "{outside}");
}

#[test]
fn content_that_is_missing_or_wrong() {
    let fixture = Fixture::new(&["one", "two"]);
    for without in fixture.blobs() {
        let error = refused(&tar(&layout(&fixture, Some(without))));
        assert!(error.contains(&format!("{} is missing in it", Digest::sha256(without))), "{error}");
    }
    let mut entries = layout(&fixture, Some(b"two"));
    entries.push(file(&format!("blobs/sha256/{}", Digest::sha256(b"two").hex()), b"twx"));
    assert!(refused(&tar(&entries)).contains("is damaged: its digest is"));

    let config = json!({ "rootfs": { "diff_ids": [Digest::sha256(b"one")] } }).to_string();
    let docker = |layers: &[&str]| {
        tar(&[
            file("c", config.as_bytes()),
            file("l", b"two"),
            file("ok", b"one"),
            manifest_json("c", layers),
        ])
    };
    let cases: [(&[&str], &str); 4] = [
        (&["l"], "is not the layer"),
        (&["missing"], "\"missing\" is missing in it"),
        (&[], "it has 0 layers of an image whose configuration names 1"),
        (&["ok", "ok"], "it has 2 layers"),
    ];
    for (layers, expected) in cases {
        let error = refused(&docker(layers));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_manifest_that_lies_about_lengths() {
    let fixture = Fixture::new(&["one"]);
    let mut longer = descriptor(media_type::OCI_LAYER, b"one");
    longer.size = 4;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": descriptor(media_type::OCI_CONFIG, &fixture.config), "layers": [longer],
    });
    let lying = Fixture { manifest: manifest.to_string().into_bytes(), ..fixture };
    assert!(refused(&tar(&layout(&lying, None))).contains("another length than its manifest says"));
}

#[test]
fn documents_that_make_no_sense() {
    let cases: [(&str, &[u8], &str); 7] = [
        ("manifest.json", b"{", "manifest.json cannot be read"),
        ("manifest.json", b"[{\"Config\":5}]", "manifest.json cannot be read"),
        ("manifest.json", b"[]", "it has no images"),
        ("index.json", b"[]", "index.json cannot be read"),
        ("index.json", b"{\"schemaVersion\":2,\"manifests\":null}", "it has no images"),
        ("readme", b"", "it has no images"),
        ("oci-layout", b"{\"imageLayoutVersion\":\"9\"}", "a version that is not known"),
    ];
    for (path, content, expected) in cases {
        let error = refused(&tar(&[file(path, content)]));
        assert!(error.contains(expected), "{error}");
    }
    let entries = [file("c", b"{}"), manifest_json("c", &[])];
    assert!(refused(&tar(&entries)).contains("a configuration in it cannot be read"));
    let twice = [file("a", b"1"), file("./a", b"2")];
    assert!(refused(&tar(&twice)).contains("has \"a\" twice"));
    let name = json!([{ "Config": "c", "RepoTags": ["NO:NO:NO"], "Layers": [] }]).to_string();
    assert!(
        refused(&tar(&[file("c", b"{}"), file("manifest.json", name.as_bytes())])).contains("not the name")
    );
    let large = vec![b' '; 9 << 20];
    let error = refused_large(&tar(&[file("index.json", &large)]));
    assert!(error.contains("too many for a manifest"), "{error}");
}

/// As `refused`, for an error that is not of the archive alone.
fn refused_large(archive: &[u8]) -> String {
    let (_folder, store) = new_store();
    let error = store.load(archive, &berth_oci::Platform::of_this_machine()).expect_err("it is refused");
    assert_eq!((names(&store).len(), blobs(&store), at_work(&store)), (0, 0, 0));
    error.to_string()
}

#[test]
fn what_is_no_archive_or_half_of_one() {
    let whole = docker_archive(&[(&["app"], &Fixture::new(&["one", "two"]))]);
    let cases = [
        (Vec::new(), "no tar archive"),
        (b"hello".to_vec(), "no tar archive"),
        (vec![b'x'; 4096], "no tar archive"),
        (b"PK\x03\x04 and so on".to_vec(), "packed with zip"),
        (b"\xfd7zXZ\0 and so on".to_vec(), "packed with xz"),
        (whole[..700].to_vec(), "it ends in the middle"),
        (gzip(&whole)[..200].to_vec(), "it ends in the middle"),
        (zstd(&whole)[..200].to_vec(), "it ends in the middle"),
        (header("layer", b'0', 1 << 32, ""), "it ends in the middle"),
    ];
    for (archive, expected) in cases {
        let error = refused(&archive);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let mut damaged = gzip(&whole);
    let end = damaged.len() - 6;
    damaged[end] ^= 1;
    assert!(refused(&damaged).contains("damaged"));
}

#[test]
fn an_input_that_fails_is_told_as_it_is() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable was pulled"))
        }
    }
    let whole = docker_archive(&[(&["app"], &Fixture::new(&["one"]))]);
    let (_folder, store) = new_store();
    for part in [&whole[..700], &gzip(&whole)[..100], &[]] {
        let error = store.load(part.chain(Failing), &berth_oci::Platform::of_this_machine()).unwrap_err();
        assert_eq!(error.to_string(), "the input could not be read: the cable was pulled");
    }
    assert_eq!((blobs(&store), at_work(&store)), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_changed_in_an_archive_it_is_whole_or_refused(at in 0..4096_usize, byte: u8) {
        let mut archive = docker_archive(&[(&["app"], &Fixture::new(&["one", "two"]))]);
        let place = at % archive.len();
        archive[place] = byte;
        let (_folder, store) = new_store();
        match store.load(archive.as_slice(), &berth_oci::Platform::of_this_machine()) {
            Ok(loaded) => {
                for loaded in loaded {
                    store.save(&[&loaded.image.id.to_string()], crate::Format::Oci, io::sink()).unwrap();
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty() && blobs(&store) == 0),
        }
        prop_assert_eq!(at_work(&store), 0);
    }
}
