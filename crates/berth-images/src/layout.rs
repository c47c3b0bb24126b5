//! A layout as other tools see it: entries by the words that are written there, whatever they mean.

use berth_oci::Descriptor;

use crate::index::REF_NAME;
use crate::store::Store;
use crate::transfer::Transfer;
use crate::{Error, image};

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
}

impl Transfer {
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
