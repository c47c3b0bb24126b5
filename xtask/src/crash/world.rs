//! What the clients may work with: blobs and manifests that they know to be there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::ledger::{Ledger, Object};

/// The repositories that all clients share; the second has a slash because paths are a place for mistakes.
pub(crate) const REPOSITORIES: [&str; 3] = ["crash", "crash/two/three", "other"];
/// Few enough that clients often write the same tag at the same time.
pub(crate) const TAGS: [&str; 6] = ["latest", "v1", "v2", "v3", "nightly", "edge"];

/// A pushed blob.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) size: usize,
}

/// A pushed manifest.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) digest: String,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// One repository's content.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// Blobs that manifests may name; they are never deleted.
    pub(crate) blobs: Vec<Blob>,
    /// Blobs that no manifest names, so that they can be deleted.
    pub(crate) loose: Vec<Blob>,
    pub(crate) images: Vec<Image>,
}

impl Shelf {
    /// The blobs of one sort.
    pub(crate) fn blobs(&mut self, loose: bool) -> &mut Vec<Blob> {
        if loose { &mut self.loose } else { &mut self.blobs }
    }
}

/// An upload in parts that was cut off.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) repository: &'static str,
    pub(crate) location: String,
    pub(crate) content: Arc<Vec<u8>>,
    /// No more than this can have arrived.
    pub(crate) sent: usize,
}

/// The shelves of all repositories.
#[derive(Debug, Default)]
pub(crate) struct World(Mutex<BTreeMap<&'static str, Shelf>>);

impl World {
    fn shelves(&self) -> MutexGuard<'_, BTreeMap<&'static str, Shelf>> {
        self.0.lock().expect("no holder of the shelves panics")
    }

    /// Looks at or changes the shelf of a repository; not for anything slow.
    pub(crate) fn shelf<T>(&self, repository: &'static str, action: impl FnOnce(&mut Shelf) -> T) -> T {
        action(self.shelves().entry(repository).or_default())
    }

    /// Takes from the shelves what the last look at the server did not find.
    pub(crate) fn settle(&self, ledger: &Ledger) {
        for (repository, shelf) in self.shelves().iter_mut() {
            let there = |digest: &str| ledger.settled(&Object::blob(repository, digest)).is_some();
            shelf.blobs.retain(|blob| there(&blob.digest));
            shelf.loose.retain(|blob| there(&blob.digest));
            shelf
                .images
                .retain(|image| ledger.settled(&Object::manifest(repository, &image.digest)).is_some());
        }
    }
}
