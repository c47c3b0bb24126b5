//! A layout as other tools see it: entries by the words that are written there, whatever they mean.

use std::path::PathBuf;

use berth_oci::{Descriptor, Digest};

use crate::index::REF_NAME;
use crate::store::Store;
use crate::transfer::Transfer;
use crate::{Error, Wanted, hold, image};

/// An entry of `index.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its `org.opencontainers.image.ref.name`, by which skopeo finds it as `oci:<folder>:<name>`.
    pub name: Option<String>,
    /// Its manifest or index, or whatever else somebody put there.
    pub descriptor: Descriptor,
}

impl Store {
    /// The entries, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Index`], otherwise the error of the disk.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        let entries = self.folder.read_index()?.manifests.into_iter();
        Ok(entries
            .map(|descriptor| Entry { name: descriptor.annotations.get(REF_NAME).cloned(), descriptor })
            .collect())
    }

    /// Begins to read for a while. A layout in which no program of ours has worked is not written to: nobody takes
    /// anything away there, and it may be on a medium that cannot be written.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn reader(&self) -> Result<Reader, Error> {
        if !self.folder.work_path(hold::HOLDS).is_dir() {
            return Ok(Reader { store: self.clone(), hold: None });
        }
        match self.transfer() {
            Ok(transfer) => Ok(transfer.reader()),
            Err(Error::Unwritable { .. }) => Ok(Reader { store: self.clone(), hold: None }),
            Err(error) => Err(error),
        }
    }

    /// Takes away what is only there for work, if nobody is at work and no cut transfer waits to be gone on with: then
    /// the folder is an image layout and nothing else. Others may be at work meanwhile.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn tidy(&self) -> Result<(), Error> {
        let changing = self.folder.change()?;
        // What those have left who died is removed by looking.
        hold::held(&self.folder, &changing)?;
        changing.tidy();
        Ok(())
    }
}

/// Who reads from a store. What he has read of stays until he and his clones are gone.
#[derive(Debug, Clone)]
pub struct Reader {
    store: Store,
    /// `None` where nobody takes anything away.
    hold: Option<Transfer>,
}

impl Reader {
    /// Reads a manifest or a configuration and checks its digest.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Damaged`], [`Error::TooLarge`], otherwise the error of the disk.
    pub fn read_document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        match &self.hold {
            Some(hold) => hold.read_document(digest),
            None => self.store.read_document(digest),
        }
    }

    /// Where a blob lies; nobody has looked whether it is there.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn blob_path(&self, digest: &Digest) -> Result<PathBuf, Error> {
        match &self.hold {
            Some(hold) => hold.blob_path(digest),
            None => Ok(self.store.folder.blob(digest)),
        }
    }

    /// Keeps everything of an entry that is there.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn keep(&self, descriptor: &Descriptor) -> Result<(), Error> {
        let Some(hold) = &self.hold else { return Ok(()) };
        let mut reached = std::collections::HashSet::new();
        image::reach(&*self.store.folder, descriptor, &mut reached)?;
        hold.0.keep(&reached)
    }

    /// Whether everything of an entry is there, of all platforms.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn is_whole(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        image::is_whole(&*self.store.folder, descriptor)
    }

    /// The manifest of the wanted platform, all of which is there.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] or [`Error::Damaged`] if it is not whole, [`Error::NoPlatform`] or [`Error::Manifest`] if
    /// there is none, otherwise the error of the disk.
    pub fn choose(&self, descriptor: &Descriptor, wanted: Wanted<'_>) -> Result<Digest, Error> {
        Ok(image::choose(&*self.store.folder, descriptor, wanted)?.digest)
    }
}

impl Transfer {
    /// The same, as somebody who reads.
    pub fn reader(&self) -> Reader {
        let store = Store { folder: std::sync::Arc::clone(&self.0.folder) };
        Reader { store, hold: Some(self.clone()) }
    }

    /// Adds an entry, all of which is there. One with the same name is replaced; without a name one of the same digest.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if it is not whole, otherwise the error of the disk.
    pub fn put_entry(&self, name: Option<&str>, descriptor: &Descriptor) -> Result<(), Error> {
        let folder = &*self.0.folder;
        let changing = folder.change()?;
        let manifest = image::read_manifest(folder, descriptor)?;
        image::check_whole(folder, &manifest)?;
        let mut entry =
            Descriptor::new(descriptor.media_type.clone(), descriptor.digest.clone(), descriptor.size);
        entry.artifact_type.clone_from(&descriptor.artifact_type);
        entry.annotations.extend(name.map(|name| (REF_NAME.to_owned(), name.to_owned())));
        let mut index = folder.read_index()?;
        index.manifests.retain(|known| match name {
            Some(name) => known.annotations.get(REF_NAME).is_none_or(|known| known != name),
            None => known.digest != entry.digest || known.annotations.contains_key(REF_NAME),
        });
        index.manifests.push(entry);
        changing.write_index(&index)
    }
}
