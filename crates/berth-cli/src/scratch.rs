//! Folders for what is packed and unpacked on the way. They are gone with the command, also when it is stopped.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{Builder, TempDir};

use crate::failure::Failure;

/// Where there is room for large files: `/tmp` is often memory.
const LARGE: &str = "/var/tmp";

/// The folders, removed when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Mutex<Vec<TempDir>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(made);
        Ok(path)
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
        let nowhere = Scratch::default().folder(Some(&place.path().join("none/app.tar"))).unwrap_err();
        assert!(nowhere.to_string().starts_with("there is no folder"), "{nowhere}");
    }
}
