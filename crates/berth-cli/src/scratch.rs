//! Folders for what is packed and unpacked on the way. They are gone with the command, also when it is stopped.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use berth_images::Error as StoreError;
use tempfile::{Builder, TempDir};

use crate::failure::Failure;

/// Where there is room for large files: `/tmp` is often memory.
const LARGE: &str = "/var/tmp";

/// The folders, removed when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Mutex<Vec<Made>>);

#[derive(Debug)]
struct Made {
    folder: TempDir,
    /// Whether it lies beside the file that it is for.
    is_beside: bool,
}

impl Scratch {
    /// A new folder: beside a file that will be moved out of it, or else in `TMPDIR` or `/var/tmp`.
    ///
    /// # Errors
    /// That it cannot be made.
    pub(crate) fn folder(&self, beside: Option<&Path>) -> Result<PathBuf, Failure> {
        let parent = match beside {
            Some(file) => match file.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => PathBuf::from("."),
            },
            None => usual(),
        };
        if !parent.is_dir() {
            return Err(
                Failure::other(format!("there is no folder {}", parent.display())).hint("make it first")
            );
        }
        let made = Builder::new().prefix(".berth-").tempdir_in(&parent).map_err(|error| {
            let failure = Failure::other(format!("cannot write in {}: {}", parent.display(), error.kind()));
            match beside {
                Some(_) => failure,
                None => failure.hint("TMPDIR=FOLDER names another folder for what is unpacked on the way"),
            }
        })?;
        let path = made.path().to_owned();
        let made = Made { folder: made, is_beside: beside.is_some() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(made);
        Ok(path)
    }

    /// The failure of a command that worked there: a full disk is none of the images of this machine.
    pub(crate) fn explained(&self, failure: Failure) -> Failure {
        let Some(StoreError::Full { folder }) = failure.cause() else { return failure };
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(made) = made.iter().find(|made| folder.starts_with(made.folder.path())) else {
            return failure;
        };
        let place = made.folder.path().parent().unwrap_or(folder);
        let full = Failure::other(format!("the disk of {} is full", place.display()));
        full.hint(match made.is_beside {
            true => {
                "free space there, or name a file on another disk: an archive is written twice on the way"
            }
            false => "free space there; TMPDIR=FOLDER names another folder for what is unpacked on the way",
        })
    }
}

fn usual() -> PathBuf {
    let is_told = std::env::var_os("TMPDIR").is_some_and(|folder| !folder.is_empty());
    match Path::new(LARGE).is_dir() && !is_told {
        true => LARGE.into(),
        false => std::env::temp_dir(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_lie_where_they_should_and_are_gone_in_the_end() {
        let place = tempfile::tempdir().unwrap();
        let scratch = Scratch::default();
        let folders =
            [scratch.folder(Some(&place.path().join("app.tar"))).unwrap(), scratch.folder(None).unwrap()];
        assert_eq!(folders[0].parent(), Some(place.path()));
        std::fs::write(folders[0].join("file"), "").unwrap();
        assert!(folders[1].is_dir());
        drop(scratch);
        assert!(folders.iter().all(|folder| !folder.exists()));
        let scratch = Scratch::default();
        let folder = scratch.folder(None).unwrap();
        let full = |folder: &Path| Failure::other(StoreError::Full { folder: folder.to_owned() });
        let told = scratch.explained(full(&folder.join("store"))).text(false);
        assert!(told.contains("is full\nhint: free space there; TMPDIR=FOLDER"), "{told}");
        let told = scratch.explained(full(place.path())).text(false);
        assert!(told.contains("berth rmi"), "{told}");
        let nowhere = Scratch::default().folder(Some(&place.path().join("none/app.tar"))).unwrap_err();
        assert!(nowhere.to_string().starts_with("there is no folder"), "{nowhere}");
    }
}
