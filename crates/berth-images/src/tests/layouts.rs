//! Layouts that others read and write as well: entries stay as they are, and nothing of ours is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use berth_oci::{Descriptor, Digest, media_type};
use serde_json::json;

use super::fixture::{Fixture, blobs, descriptor, fetch, index, new_store, platform};
use super::tarball::{file, gzip, tar};
use crate::{Entry, Error, Store, Wanted};

fn new_layout() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_layout(&folder.path().join("layout")).unwrap();
    (folder, store)
}

/// Brings an image in under a word.
fn put(store: &Store, name: Option<&str>, fixture: &Fixture) {
    let transfer = store.transfer().unwrap();
    fixture.blobs().for_each(|blob| fetch(&transfer, blob).unwrap());
    transfer.put_entry(name, &fixture.descriptor()).unwrap();
}

fn names(store: &Store) -> Vec<Option<String>> {
    store.entries().unwrap().into_iter().map(|entry| entry.name).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn entries_have_the_words_that_were_written() {
    let (_folder, store) = new_layout();
    let (one, two) = (Fixture::new(&["one"]), Fixture::new(&["two"]));
    put(&store, Some("app"), &one);
    put(&store, Some("App:1 and more"), &one);
    put(&store, None, &one);
    put(&store, None, &one);
    put(&store, Some("app"), &two);
    assert_eq!(names(&store), [Some("App:1 and more".to_owned()), None, Some("app".to_owned())]);
    let transfer = store.transfer().unwrap();
    let missing = Fixture::new(&["nobody brought it"]);
    let error = transfer.put_entry(None, &missing.descriptor()).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    assert_eq!(names(&store).len(), 3);
}

#[test]
fn who_may_read_says_the_umask() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (folder, layout) = new_layout();
    let plain = folder.path().join("plain");
    fs::create_dir(&plain).unwrap();
    fs::write(plain.join("file"), "").unwrap();
    let fixture = Fixture::new(&["one"]);
    put(&layout, None, &fixture);
    let (_folder, own) = new_store();
    put(&own, None, &fixture);
    let blob = |store: &Store| store.folder().join("blobs/sha256").join(fixture.id().hex());
    assert_eq!((mode(layout.folder()), mode(&blob(&layout))), (mode(&plain), mode(&plain.join("file"))));
    assert_eq!((mode(own.folder()), mode(&blob(&own))), (0o700, 0o600));
}

#[test]
fn nothing_of_ours_is_left_unless_somebody_needs_it() {
    const OURS: &str = ".berth";
    const LAYOUT: [&str; 3] = ["blobs", "index.json", "oci-layout"];
    let (_folder, store) = new_layout();
    put(&store, None, &Fixture::new(&["one"]));
    assert!(store.folder().join(OURS).is_dir());
    let at_work = store.transfer().unwrap();
    store.tidy().unwrap();
    assert!(store.folder().join(OURS).join("lock").exists(), "somebody is at work");
    let begun = at_work.begin(&Digest::sha256(b"half"), 4).unwrap().unwrap();
    drop((begun, at_work));
    store.tidy().unwrap();
    assert!(store.folder().join(OURS).join("partial").is_dir(), "the next try goes on with it");
    put(&store, None, &Fixture::new(&["half"]));
    store.tidy().unwrap();
    assert_eq!(files(store.folder()), LAYOUT);
    put(&store, None, &Fixture::new(&["two"]));
    // What a kill has left is nobody's.
    fs::write(store.folder().join(".berth/holds/1-1"), "").unwrap();
    fs::write(store.folder().join(".berth/index.json.new"), "{").unwrap();
    store.tidy().unwrap();
    assert_eq!(files(store.folder()), LAYOUT);
}

#[test]
fn who_tidies_up_is_in_nobodys_way() {
    let (_folder, store) = new_layout();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let store = store.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    let name = format!("{worker}-{round}");
                    put(&store, Some(&name), &Fixture::new(&[&name]));
                    store.tidy().unwrap();
                }
            });
        }
    });
    assert_eq!((names(&store).len(), blobs(&store)), (80, 3 * 80));
    store.tidy().unwrap();
    assert!(!store.folder().join(".berth").exists());
}

#[test]
fn a_layout_of_others_is_read_without_writing() {
    let (_folder, store) = new_layout();
    let fixture = Fixture::new(&["one", "two"]);
    put(&store, None, &fixture);
    store.tidy().unwrap();
    let before = files(store.folder());
    let reader = store.reader().unwrap();
    reader.keep(&fixture.descriptor()).unwrap();
    assert!(reader.is_whole(&fixture.descriptor()).unwrap());
    assert_eq!(reader.read_document(&fixture.id()).unwrap(), fixture.config);
    assert_eq!(fs::read(reader.blob_path(&Digest::sha256(b"two")).unwrap()).unwrap(), b"two");
    assert_eq!(files(store.folder()), before);
}

/// Where programs of ours work, what somebody reads stays.
#[test]
fn what_is_read_is_not_taken_away() {
    let (_folder, store) = new_store();
    let image = Fixture::new(&["one"]).pull(&store, "app").unwrap();
    let reader = store.reader().unwrap();
    reader.keep(&image.descriptor).unwrap();
    store.remove("app", true).unwrap();
    assert!(reader.is_whole(&image.descriptor).unwrap());
    drop(reader);
    store.prune(std::time::Duration::ZERO).unwrap();
    assert_eq!(blobs(&store), 0);
}

#[test]
fn an_index_is_whole_with_all_platforms() {
    let (_folder, store) = new_layout();
    let host = berth_oci::Platform::of_this_machine().word();
    let (here, there) = (Fixture::new(&["here"]), Fixture::new(&["there"]));
    let bytes = index(&[("plan9/amd64", &there), (&host, &here)]);
    let top = descriptor(media_type::OCI_INDEX, &bytes);
    let reader = store.reader().unwrap();
    assert!(!reader.is_whole(&top).unwrap());
    put(&store, None, &here);
    let transfer = store.transfer().unwrap();
    fetch(&transfer, &bytes).unwrap();
    fetch(&transfer, &there.manifest).unwrap();
    fetch(&transfer, &there.config).unwrap();
    assert!(!reader.is_whole(&top).unwrap(), "a layer is missing");
    let chosen = reader.choose(&top, Wanted::Prefer(&platform("plan9/amd64"))).unwrap();
    assert_eq!(chosen, here.descriptor().digest, "what is whole");
    fetch(&transfer, b"there").unwrap();
    assert!(reader.is_whole(&top).unwrap());
    let chosen = reader.choose(&top, Wanted::Only(&platform("plan9/amd64"))).unwrap();
    assert_eq!(chosen, there.descriptor().digest);
}

#[test]
fn a_whole_layout_goes_into_an_archive_and_back() {
    let (_folder, store) = new_layout();
    put(&store, Some("app"), &Fixture::new(&["one", "two"]));
    put(&store, None, &Fixture::new(&["one", "three"]));
    let mut archive = Vec::new();
    store.pack(&mut archive).unwrap();
    for packed in [archive.clone(), gzip(&archive)] {
        let (_folder, back) = new_layout();
        back.unpack(packed.as_slice()).unwrap();
        assert_eq!(back.entries().unwrap(), store.entries().unwrap());
        assert_eq!(blobs(&back), blobs(&store));
        let mut again = Vec::new();
        back.pack(&mut again).unwrap();
        assert!(again == archive, "it is the same archive");
    }
    let path = store.folder().join("blobs/sha256").join(Digest::sha256(b"two").hex());
    fs::write(path, "twx").unwrap();
    assert!(matches!(store.pack(std::io::sink()), Err(Error::Damaged { .. })));
}

#[test]
fn archives_that_are_no_layouts_leave_nothing() {
    let fixture = Fixture::new(&["one"]);
    let blob = |name: &[u8], bytes| file(&format!("blobs/sha256/{}", Digest::sha256(name).hex()), bytes);
    let of = |descriptor: Descriptor| json!({ "schemaVersion": 2, "manifests": [descriptor] }).to_string();
    let index = file("index.json", of(fixture.descriptor()).as_bytes());
    for (entries, expected) in [
        (vec![file("manifest.json", b"[]")], "there is no index.json"),
        (vec![file("index.json", b"{")], "its index.json cannot be read"),
        (
            vec![file("oci-layout", b"{\"imageLayoutVersion\":\"9\"}"), index.clone()],
            "a version that is not known",
        ),
        (vec![blob(b"one", b"two"), index.clone()], "is damaged"),
        (vec![file("../x", b""), index.clone()], "leads out of it"),
    ] {
        let (_folder, store) = new_layout();
        let error = store.unpack(tar(&entries).as_slice()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!((names(&store).len(), blobs(&store)), (0, 0));
        store.tidy().unwrap();
        assert!(!store.folder().join(".berth").exists());
    }
    // What is not there is missed by who asks for it, and not before: others may have left platforms out.
    let (_folder, store) = new_layout();
    store.unpack(tar(&[index]).as_slice()).unwrap();
    let [Entry { descriptor, .. }] = &store.entries().unwrap()[..] else { panic!("it has one entry") };
    assert!(!store.reader().unwrap().is_whole(descriptor).unwrap());
}
