//! A blob that comes in: a partial file by its digest, which survives a kill and is taken up again.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use berth_oci::{Digest, Hasher};
use rustix::fs::FlockOperation;

use crate::folder::{Folder, flock, is_same, try_flock};
use crate::hold::Hold;
use crate::step::step;
use crate::{Error, copy};

pub(crate) const PARTIAL: &str = "partial";

/// Whether a blob has to be fetched.
#[derive(Debug)]
pub enum Begun {
    /// It is there.
    Here,
    /// Somebody else fetches it just now; [`Transfer::begin`](crate::Transfer::begin) waits for him.
    Busy,
    /// It is not there, and this is where its bytes go.
    Open(Box<Incoming>),
}

/// A blob on its way in. Dropping it keeps what has come, for the next try.
#[derive(Debug)]
pub struct Incoming {
    hold: Arc<Hold>,
    digest: Digest,
    size: u64,
    path: PathBuf,
    /// Locked while it is written: who comes second waits, and finds the blob.
    file: File,
    hasher: Hasher,
    written: u64,
}

impl Incoming {
    /// `None` if somebody else writes it and `wait` is false.
    pub(crate) fn open(hold: Arc<Hold>, digest: &Digest, size: u64, wait: bool) -> Result<Begun, Error> {
        let folder = Arc::clone(&hold.folder);
        let path = partial(&folder, digest)?;
        loop {
            if is_here(&folder, digest, size)? {
                return Ok(Begun::Here);
            }
            step();
            let file = folder.open_to_write(&path)?;
            let locked = match wait {
                true => flock(&file, FlockOperation::LockExclusive).map(|()| true),
                false => try_flock(&file),
            };
            if !locked.map_err(|error| folder.io("lock", &path, error))? {
                return Ok(Begun::Busy);
            }
            // Who had the lock before may have made a blob of the very file.
            if !is_same(&file, &path) {
                continue;
            }
            let digest = digest.clone();
            let hasher = Hasher::new(digest.algorithm());
            let mut incoming = Incoming { hold, digest, size, path, file, hasher, written: 0 };
            incoming.take_up()?;
            return Ok(Begun::Open(Box::new(incoming)));
        }
    }

    /// Hashes what an earlier try has left. More than there should be is of no use.
    fn take_up(&mut self) -> Result<(), Error> {
        let io = |error| self.hold.folder.io("read", &self.path, error);
        let length = self.file.metadata().map_err(io)?.len();
        if length > self.size {
            return self.file.set_len(0).map_err(io);
        }
        let (hasher, written) = (&mut self.hasher, &mut self.written);
        let read = copy::each_chunk(&self.file, |chunk| {
            hasher.update(chunk);
            *written += chunk.len() as u64;
            Ok(())
        });
        read.map_err(|error| self.hold.folder.io("read", &self.path, error))
    }

    /// What is fetched.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The length that it will have, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are there, of this try and earlier ones: where to go on.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Begins from the start, for a sender who cannot go on in the middle.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn restart(&mut self) -> Result<(), Error> {
        let begin = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        begin.map_err(|error| self.hold.folder.io("write", &self.path, error))?;
        self.hasher = Hasher::new(self.digest.algorithm());
        self.written = 0;
        Ok(())
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if they are more than were promised, [`Error::Full`] or another error of the disk. After one
    /// the blob is begun again by [`Transfer::begin`](crate::Transfer::begin), which counts what has come.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let after = self.written + bytes.len() as u64;
        if after > self.size {
            return Err(self.length(after));
        }
        step();
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.hold.folder.io("write", &self.path, error))?;
        self.hasher.update(bytes);
        self.written = after;
        Ok(())
    }

    /// Checks length and digest, and makes a blob of it, durably.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if bytes are missing: they can be fetched in the next try. [`Error::Mismatch`] if the bytes
    /// are others: they are thrown away. Otherwise the error of the disk.
    pub fn finish(self) -> Result<(), Error> {
        if self.written != self.size {
            return Err(self.length(self.written));
        }
        let folder = &self.hold.folder;
        let actual = self.hasher.finish();
        if actual != self.digest {
            folder.remove(&self.path)?;
            return Err(Error::Mismatch { expected: self.digest, actual });
        }
        folder.commit(&self.file, &self.path, &self.digest)
    }

    fn length(&self, actual: u64) -> Error {
        Error::Length { digest: self.digest.clone(), expected: self.size, actual }
    }
}

/// Whether a blob is there and of that length. A short one is read as well, since that costs nothing: a manifest that
/// the disk lost is fetched again.
pub(crate) fn is_here(folder: &Folder, digest: &Digest, size: u64) -> Result<bool, Error> {
    const SHORT: u64 = 1024 * 1024;
    if folder.blob_size(digest)? != Some(size) {
        return Ok(false);
    }
    Ok(size > SHORT || folder.read_document(digest).is_ok())
}

/// The partial file of a blob.
fn partial(folder: &Folder, digest: &Digest) -> Result<PathBuf, Error> {
    Ok(folder.work(PARTIAL)?.join(format!("{}-{}", digest.algorithm(), digest.hex())))
}
