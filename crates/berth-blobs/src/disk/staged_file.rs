//! A stage as a file.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use berth_oci::Digest;
use bytes::Bytes;

use super::Disk;
use super::appender::Appender;
use super::file_source::FileSource;
use crate::backend::{Source, Staged};
use crate::{StageId, StoreError, Stored};

/// Bytes between two early syncs, and between two looks at the free space.
const STEP: u64 = 8 * 1024 * 1024;
/// Bytes read at once.
const READ: usize = 256 * 1024;

/// An open stage file.
pub(super) struct StagedFile {
    disk: Arc<Disk>,
    id: StageId,
    file: Arc<File>,
    end: Appender,
    /// Bytes written since the last step.
    since_step: u64,
    early: Option<JoinHandle<io::Result<()>>>,
}

impl StagedFile {
    /// A new stage.
    pub(super) fn new(disk: Arc<Disk>, id: StageId, file: File) -> StagedFile {
        let file = Arc::new(file);
        StagedFile { disk, id, end: Appender::new(file.clone()), file, since_step: 0, early: None }
    }

    /// A stage that has bytes.
    pub(super) fn resume(disk: Arc<Disk>, id: StageId, file: File) -> io::Result<StagedFile> {
        let file = Arc::new(file);
        Ok(StagedFile { disk, id, end: Appender::resume(file.clone())?, file, since_step: 0, early: None })
    }

    /// Starts an early sync unless one is still running or the store has enough of them.
    fn sync_early(&mut self) -> Result<(), StoreError> {
        if self.early.as_ref().is_some_and(|early| !early.is_finished()) {
            return Ok(());
        }
        self.join_early()?;
        let (disk, file) = (self.disk.clone(), self.file.clone());
        if let Ok(permit) = disk.early_syncs.clone().try_acquire_owned() {
            // A thread of its own: `join_early` must not wait for a place in a pool that its like may have filled.
            let sync = move || {
                let _permit = permit;
                disk.syncs.early(&file)
            };
            self.early = thread::Builder::new().name("early-sync".into()).spawn(sync).ok();
        }
        Ok(())
    }

    /// Waits for the early sync. Its error counts: the kernel will not report it a second time.
    fn join_early(&mut self) -> Result<(), StoreError> {
        let Some(early) = self.early.take() else { return Ok(()) };
        let result = early.join().map_err(|_| StoreError::Interrupted)?;
        result.map_err(|error| self.disk.poison.set_by_file(&error))
    }

    fn rename(&mut self, digest: &Digest, size: u64) -> Result<Stored, StoreError> {
        let disk = self.disk.clone();
        self.join_early()?;
        disk.poison.check()?;
        let directory = disk.fan_out(digest).child(&disk, &digest.hex()[..2])?;
        let target = disk.blob_path(digest);
        let present = fs::symlink_metadata(&target).is_ok_and(|found| found.is_file() && found.len() == size);
        if present {
            // Its bytes were synced before it got its name. The name may be too young to be durable: sync that below.
            disk.discard(self.id)?;
        } else {
            self.flush()?;
            disk.syncs.file(&self.file).map_err(|error| disk.poison.set_by_file(&error))?;
            fs::rename(disk.stage_path(self.id), &target)
                .map_err(|error| StoreError::io("name a blob", error))?;
        }
        disk.sync_directory(&directory)?;
        Ok(if present { Stored::AlreadyPresent } else { Stored::New })
    }
}

impl Staged for StagedFile {
    fn append(&mut self, batch: &[Bytes]) -> Result<(), StoreError> {
        for bytes in batch {
            self.end.append(bytes).map_err(|error| StoreError::io("write a stage", error))?;
        }
        self.since_step += batch.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        if self.since_step >= STEP {
            self.since_step = 0;
            self.disk.check_room()?;
            if !self.end.is_direct() {
                self.sync_early()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.end.flush().map_err(|error| StoreError::io("write a stage", error))
    }

    fn follow(&mut self) -> Result<Arc<dyn Source>, StoreError> {
        self.end.stay_cached().map_err(|error| StoreError::io("write a stage", error))?;
        Ok(Arc::new(FileSource(self.file.clone())))
    }

    fn read_back(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<u64, StoreError> {
        self.flush()?;
        let mut read = || {
            let mut file = &*self.file;
            file.rewind()?;
            let mut buffer = vec![0; READ];
            let mut total = 0;
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok(total),
                    Ok(len) => {
                        sink(&buffer[..len]);
                        total += len as u64;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        };
        read().map_err(|error| StoreError::io("read a stage", error))
    }

    fn publish(mut self: Box<Self>, digest: &Digest, size: u64) -> Result<Stored, StoreError> {
        self.rename(digest, size)
    }
}
