//! Somebody at work: bytes in, an image listed, nothing taken away meanwhile.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use berth_oci::{Descriptor, Digest, ImageReference};

use crate::hold::Hold;
use crate::image::{self, Wanted};
use crate::incoming::{self, Begun, Incoming};
use crate::store::Image;
use crate::{Error, name};

/// Somebody who brings content in, or reads it for a while. What he was told of stays until he and his clones are gone.
#[derive(Debug, Clone)]
pub struct Transfer(pub(crate) Arc<Hold>);

impl Transfer {
    /// Whether a blob of `size` bytes is there. From now on it stays, or stays when it comes.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn has(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        self.0.keep([digest])?;
        incoming::is_here(&self.0.folder, digest, size)
    }

    /// Begins a blob of `size` bytes, or goes on with what an earlier try has left. While somebody else fetches it,
    /// this waits for him; so nobody may begin a blob twice without ending the first. `None` if it is there.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn begin(&self, digest: &Digest, size: u64) -> Result<Option<Incoming>, Error> {
        self.0.keep([digest])?;
        match Incoming::open(Arc::clone(&self.0), digest, size, true)? {
            Begun::Open(incoming) => Ok(Some(*incoming)),
            Begun::Here | Begun::Busy => Ok(None),
        }
    }

    /// As [`begin`](Transfer::begin), without waiting.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn try_begin(&self, digest: &Digest, size: u64) -> Result<Begun, Error> {
        self.0.keep([digest])?;
        Incoming::open(Arc::clone(&self.0), digest, size, false)
    }

    /// Stores bytes that are whole: a manifest or a configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] if they are not what the digest says, otherwise the error of the disk.
    pub fn put_bytes(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        let Some(mut incoming) = self.begin(digest, bytes.len() as u64)? else { return Ok(()) };
        incoming.restart()?;
        incoming.write(bytes)?;
        incoming.finish()
    }

    /// Opens a blob, which stays from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], otherwise the error of the disk.
    pub fn open(&self, digest: &Digest) -> Result<File, Error> {
        self.0.keep([digest])?;
        self.0.folder.open_blob(digest)
    }

    /// Where a blob lies, which stays from now on; nobody has looked whether it is there.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn blob_path(&self, digest: &Digest) -> Result<PathBuf, Error> {
        self.0.keep([digest])?;
        Ok(self.0.folder.blob(digest))
    }

    /// Reads a manifest or a configuration, which stays from now on, and checks its digest.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Damaged`], [`Error::TooLarge`], otherwise the error of the disk.
    pub fn read_document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.0.keep([digest])?;
        self.0.folder.read_document(digest)
    }

    /// Whether everything of an image is there, of the wanted platform.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn has_image(&self, descriptor: &Descriptor, wanted: Wanted<'_>) -> Result<bool, Error> {
        self.0.keep([&descriptor.digest])?;
        match image::choose(&*self.0.folder, descriptor, wanted) {
            Ok(chosen) => {
                self.0
                    .keep(chosen.manifest.references.iter().map(|reference| &reference.descriptor.digest))?;
                Ok(true)
            }
            Err(error @ (Error::Io { .. } | Error::Unwritable { .. })) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// The layers of an image, of the platform that it is listed for.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] or [`Error::Manifest`], otherwise the error of the disk.
    pub fn layers(&self, image: &Image) -> Result<Vec<Descriptor>, Error> {
        let manifest = image::read_chosen(&*self.0.folder, &image.manifest)?;
        Ok(image::layers_of(&manifest).cloned().collect())
    }

    /// Whether everything of an image is there, of all platforms.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn has_all(&self, image: &Image) -> Result<bool, Error> {
        image::is_whole(&*self.0.folder, &image.descriptor)
    }

    /// Keeps everything of an image that is there, for example while it is pushed.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn keep_image(&self, image: &Image) -> Result<(), Error> {
        let mut reached = std::collections::HashSet::new();
        image::reach(&*self.0.folder, &image.descriptor, &mut reached)?;
        self.0.keep(&reached)
    }

    /// Lists an image under a name, `latest` if it has neither tag nor digest; without a name it is found by its id.
    /// `descriptor` is that of its manifest or index. An image that had the name goes on as `repository@digest`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] or [`Error::Damaged`] if something of the wanted platform is not there,
    /// [`Error::NoPlatform`] if an index has no such one, [`Error::Manifest`], otherwise the error of the disk.
    pub fn put_image(
        &self,
        name: Option<&ImageReference>,
        descriptor: &Descriptor,
        wanted: Wanted<'_>,
    ) -> Result<Image, Error> {
        let folder = &*self.0.folder;
        let changing = folder.change()?;
        let chosen = image::choose(folder, descriptor, wanted)?;
        let facts = image::facts(folder, &chosen)?;
        let name = name.map(name::canonical_of);
        let mut index = folder.read_index()?;
        let image = Image::new(descriptor, facts.clone());
        index.put(image.descriptor.clone(), name.as_ref(), &facts);
        changing.write_index(&index)?;
        Ok(image)
    }
}
