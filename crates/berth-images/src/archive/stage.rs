//! Files of an archive that have no place in the store yet, by their digests.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use berth_oci::{Algorithm, Digest, Hasher};

use crate::folder::DOCUMENT;
use crate::image::Source;
use crate::incoming::is_here;
use crate::step::step;
use crate::{Error, Transfer};

/// What came in an archive, over what the store has. Dropping the transfer removes all of it that was not committed.
pub(super) struct Stage<'a> {
    transfer: &'a Transfer,
    files: HashMap<Digest, (PathBuf, u64)>,
}

/// A file on its way in.
pub(super) struct Staging<'a> {
    transfer: &'a Transfer,
    file: File,
    path: PathBuf,
    hasher: Hasher,
    size: u64,
}

impl<'a> Stage<'a> {
    pub(super) fn new(transfer: &'a Transfer) -> Stage<'a> {
        Stage { transfer, files: HashMap::new() }
    }

    pub(super) fn begin(&self, algorithm: Algorithm) -> Result<Staging<'a>, Error> {
        let (file, path) = self.transfer.0.new_file()?;
        Ok(Staging { transfer: self.transfer, file, path, hasher: Hasher::new(algorithm), size: 0 })
    }

    /// Takes a file that came to its end; what came twice is kept once.
    pub(super) fn take(&mut self, staging: Staging<'_>) -> Result<(Digest, u64), Error> {
        let Staging { path, hasher, size, .. } = staging;
        let digest = hasher.finish();
        if self.files.contains_key(&digest) {
            self.transfer.0.folder.remove(&path)?;
        } else {
            self.files.insert(digest.clone(), (path, size));
        }
        Ok((digest, size))
    }

    pub(super) fn put_bytes(&mut self, bytes: &[u8]) -> Result<Digest, Error> {
        let mut staging = self.begin(Algorithm::Sha256)?;
        staging.write(bytes)?;
        Ok(self.take(staging)?.0)
    }

    /// Whether the store has it already, and from now on keeps it.
    pub(super) fn is_stored(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        self.transfer.has(digest, size)
    }

    pub(super) fn open(&self, digest: &Digest) -> Result<File, Error> {
        let Some((path, _)) = self.files.get(digest) else { return self.transfer.0.folder.open_blob(digest) };
        File::open(path).map_err(|error| self.transfer.0.folder.io("open", path, error))
    }

    /// Gives files their places in the store.
    pub(super) fn commit(&self, digests: &BTreeSet<Digest>) -> Result<(), Error> {
        let hold = &self.transfer.0;
        hold.keep(digests)?;
        for digest in digests {
            let Some((path, size)) = self.files.get(digest) else { continue };
            if is_here(&hold.folder, digest, *size)? {
                continue;
            }
            step();
            let file = File::open(path).map_err(|error| hold.folder.io("open", path, error))?;
            hold.folder.commit(&file, path, digest)?;
        }
        Ok(())
    }
}

impl Staging<'_> {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.try_write(bytes).map_err(|error| self.transfer.0.folder.io("write", &self.path, error))
    }

    /// As `write`, for who tells the error to others first.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn meaning(&self, error: io::Error) -> Error {
        self.transfer.0.folder.io("write", &self.path, error)
    }
}

impl Source for Stage<'_> {
    fn document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let folder = &self.transfer.0.folder;
        let Some((path, size)) = self.files.get(digest) else { return folder.read_document(digest) };
        if *size > DOCUMENT {
            return Err(Error::TooLarge { digest: digest.clone(), size: *size, limit: DOCUMENT });
        }
        let mut bytes = Vec::new();
        let read = self.open(digest)?.take(DOCUMENT).read_to_end(&mut bytes);
        read.map_err(|error| folder.io("read", path, error))?;
        Ok(bytes)
    }

    fn size_of(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        match self.files.get(digest) {
            Some((_, size)) => Ok(Some(*size)),
            None => {
                // What makes an image whole has to stay.
                self.transfer.0.keep([digest])?;
                self.transfer.0.folder.blob_size(digest)
            }
        }
    }
}
