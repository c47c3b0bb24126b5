//! The data folder: made for its owner alone, and used by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The lock file inside the folder. It stays there; what counts is the lock on it, which ends with the process.
const LOCK: &str = "lock";

/// A data folder that this process alone uses, until this is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataFolderError {
    #[error("cannot use the data folder {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the data folder {} is in use by another berth{}", path.display(), process(.pid))]
    InUse { path: PathBuf, pid: Option<u32> },
}

fn process(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl DataFolder {
    /// Makes the folder if it is missing, and locks it.
    pub(crate) fn open(path: &Path) -> Result<DataFolder, DataFolderError> {
        let failed = |source| DataFolderError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        // The whole path, so that messages still name it when they are read elsewhere.
        let path = fs::canonicalize(path).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(DataFolderError::InUse { path, pid: read_pid(&mut lock) }),
            Err(error) => return Err(failed(error.into())),
        }
        write_pid(&mut lock).map_err(failed)?;
        Ok(DataFolder { path, _lock: lock })
    }

    /// The absolute path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The number is for people only; it may be missing for a moment after the lock was taken.
fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_for_its_owner_and_locked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new/berth-data");
        let held = DataFolder::open(&path).expect("it can be made");
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o700);
        let refused = DataFolder::open(&path).expect_err("it is held");
        assert_eq!(
            refused.to_string(),
            format!(
                "the data folder {} is in use by another berth (process {})",
                fs::canonicalize(&path).expect("it is there").display(),
                std::process::id()
            )
        );
        drop(held);
        assert!(DataFolder::open(&path).is_ok());
    }

    #[test]
    fn a_file_in_its_place_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        fs::write(&path, "").expect("a file");
        let refused = DataFolder::open(&path).expect_err("it is a file");
        assert!(refused.to_string().contains(&path.display().to_string()));
    }
}
