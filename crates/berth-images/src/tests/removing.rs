//! What is taken away, and what is not.

use std::fs;
use std::time::{Duration, SystemTime};

use berth_oci::Digest;

use super::fixture::{Fixture, blobs, fetch, names, new_store, reference};
use crate::{Error, Listed, Removal, Removed, Store};

fn told(removed: &Removed) -> Vec<String> {
    let tell = |step: &Removal| match step {
        Removal::Untagged(name) => format!("Untagged: {name}"),
        Removal::Deleted(digest) => format!("Deleted: {digest}"),
    };
    removed.steps.iter().map(tell).collect()
}

fn files(store: &Store) -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["holds", "stage", "partial"] {
        let entries = fs::read_dir(store.folder().join(".berth").join(folder)).into_iter().flatten();
        names.extend(entries.map(|entry| entry.unwrap().path().display().to_string()));
    }
    names
}

#[test]
fn the_last_name_takes_the_image_with_it() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one", "two"]);
    fixture.pull(&store, "app:1").unwrap();
    store.tag("app:1", &reference("app:2")).unwrap();
    assert_eq!(told(&store.remove("app:1", false).unwrap()), ["Untagged: app:1"]);
    let removed = store.remove("app:2", false).unwrap();
    let sum = |text: &str| format!("Deleted: {}", Digest::sha256(text.as_bytes()));
    let expected = [
        "Untagged: app:2".to_owned(),
        format!("Untagged: app@{}", fixture.descriptor().digest),
        format!("Deleted: {}", fixture.id()),
        sum("two"),
        sum("one"),
    ];
    assert_eq!(told(&removed), expected);
    assert_eq!(removed.freed, fixture.blobs().map(|blob| blob.len() as u64).sum::<u64>());
    assert_eq!((blobs(&store), names(&store).len()), (0, 0));
    assert!(matches!(store.remove("app:2", false), Err(Error::NoSuchImage { .. })));
}

#[test]
fn shared_layers_stay() {
    let (_folder, store) = new_store();
    let (one, two) = (Fixture::numbered(1), Fixture::numbered(2));
    one.pull(&store, "one").unwrap();
    two.pull(&store, "two").unwrap();
    let removed = store.remove("one", false).unwrap();
    assert_eq!(told(&removed).last(), Some(&format!("Deleted: {}", one.id())), "no layer went");
    assert_eq!(blobs(&store), 3);
    two.pull(&store, "again").unwrap();
}

#[test]
fn by_its_id_an_image_goes_with_the_names_of_one_repository_or_by_force() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one"]);
    fixture.pull(&store, "app:1").unwrap();
    store.tag("app:1", &reference("quay.io/other:1")).unwrap();
    let id = fixture.id().hex()[..8].to_owned();
    let error = store.remove(&id, false).unwrap_err().to_string();
    assert!(error.contains("must be forced") && error.contains("app:1, quay.io/other:1"), "{error}");
    assert_eq!(names(&store).len(), 2);
    let by_force = store.remove(&id, true).unwrap();
    assert_eq!(told(&by_force)[..2], ["Untagged: app:1", "Untagged: quay.io/other:1"]);
    assert_eq!(blobs(&store), 0);
    fixture.pull(&store, "app:1").unwrap();
    store.remove(&id, false).unwrap();
    assert_eq!(blobs(&store), 0);
    fixture.pull(&store, "").unwrap();
    store.remove(&id, false).unwrap();
    assert_eq!(blobs(&store), 0);
}

#[test]
fn by_its_digest_go_all_tags_of_the_repository() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one"]);
    fixture.pull(&store, "app:1").unwrap();
    store.tag("app:1", &reference("app:2")).unwrap();
    store.tag("app:1", &reference("other:2")).unwrap();
    let digest = format!("app@{}", fixture.descriptor().digest);
    let removed = store.remove(&digest, false).unwrap();
    assert_eq!(told(&removed), ["Untagged: app:1", "Untagged: app:2", &format!("Untagged: {digest}")]);
    assert_eq!(names(&store), ["other:2"]);
}

#[test]
fn dangling_images_go_together() {
    let (_folder, store) = new_store();
    let (one, two, three) = (Fixture::numbered(1), Fixture::numbered(2), Fixture::numbered(3));
    for fixture in [&one, &two] {
        fixture.pull(&store, "app:1").unwrap();
    }
    three.pull(&store, "").unwrap();
    let is_dangling = |names: &[&Listed]| names.iter().all(|listed| listed.is_dangling());
    let removed = store.remove_where(is_dangling).unwrap();
    let deleted = removed.steps.iter().filter(|step| matches!(step, Removal::Deleted(_))).count();
    assert_eq!(deleted, 2);
    assert_eq!(names(&store), ["app:1"]);
    assert_eq!(blobs(&store), 3);
    assert_eq!(store.remove_where(is_dangling).unwrap(), Removed::default());
    let removed = store.remove_where(|_| true).unwrap();
    assert_eq!(removed.steps.len(), 4, "two names, the image, its layer");
    assert_eq!((names(&store).len(), blobs(&store)), (0, 0));
}

#[test]
fn what_somebody_pulls_stays() {
    let (_folder, store) = new_store();
    let fixture = Fixture::new(&["one"]);
    fixture.pull(&store, "app").unwrap();
    let pulling = store.transfer().unwrap();
    let layer = Digest::sha256(b"one");
    assert!(pulling.has(&layer, 3).unwrap());
    fetch(&pulling, b"new").unwrap();
    let removed = store.remove("app", false).unwrap();
    assert!(!removed.steps.contains(&Removal::Deleted(layer.clone())));
    store.prune(Duration::ZERO).unwrap();
    assert!(pulling.has(&layer, 3).unwrap() && pulling.has(&Digest::sha256(b"new"), 3).unwrap());
    drop(pulling);
    assert_eq!(store.prune(Duration::ZERO).unwrap().files, 2);
    assert_eq!((blobs(&store), files(&store)), (0, Vec::new()));
}

#[test]
fn only_what_is_old_is_pruned() {
    let (_folder, store) = new_store();
    let transfer = store.transfer().unwrap();
    fetch(&transfer, b"whole").unwrap();
    drop(transfer);
    let digest = Digest::sha256(b"half");
    let mut half = store.transfer().unwrap().begin(&digest, 4).unwrap().unwrap();
    half.write(b"ha").unwrap();
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    assert_eq!(store.prune(WEEK).unwrap().files, 0);
    let old = SystemTime::now() - 2 * WEEK;
    for folder in ["blobs/sha256", ".berth/partial"] {
        for entry in fs::read_dir(store.folder().join(folder)).unwrap() {
            fs::File::open(entry.unwrap().path()).unwrap().set_modified(old).unwrap();
        }
    }
    let pruned = store.prune(WEEK).unwrap();
    assert_eq!((pruned.files, pruned.bytes), (1, 5), "the one that is being written stays");
    drop(half);
    assert_eq!(store.prune(WEEK).unwrap().files, 1);
    assert_eq!(files(&store), Vec::<String>::new());
}

#[test]
fn what_is_open_stays_readable() {
    let (_folder, store) = new_store();
    Fixture::new(&["one"]).pull(&store, "app").unwrap();
    let file = store.open_blob(&Digest::sha256(b"one")).unwrap();
    store.remove("app", false).unwrap();
    assert_eq!(std::io::read_to_string(file).unwrap(), "one");
}
