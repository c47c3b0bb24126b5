//! Blobs as files of a local disk.

mod appender;
mod directory;
mod file_source;
mod poison;
mod staged_file;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use berth_oci::{Algorithm, Digest};
use rustix::fs::OFlags;
use tokio::sync::Semaphore;

use crate::backend::{Backend, Staged};
use crate::sync::Syncs;
use crate::{BlobFile, StageId, StoreError};

use directory::{Directory, FanOut};
use poison::Poison;
use staged_file::StagedFile;

/// Early syncs that may run at once in the whole store. Without a free one an upload does without.
const EARLY_SYNCS: usize = 4;

/// The folder of a store.
///
/// ```text
/// blobs/<algorithm>/<first two digits>/<hex digits>
/// stage/<id>
/// ```
pub(crate) struct LocalDisk(Arc<Disk>);

/// What the folder shares with its open stages.
struct Disk {
    stage: PathBuf,
    sha256: FanOut,
    sha512: FanOut,
    reserve: u64,
    syncs: Box<dyn Syncs>,
    poison: Poison,
    early_syncs: Arc<Semaphore>,
}

impl LocalDisk {
    /// Opens the store in `root` and makes its folders durable.
    pub(crate) fn open(root: &Path, reserve: u64, syncs: Box<dyn Syncs>) -> Result<LocalDisk, StoreError> {
        let blobs = root.join("blobs");
        let fan_out = |algorithm: Algorithm| FanOut::new(blobs.join(algorithm.to_string()));
        let disk = Disk {
            stage: root.join("stage"),
            sha256: fan_out(Algorithm::Sha256),
            sha512: fan_out(Algorithm::Sha512),
            reserve,
            syncs,
            poison: Poison::default(),
            early_syncs: Arc::new(Semaphore::new(EARLY_SYNCS)),
        };
        make_folder(root)?;
        make_folder(&disk.stage)?;
        make_folder(&blobs)?;
        make_folder(disk.sha256.path())?;
        make_folder(disk.sha512.path())?;
        disk.sync_directory(&Directory::new(blobs))?;
        disk.sync_directory(&Directory::new(root.to_path_buf()))?;
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_directory(&Directory::new(parent.to_path_buf()))?;
        }
        Ok(LocalDisk(Arc::new(disk)))
    }
}

impl Disk {
    fn stage_path(&self, id: StageId) -> PathBuf {
        self.stage.join(id.to_string())
    }

    fn fan_out(&self, digest: &Digest) -> &FanOut {
        match digest.algorithm() {
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Sha512 => &self.sha512,
        }
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.fan_out(digest).path().join(&hex[..2]).join(&hex)
    }

    /// Makes the names in a directory durable, together with whoever else waits for the same.
    fn sync_directory(&self, directory: &Directory) -> Result<(), StoreError> {
        directory.sync(|path| {
            // A waiter whose leader failed comes here as the next leader and must not try the sync again.
            self.poison.check()?;
            let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32;
            let open = OpenOptions::new().read(true).custom_flags(flags).open(path);
            let handle = open.map_err(|error| StoreError::io("open a directory", error))?;
            self.syncs.directory(&handle).map_err(|error| self.poison.set("directory sync", &error))
        })
    }

    fn free_space(&self) -> Result<u64, StoreError> {
        let volume = rustix::fs::statvfs(&self.stage)
            .map_err(|error| StoreError::io("ask the volume for its free space", error.into()))?;
        Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
    }

    fn check_room(&self) -> Result<(), StoreError> {
        self.poison.check()?;
        if self.free_space()? < self.reserve { Err(StoreError::Full) } else { Ok(()) }
    }

    fn discard(&self, id: StageId) -> Result<(), StoreError> {
        remove(&self.stage_path(id)).map_err(|error| StoreError::io("remove a stage", error))
    }

    /// Opens a stage file for appending.
    fn open_stage(&self, id: StageId, create: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(create).mode(0o600);
        options.custom_flags(OFlags::NOFOLLOW.bits() as i32).open(self.stage_path(id))
    }
}

impl Backend for LocalDisk {
    fn check_room(&self) -> Result<(), StoreError> {
        self.0.check_room()
    }

    fn create(&self, id: StageId) -> Result<Box<dyn Staged>, StoreError> {
        self.0.check_room()?;
        let file = self.0.open_stage(id, true).map_err(|error| StoreError::io("make a stage", error))?;
        Ok(Box::new(StagedFile::new(self.0.clone(), id, file)))
    }

    fn reopen(&self, id: StageId) -> Result<Option<Box<dyn Staged>>, StoreError> {
        match self.0.open_stage(id, false) {
            Ok(file) => {
                let staged = StagedFile::resume(self.0.clone(), id, file);
                Ok(Some(Box::new(staged.map_err(|error| StoreError::io("read a stage", error))?)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open a stage", error)),
        }
    }

    fn discard(&self, id: StageId) -> Result<(), StoreError> {
        self.0.discard(id)
    }

    fn list_stages(&self) -> Result<Vec<(StageId, SystemTime)>, StoreError> {
        let list = || {
            let mut stages = Vec::new();
            for entry in fs::read_dir(&self.0.stage)? {
                let entry = entry?;
                // Other names are not ours, and a file may go away between the two calls.
                let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                match entry.metadata() {
                    Ok(metadata) => stages.push((id, metadata.modified()?)),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(stages)
        };
        list().map_err(|error| StoreError::io("list the stages", error))
    }

    fn open_blob(&self, digest: &Digest, size: u64) -> Result<BlobFile, StoreError> {
        let open = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(self.0.blob_path(digest));
        let file = match open {
            // An unmounted volume would make every blob look absent, so the folder has to be there.
            Err(error) if error.kind() == ErrorKind::NotFound && self.0.fan_out(digest).path().is_dir() => {
                return Err(StoreError::NotFound { digest: digest.clone() });
            }
            open => open.map_err(|error| StoreError::io("open a blob", error))?,
        };
        let actual = file.metadata().map_err(|error| StoreError::io("look at a blob", error))?.len();
        if actual != size {
            return Err(StoreError::Corrupt { digest: digest.clone(), expected: size, actual });
        }
        Ok(BlobFile::new(file, size))
    }

    fn delete(&self, digest: &Digest) -> Result<(), StoreError> {
        self.0.poison.check()?;
        let directory = self.0.fan_out(digest).child(&self.0, &digest.hex()[..2])?;
        remove(&self.0.blob_path(digest)).map_err(|error| StoreError::io("remove a blob", error))?;
        self.0.sync_directory(&directory)
    }

    fn free_space(&self) -> Result<u64, StoreError> {
        self.0.free_space()
    }
}

/// Removes a file; one that is not there is fine.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes a folder that only its owner may enter; one that is there is fine.
fn make_folder(path: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|error| StoreError::io("make a folder", error)),
    }
}
