//! Bytes in, images listed.

use std::fs;
use std::time::Duration;

use berth_oci::{Digest, media_type};
use serde_json::Value;

use super::fixture::{Fixture, blobs, descriptor, fetch, index, names, new_store, platform, reference};
use crate::{Begun, Error, Store, Wanted};

#[test]
fn what_was_pulled_is_listed_and_is_an_image_layout() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one", "two"]);
    let image = fixture.pull(&store, "team/app").unwrap();
    assert_eq!(names(&store), ["team/app:latest"]);
    assert_eq!((image.id.clone(), image.created.as_str()), (fixture.id(), "2026-01-02T03:04:05Z"));
    assert_eq!(image.size, (fixture.config.len() + 6) as u64);
    assert_eq!(store.list().unwrap()[0].image, image);
    let digest = fixture.descriptor().digest;
    assert_eq!(store.read_document(&digest).unwrap(), fixture.manifest, "kept byte for byte");

    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(store.folder().join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("oci-layout")["imageLayoutVersion"], "1.0.0");
    let entry = &read("index.json")["manifests"][0];
    assert_eq!(entry["digest"], digest.to_string());
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "docker.io/team/app:latest");
    assert_eq!(fs::read(store.folder().join("blobs/sha256").join(digest.hex())).unwrap(), fixture.manifest);
}

#[test]
fn half_an_image_is_not_listed_and_the_next_try_goes_on() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one", "two"]);
    let layer = &fixture.layers[0];
    let (digest, size) = (Digest::sha256(layer), layer.len() as u64);
    {
        let transfer = store.transfer().unwrap();
        transfer.begin(&digest, size).unwrap().unwrap().write(b"on").unwrap();
        fetch(&transfer, &fixture.manifest).unwrap();
        fetch(&transfer, &fixture.config).unwrap();
        let put = transfer.put_image(None, &fixture.descriptor(), Wanted::Prefer(&platform("linux/amd64")));
        assert!(matches!(put, Err(Error::Missing { .. })), "{put:?}");
    }
    assert_eq!(names(&store), Vec::<String>::new());
    let transfer = store.transfer().unwrap();
    assert_eq!(transfer.begin(&digest, size).unwrap().unwrap().written(), 2);
    fixture.pull(&store, "app").unwrap();
    assert_eq!(names(&store), ["app:latest"]);
}

#[test]
fn wrong_bytes_are_refused_and_thrown_away() {
    let (_folder, store) = new_store();
    let transfer = store.transfer().unwrap();
    let digest = Digest::sha256(b"right");
    let begin = || transfer.begin(&digest, 5).unwrap().unwrap();

    let mut incoming = begin();
    incoming.write(b"wrong").unwrap();
    assert!(matches!(incoming.finish(), Err(Error::Mismatch { .. })));
    assert!(matches!(begin().write(b"too long"), Err(Error::Length { actual: 8, .. })));
    let mut incoming = begin();
    assert_eq!(incoming.written(), 0, "nothing of the wrong ones is left");
    incoming.write(b"ri").unwrap();
    assert!(matches!(incoming.finish(), Err(Error::Length { actual: 2, .. })));
    assert_eq!(begin().written(), 2, "what is right is kept");
    let mut incoming = begin();
    incoming.restart().unwrap();
    incoming.write(b"right").unwrap();
    incoming.finish().unwrap();
    assert!(transfer.has(&digest, 5).unwrap());
}

#[test]
fn the_leftovers_of_a_wrong_try_do_not_last() {
    let (_folder, store) = new_store();
    let transfer = store.transfer().unwrap();
    let digest = Digest::sha256(b"right");
    transfer.begin(&digest, 5).unwrap().unwrap().write(b"wr").unwrap();
    let mut second = transfer.begin(&digest, 5).unwrap().unwrap();
    second.write(b"ght").unwrap();
    assert!(matches!(second.finish(), Err(Error::Mismatch { .. })));
    fetch(&transfer, b"right").unwrap();
    assert!(transfer.has(&digest, 5).unwrap());
}

#[test]
fn of_an_index_one_platform_is_enough() {
    let (_folder, store) = new_store();
    let (arm, amd) = (Fixture::numbered(1), Fixture::numbered(2));
    let bytes =
        index(&[("unknown/unknown", &Fixture::numbered(3)), ("linux/arm64/v8", &arm), ("linux/amd64", &amd)]);
    let top = descriptor(media_type::OCI_INDEX, &bytes);
    let transfer = store.transfer().unwrap();
    amd.blobs().chain([&bytes]).for_each(|blob| fetch(&transfer, blob).unwrap());
    let name = reference("app");
    let put = |wanted: &str, only: bool| {
        let platform = platform(wanted);
        let wanted = if only { Wanted::Only(&platform) } else { Wanted::Prefer(&platform) };
        transfer.put_image(Some(&name), &top, wanted)
    };
    let error = put("linux/s390x", true).unwrap_err().to_string();
    assert!(error.contains("nothing for linux/s390x; it has linux/arm64/v8, linux/amd64"), "{error}");
    assert!(
        matches!(put("linux/arm64", true), Err(Error::Missing { .. })),
        "that of another platform is no help"
    );
    assert_eq!(put("linux/arm64", false).unwrap().id, amd.id());
    let image = put("linux/amd64", true).unwrap();
    assert_eq!((&image.descriptor.digest, &image.manifest), (&top.digest, &amd.descriptor().digest));
    assert_eq!(store.read_document(&top.digest).unwrap(), bytes);
    arm.blobs().for_each(|blob| fetch(&transfer, blob).unwrap());
    assert_eq!(put("linux/arm64", true).unwrap().id, arm.id());
}

#[test]
fn a_name_moves_and_the_image_that_had_it_stays() {
    let (_folder, store) = new_store();
    let (old, new) = (Fixture::numbered(1), Fixture::numbered(2));
    old.pull(&store, "app:1").unwrap();
    new.pull(&store, "app:1").unwrap();
    assert_eq!(names(&store), [format!("app@{}", old.descriptor().digest), "app:1".to_owned()]);
    assert!(store.list().unwrap()[0].is_dangling());
    old.pull(&store, "app:1").unwrap();
    assert_eq!(names(&store), [format!("app@{}", new.descriptor().digest), "app:1".to_owned()]);
    let by_digest = format!("other@{}", new.descriptor().digest);
    new.pull(&store, &by_digest).unwrap();
    new.pull(&store, "").unwrap();
    store.tag(&by_digest, &reference("other:2")).unwrap();
    assert_eq!(names(&store)[1..], ["app:1", "other:2"], "what has a tag needs no line for its digest");
    assert!(matches!(store.tag("app:1", &reference(&by_digest)), Err(Error::DigestAsTarget { .. })));
}

#[test]
fn what_the_disk_lost_is_fetched_again() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one", "two"]);
    fixture.pull(&store, "app").unwrap();
    let path = |blob: &[u8]| store.folder().join("blobs/sha256").join(Digest::sha256(blob).hex());
    for (blob, bad) in [(&fixture.manifest, &b"x"[..]), (&fixture.config, b"{}"), (&fixture.layers[0], b"")] {
        fs::write(path(blob), bad).unwrap();
        fixture.pull(&store, "app").unwrap();
        assert_eq!(&fs::read(path(blob)).unwrap(), blob);
    }
    let mut same_size = fixture.manifest.clone();
    same_size[0] ^= 1;
    fs::write(path(&fixture.manifest), &same_size).unwrap();
    let digest = fixture.descriptor().digest;
    assert!(matches!(store.read_document(&digest), Err(Error::Damaged { .. })));
    assert!(store.discard_damaged(&digest).unwrap());
    fixture.pull(&store, "app").unwrap();
    assert!(!store.discard_damaged(&digest).unwrap());
}

#[test]
fn a_thousand_images_are_listed_from_one_file() {
    let (_folder, store) = new_store();
    let fixture = Fixture::numbered(0);
    let image = fixture.pull(&store, "app:0").unwrap();
    let changing = store.folder.change().unwrap();
    let mut all = store.folder.read_index().unwrap();
    let one = all.manifests[0].clone();
    for number in 1..1000 {
        let mut entry = one.clone();
        crate::index::set_name(&mut entry, Some(&reference(&format!("app:{number}"))));
        all.manifests.push(entry);
    }
    changing.write_index(&all).unwrap();
    drop(changing);
    // Nothing else can have been read, for it is not there.
    fs::remove_dir_all(store.folder().join("blobs")).unwrap();
    let listed = Store::open(store.folder()).unwrap().list().unwrap();
    assert_eq!(listed.len(), 1000);
    assert!(listed.iter().all(|listed| listed.image == image));
    assert_eq!(store.resolve("app:999").unwrap(), image);
}

#[test]
fn what_other_tools_wrote_is_read_and_kept() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one"]);
    let transfer = store.transfer().unwrap();
    fixture.blobs().for_each(|blob| fetch(&transfer, blob).unwrap());
    let mut ours = fixture.descriptor();
    ours.annotations.insert("org.opencontainers.image.ref.name".into(), "quay.io/team/app:2".into());
    ours.annotations.insert("theirs".into(), "kept".into());
    let mut by_containerd = fixture.descriptor();
    by_containerd.annotations.insert("io.containerd.image.name".into(), "docker.io/library/x:1".into());
    by_containerd.annotations.insert("org.opencontainers.image.ref.name".into(), "1".into());
    let half = Fixture::numbered(1).descriptor();
    let entries = [ours, by_containerd, half.clone()];
    let text = serde_json::json!({ "schemaVersion": 2, "manifests": entries, "annotations": { "a": "b" } });
    fs::write(store.folder().join("index.json"), text.to_string()).unwrap();
    assert_eq!(names(&store), ["quay.io/team/app:2", "x:1"], "who is not whole is not listed");
    assert_eq!(store.resolve("x:1").unwrap().id, fixture.id());
    store.tag("x:1", &reference("y")).unwrap();
    let text = fs::read_to_string(store.folder().join("index.json")).unwrap();
    assert!(text.contains("\"theirs\":\"kept\"") && text.contains("\"a\":\"b\""), "{text}");
    assert!(text.contains(&half.digest.to_string()));
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "").unwrap();
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("it has a file \"thesis.txt\"") && error.contains("choose another folder"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"9"}"#).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(Error::NotAStore { .. })));
}

#[test]
fn a_store_that_cannot_be_written_is_read() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one"]);
    fixture.pull(&store, "app").unwrap();
    let work = store.folder().join(".berth");
    // A file in the place of the folder keeps also an administrator from writing.
    fs::remove_dir_all(&work).unwrap();
    fs::write(&work, "").unwrap();
    let store = Store::open(store.folder()).unwrap();
    assert_eq!(names(&store), ["app:latest"]);
    assert!(matches!(store.tag("app", &reference("b")), Err(Error::Io { .. } | Error::Unwritable { .. })));
    assert!(store.transfer().is_err());
}

#[test]
fn a_full_disk_is_one_sentence_and_what_to_do() {
    let source = std::io::Error::from_raw_os_error(28);
    let error = Error::io("/data".as_ref(), "write", "/data/blobs/x".as_ref(), source);
    let expected = "the disk of /data is full; free space, for example with `berth rmi`, and try again; \
                    a pull goes on where it stopped";
    assert_eq!(error.to_string(), expected);
    let source = std::io::Error::from_raw_os_error(30);
    let error = Error::io("/data".as_ref(), "write", "/data/blobs/x".as_ref(), source);
    assert!(error.to_string().starts_with("/data/blobs/x cannot be written"), "{error}");
}

#[test]
fn who_comes_second_waits_and_finds_the_blob() {
    let (_folder, store) = new_store();
    let blob = vec![7; 300_000];
    let (digest, size) = (Digest::sha256(&blob), blob.len() as u64);
    let first = store.transfer().unwrap();
    let mut incoming = first.begin(&digest, size).unwrap().unwrap();
    incoming.write(&blob[..1000]).unwrap();
    assert!(matches!(store.transfer().unwrap().try_begin(&digest, size).unwrap(), Begun::Busy));
    let second = {
        let store = store.clone();
        let digest = digest.clone();
        std::thread::spawn(move || store.transfer().unwrap().begin(&digest, size).unwrap().is_none())
    };
    incoming.write(&blob[1000..]).unwrap();
    incoming.finish().unwrap();
    assert!(second.join().unwrap(), "it is there when the wait ends");
    assert!(matches!(first.try_begin(&digest, size).unwrap(), Begun::Here));
}

#[test]
fn who_comes_second_goes_on_where_the_first_gave_up() {
    let (_folder, store) = new_store();
    let digest = Digest::sha256(b"abc");
    let first = store.transfer().unwrap();
    let mut incoming = first.begin(&digest, 3).unwrap().unwrap();
    incoming.write(b"ab").unwrap();
    let second = {
        let (store, digest) = (store.clone(), digest.clone());
        std::thread::spawn(move || {
            let mut incoming = store.transfer().unwrap().begin(&digest, 3).unwrap().unwrap();
            incoming.write(if incoming.written() == 2 { b"c" } else { b"" }).unwrap();
            incoming.finish().unwrap();
        })
    };
    drop(incoming);
    second.join().unwrap();
    assert!(first.has(&digest, 3).unwrap());
}

#[test]
fn many_at_once_lose_nothing() {
    let (_folder, store) = new_store();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for step in 0..4 {
                    Fixture::numbered(number).pull(store, &format!("app{number}:{step}")).unwrap();
                    Fixture::numbered(100).pull(store, &format!("all:{number}-{step}")).unwrap();
                }
                store.remove(&format!("app{number}:0"), false).unwrap();
                store.prune(Duration::ZERO).unwrap();
            });
        }
    });
    assert_eq!(names(&store).len(), 8 * 3 + 8 * 4);
    assert_eq!(blobs(&store), 9 * 2 + 1);
}
