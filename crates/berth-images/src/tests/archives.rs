//! Honest archives: what one writes the other reads, and nothing of it changes.

use std::fs;

use berth_oci::{Digest, media_type};
use serde_json::{Value, json};

use super::fixture::{Fixture, blobs, descriptor, fetch, index, names, new_store, platform, reference};
use super::tarball::{entry, file, gzip, tar, zstd};
use crate::{Error, Format, Loaded, Store, Wanted};

fn save(store: &Store, texts: &[&str], format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    store.save(texts, format, &mut out).unwrap();
    out
}

fn load(store: &Store, archive: &[u8]) -> Vec<Loaded> {
    store.load(archive, &berth_oci::Platform::of_this_machine()).unwrap()
}

fn loaded_names(loaded: &[Loaded]) -> Vec<Vec<String>> {
    loaded.iter().map(|loaded| loaded.names.iter().map(|name| name.familiar()).collect()).collect()
}

/// The paths in an archive.
fn paths(archive: &[u8]) -> Vec<String> {
    let mut archive = berth_inspect::Archive::new(archive, berth_inspect::Limits::default());
    let mut paths = Vec::new();
    while let Some(header) = archive.next_entry().unwrap() {
        paths.push(String::from_utf8(header.path).unwrap());
    }
    paths
}

/// An archive as docker wrote it up to 24, and skopeo writes it: layers are plain, or links to those of other images.
pub(super) fn docker_archive(images: &[(&[&str], &Fixture)]) -> Vec<u8> {
    let (mut entries, mut items) = (Vec::new(), Vec::new());
    for (number, (tags, fixture)) in images.iter().enumerate() {
        let config = format!("{}.json", fixture.id().hex());
        entries.push(file(&config, &fixture.config));
        let mut layers = Vec::new();
        for (place, layer) in fixture.layers.iter().enumerate() {
            let folder = format!("{number}-{place}");
            entries.push(entry(&folder, b'5', b"", ""));
            entries.push(file(&format!("{folder}/VERSION"), b"1.0"));
            match place {
                0 => entries.push(file(&format!("{folder}/layer.tar"), layer)),
                _ => {
                    entries.push(entry(
                        &format!("{folder}/layer.tar"),
                        b'2',
                        b"",
                        &format!("../{folder}.tar"),
                    ));
                    entries.push(file(&format!("{folder}.tar"), layer));
                }
            }
            layers.push(format!("{folder}/layer.tar"));
        }
        items.push(json!({ "Config": config, "RepoTags": tags, "Layers": layers }));
    }
    entries.push(file("manifest.json", json!(items).to_string().as_bytes()));
    entries.push(file("repositories", b"{}"));
    tar(&entries)
}

#[test]
fn what_is_saved_is_loaded_and_keeps_its_digests() {
    let (_folder, from) = new_store();
    let (one, two) = (Fixture::new(&["one", "two"]), Fixture::numbered(2));
    one.pull(&from, "app:1").unwrap();
    from.tag("app:1", &reference("quay.io/team/app:2")).unwrap();
    two.pull(&from, "other").unwrap();
    let id = two.id().to_string();
    for format in [Format::Docker, Format::Oci] {
        let archive = save(&from, &["app:1", "quay.io/team/app:2", &id], format);
        assert_eq!(
            archive,
            save(&from, &["app:1", "quay.io/team/app:2", &id], format),
            "the same bytes each time"
        );
        for packed in [archive.clone(), gzip(&archive), zstd(&archive)] {
            let (_folder, to) = new_store();
            let loaded = load(&to, &packed);
            assert_eq!(loaded_names(&loaded), [vec!["app:1", "quay.io/team/app:2"], vec![]]);
            assert_eq!(loaded[0].image.descriptor, one.descriptor());
            assert_eq!(to.resolve("app:1").unwrap().id, one.id());
            assert_eq!(to.resolve(&id).unwrap().descriptor, two.descriptor());
            assert_eq!(blobs(&to), 7);
            assert!(save(&to, &["app:1", "quay.io/team/app:2", &id], format) == archive);
        }
    }
}

#[test]
fn dockers_own_form_has_tables_for_every_reader() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one", "two"]);
    fixture.pull(&store, "team/app:1").unwrap();
    let archive = save(&store, &["team/app"], Format::Docker);
    let paths = paths(&archive);
    assert_eq!(paths[..4], ["oci-layout", "index.json", "manifest.json", "repositories"]);
    assert_eq!(paths.len(), 4 + 4);
    let text = String::from_utf8_lossy(&archive);
    let layer = Digest::sha256(b"two").hex();
    for expected in [
        format!("\"Config\":\"blobs/sha256/{}\"", fixture.id().hex()),
        "\"RepoTags\":[\"team/app:1\"]".to_owned(),
        format!("\"team/app\":{{\"1\":\"{layer}\"}}"),
        "\"io.containerd.image.name\":\"docker.io/team/app:1\"".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected}");
    }
    assert!(!text.contains("berth.image"), "nothing of ours goes out");
}

#[test]
fn a_repository_is_saved_with_all_of_its_tags() {
    let (_folder, store) = new_store();
    Fixture::numbered(1).pull(&store, "app:1").unwrap();
    Fixture::numbered(2).pull(&store, "app:2").unwrap();
    Fixture::numbered(3).pull(&store, "other:2").unwrap();
    let (_folder, to) = new_store();
    load(&to, &save(&store, &["app"], Format::Docker));
    assert_eq!(names(&to), ["app:1", "app:2"]);
    let mut nothing = Vec::new();
    let error = store.save(&["app:1", "missing"], Format::Docker, &mut nothing).unwrap_err();
    assert!(matches!(error, Error::NoSuchImage { .. }) && nothing.is_empty());
}

#[test]
fn archives_of_old_dockers_are_loaded() {
    let (one, two) = (Fixture::new(&["one", "two"]), Fixture::new(&["one", "three"]));
    let archive = docker_archive(&[(&["app:1", "app:2"], &one), (&[], &two)]);
    let (_folder, store) = new_store();
    let loaded = load(&store, &archive);
    assert_eq!(loaded_names(&loaded), [vec!["app:1", "app:2"], vec![]]);
    assert_eq!(loaded.iter().map(|loaded| loaded.image.id.clone()).collect::<Vec<_>>(), [one.id(), two.id()]);
    assert_eq!(blobs(&store), 2 + 2 + 3, "shared layers are there once");
    assert!(loaded.iter().all(|loaded| loaded.is_made));
    let again = load(&store, &archive);
    let images = |loaded: &[Loaded]| loaded.iter().map(|loaded| loaded.image.clone()).collect::<Vec<_>>();
    assert_eq!((images(&again), blobs(&store)), (images(&loaded), 7), "the manifest is the same each time");
}

#[test]
fn an_image_that_is_here_keeps_its_manifest() {
    let (_folder, store) = new_store();
    let mut fixture = Fixture::new(&["one", "two"]);
    // Nobody would make one with these spaces.
    fixture.manifest.extend_from_slice(b"  ");
    fixture.pull(&store, "registry.example/app:1").unwrap();
    let loaded = load(&store, &docker_archive(&[(&["app:2"], &fixture)]));
    assert_eq!(loaded[0].image.descriptor, fixture.descriptor());
    assert_eq!((names(&store), blobs(&store)), (vec!["registry.example/app:1".into(), "app:2".into()], 4));
    // What is here is not whole any more, and comes from the archive.
    fs::remove_file(store.folder().join("blobs/sha256").join(fixture.descriptor().digest.hex())).unwrap();
    let loaded = load(&store, &docker_archive(&[(&["app:2"], &fixture)]));
    assert_ne!(loaded[0].image.descriptor, fixture.descriptor());
    store.save(&["app:2"], Format::Oci, std::io::sink()).unwrap();
}

#[test]
fn packed_layers_are_checked_by_what_is_in_them() {
    for (pack, media_type) in
        [(gzip as fn(&[u8]) -> Vec<u8>, media_type::OCI_LAYER_GZIP), (zstd, media_type::OCI_LAYER_ZSTD)]
    {
        let mut fixture = Fixture::new(&["one"]);
        fixture.layers = vec![pack(b"one")];
        let (_folder, store) = new_store();
        let loaded = load(&store, &docker_archive(&[(&["app"], &fixture)]));
        let manifest: Value =
            serde_json::from_slice(&store.read_document(&loaded[0].image.manifest).unwrap()).unwrap();
        assert_eq!(manifest["layers"][0]["mediaType"], media_type);
        fixture.layers = vec![pack(b"two")];
        let (_folder, store) = new_store();
        let error = store.load(
            docker_archive(&[(&["app"], &fixture)]).as_slice(),
            &berth_oci::Platform::of_this_machine(),
        );
        assert!(error.unwrap_err().to_string().contains("is not the layer sha256:"));
    }
}

#[test]
fn an_index_is_saved_and_loaded_with_the_platform_that_is_there() {
    let (_folder, from) = new_store();
    let (arm, amd) = (Fixture::numbered(1), Fixture::numbered(2));
    let bytes = index(&[("linux/arm64", &arm), ("linux/amd64", &amd)]);
    let top = descriptor(media_type::OCI_INDEX, &bytes);
    let transfer = from.transfer().unwrap();
    arm.blobs().chain([&bytes]).for_each(|blob| fetch(&transfer, blob).unwrap());
    let arm64 = platform("linux/arm64");
    transfer.put_image(Some(&reference("app")), &top, Wanted::Only(&arm64)).unwrap();
    let archive = save(&from, &["app"], Format::Docker);
    let (_folder, to) = new_store();
    let loaded = to.load(archive.as_slice(), &platform("linux/amd64")).unwrap();
    assert_eq!((&loaded[0].image.descriptor, &loaded[0].image.id), (&top, &arm.id()));
    assert_eq!(to.read_document(&top.digest).unwrap(), bytes);
}

#[test]
fn a_damaged_layer_is_told_of_and_fetched_again() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one", "two"]);
    fixture.pull(&store, "app").unwrap();
    let path = store.folder().join("blobs/sha256").join(Digest::sha256(b"two").hex());
    fs::write(&path, "twx").unwrap();
    let save = || store.save(&["app"], Format::Oci, std::io::sink());
    let error = save().unwrap_err().to_string();
    assert!(error.contains("is damaged on the disk; pull the image again"), "{error}");
    assert!(matches!(save(), Err(Error::Missing { .. })));
    fixture.pull(&store, "app").unwrap();
    save().unwrap();
}

#[test]
fn what_the_store_has_is_not_written_again() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one", "two"]);
    fixture.pull(&store, "app").unwrap();
    let archive = save(&store, &["app"], Format::Oci);
    let path = store.folder().join("blobs/sha256").join(Digest::sha256(b"two").hex());
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    load(&store, &archive);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    fs::write(&path, "").unwrap();
    load(&store, &archive);
    assert_eq!(fs::read(&path).unwrap(), b"two", "unless it is damaged there");
}
