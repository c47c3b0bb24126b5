//! A process is killed at every step of its work: what was there is there, what is listed is whole, the next try
//! succeeds.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::archives::docker_archive;
use super::fixture::{Fixture, blobs, names, new_store, reference};
use crate::{Store, Wanted};

const FOLDER: &str = "BERTH_IMAGES_FOLDER";
const BESIDE: &str = "BERTH_IMAGES_BESIDE";

/// What the process does: it pulls, moves a name, tags, removes and prunes.
fn work(folder: &Path) {
    let store = Store::open(folder).unwrap();
    Fixture::new(&["one", "two"]).pull(&store, "app:1").unwrap();
    Fixture::new(&["one", "three"]).pull(&store, "app:1").unwrap();
    store.tag("app:1", &reference("app:2")).unwrap();
    store.remove(&Fixture::new(&["one", "two"]).id().to_string(), true).ok();
    store
        .load(
            docker_archive(&[(&["loaded:1"], &Fixture::new(&["loaded"]))]).as_slice(),
            &berth_oci::Platform::of_this_machine(),
        )
        .unwrap();
    store.prune(Duration::from_secs(3600)).unwrap();
}

/// What one of many processes does, with names of its own.
fn work_beside_others(folder: &Path) {
    let store = Store::open(folder).unwrap();
    let own = std::process::id();
    for number in 0..5 {
        Fixture::numbered(number).pull(&store, &format!("of-{own}:{number}")).unwrap();
        Fixture::new(&["one", "two"]).pull(&store, &format!("gone-{own}:1")).unwrap();
        store.remove(&format!("gone-{own}:1"), false).unwrap();
        store.prune(Duration::ZERO).unwrap();
    }
}

/// No test: the process that is killed.
#[test]
fn child() {
    match (std::env::var_os(FOLDER), std::env::var_os(BESIDE)) {
        (Some(folder), None) => work(Path::new(&folder)),
        (Some(folder), Some(_)) => work_beside_others(Path::new(&folder)),
        _ => {}
    }
}

fn child_process(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::crash::child", "--test-threads=1"]).env(FOLDER, folder);
    command
}

/// Whether it came to its end.
fn run_child(folder: &Path, die_at: usize) -> bool {
    let output = child_process(folder).env("BERTH_IMAGES_DIE_AT", die_at.to_string()).output().unwrap();
    let died = output.status.signal().is_some();
    assert!(died || output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    !died
}

/// Whatever is listed is whole.
fn check(store: &Store) {
    let transfer = store.transfer().unwrap();
    for listed in store.list().unwrap() {
        let again = transfer.put_image(
            None,
            &listed.image.descriptor,
            Wanted::Prefer(&berth_oci::Platform::of_this_machine()),
        );
        assert_eq!(again.unwrap().id, listed.image.id);
        let manifest = store.read_document(&listed.image.manifest).unwrap();
        let manifest = berth_oci::Manifest::read(&listed.image.descriptor.media_type, &manifest).unwrap();
        for part in manifest.references {
            assert!(!store.discard_damaged(&part.descriptor.digest).unwrap());
        }
    }
}

#[test]
fn a_kill_at_any_step_breaks_nothing() {
    let kept = Fixture::numbered(1);
    let mut steps = 0;
    for die_at in 0.. {
        let (_folder, store) = new_store();
        kept.pull(&store, "kept").unwrap();
        let has_ended = run_child(store.folder(), die_at);
        check(&store);
        assert!(names(&store).contains(&"kept:latest".to_owned()), "step {die_at}");
        work(store.folder());
        check(&store);
        let mut names = names(&store);
        names.sort();
        assert_eq!(names, ["app:1", "app:2", "kept:latest", "loaded:1"], "step {die_at}");
        store.prune(Duration::ZERO).unwrap();
        // Manifest, configuration and layers of `kept`, `app` and `loaded`.
        assert_eq!(blobs(&store), 3 + 4 + 3, "step {die_at}");
        if has_ended {
            steps = die_at;
            break;
        }
    }
    assert!(steps > 30, "only {steps} steps");
}

#[test]
fn a_kill_while_the_store_is_made_breaks_nothing() {
    for die_at in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("images");
        run_child(&folder, die_at);
        work(&folder);
        assert_eq!(names(&Store::open(&folder).unwrap()), ["app:1", "app:2", "loaded:1"]);
    }
}

#[test]
fn processes_at_once_lose_nothing() {
    let (_folder, store) = new_store();
    let start = || child_process(store.folder()).env(BESIDE, "1").stdout(Stdio::piped()).spawn().unwrap();
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    check(&store);
    assert_eq!(names(&store).len(), 4 * 5);
    store.prune(Duration::ZERO).unwrap();
    assert_eq!(blobs(&store), 5 * 2 + 1);
}
