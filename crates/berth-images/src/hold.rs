//! What somebody at work needs, so that nobody takes it away under him.
//!
//! A hold is a file with digests, locked while its owner lives: a kill gives the lock back, and the file is then
//! nobody's. Digests are added while the store stands still, and content is removed only by who changes it, after
//! reading all holds: what was said to be there stays there.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use berth_oci::Digest;
use rustix::fs::FlockOperation;

use crate::Error;
use crate::folder::{Changing, Folder, flock, try_flock};
use crate::step::step;

pub(crate) const HOLDS: &str = "holds";
pub(crate) const STAGE: &str = "stage";

/// Somebody at work.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) folder: Arc<Folder>,
    id: String,
    path: PathBuf,
    kept: Mutex<Kept>,
    files: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    file: File,
    digests: HashSet<Digest>,
}

impl Hold {
    pub(crate) fn new(folder: Arc<Folder>) -> Result<Hold, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // A file that is not locked yet looks like one whose owner died, and an empty folder like one of nobody.
        let _still = folder.stand_still()?;
        let holds = folder.work(HOLDS)?;
        loop {
            let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = holds.join(&id);
            match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path) {
                // The number of a process that died may come again.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(folder.io("make", &path, error)),
                Ok(file) => {
                    flock(&file, FlockOperation::LockExclusive)
                        .map_err(|error| folder.io("lock", &path, error))?;
                    let kept = Mutex::new(Kept { file, digests: HashSet::new() });
                    return Ok(Hold { folder, id, path, kept, files: AtomicU64::new(0) });
                }
            }
        }
    }

    /// Content that is there, or comes, is not taken away from now on.
    pub(crate) fn keep<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Result<(), Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = digests.into_iter().filter(|digest| !kept.digests.contains(digest)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let lines: String = new.iter().map(|digest| format!("{digest}\n")).collect();
        let _still = self.folder.stand_still()?;
        let written = kept.file.write_all(lines.as_bytes());
        written.map_err(|error| self.folder.io("write", &self.path, error))?;
        kept.digests.extend(new.into_iter().cloned());
        Ok(())
    }

    /// A place for a file that has no digest yet.
    pub(crate) fn new_file(&self) -> Result<(File, PathBuf), Error> {
        let folder = self.folder.work(STAGE)?.join(&self.id);
        self.folder.make_folder(&folder)?;
        let path = folder.join(self.files.fetch_add(1, Ordering::Relaxed).to_string());
        step();
        let file = self.folder.open_to_write(&path)?;
        Ok((file, path))
    }
}

/// Nothing depends on it: what stays is taken away by the next who prunes.
impl Drop for Hold {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.folder.work_path(STAGE).join(&self.id));
        let _ = fs::remove_file(&self.path);
    }
}

/// What everybody at work needs. What is left of those who died is removed.
pub(crate) fn held(folder: &Folder, _changing: &Changing<'_>) -> Result<HashSet<Digest>, Error> {
    let mut held = HashSet::new();
    for entry in folder.list(&folder.work_path(HOLDS))? {
        let path = entry.path();
        let io = |error| folder.io("read", &path, error);
        // On NFS only who may write gets a lock.
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            // It ended just now.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(io(error)),
        };
        if try_flock(&file).map_err(io)? {
            remove_stage(folder, entry.file_name())?;
            folder.remove(&path)?;
            continue;
        }
        match fs::read_to_string(&path) {
            // A line that a full disk cut is of a digest that was never said to be kept.
            Ok(text) => held.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
    }
    Ok(held)
}

fn remove_stage(folder: &Folder, id: impl AsRef<Path>) -> Result<(), Error> {
    let path = folder.work_path(STAGE).join(id);
    step();
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(folder.io("remove", &path, error)),
        _ => Ok(()),
    }
}
