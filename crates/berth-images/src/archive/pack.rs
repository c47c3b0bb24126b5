//! A whole layout as an archive (`oci-archive`), and back: entries as they are written, whatever they mean.

use std::collections::{BTreeSet, HashSet};
use std::io::{Read, Write};

use super::layout;
use super::listing::Listing;
use super::packed::Packed;
use super::stage::Stage;
use super::tar_writer::TarWriter;
use crate::folder::LAYOUT;
use crate::image::Source;
use crate::index::Index;
use crate::{Error, Store, image};

impl Store {
    /// Writes everything that entries name, and is there, into an archive. Bytes are checked as they go; the same
    /// layout gives the same archive.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for a blob that is not what its digest says, [`Error::Output`] if the archive cannot be
    /// written, otherwise the error of the disk.
    pub fn pack(&self, output: impl Write) -> Result<(), Error> {
        let transfer = self.transfer()?;
        let index = self.folder.read_index()?;
        let mut reached = HashSet::new();
        for entry in &index.manifests {
            image::reach(&*self.folder, entry, &mut reached)?;
        }
        transfer.0.keep(&reached)?;
        let mut writer = TarWriter::new(output);
        let documents = [("oci-layout", LAYOUT.to_vec()), ("index.json", index.to_bytes())];
        for (path, content) in documents {
            writer.bytes(path, &content).map_err(|source| Error::Output { source })?;
        }
        for digest in reached.into_iter().collect::<BTreeSet<_>>() {
            if let Some(size) = self.folder.blob_size(&digest)? {
                self.write_blob(&mut writer, &digest, size)?;
            }
        }
        writer.finish().map_err(|source| Error::Output { source })
    }

    /// Takes in what an archive of an image layout has, plain or packed with gzip or Zstandard, and adds its entries as
    /// they are. Whether they are whole is looked at by who reads them. What is refused leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] with what is wrong, [`Error::Input`] if it cannot be read, otherwise the error of the disk.
    pub fn unpack(&self, input: impl Read) -> Result<(), Error> {
        let transfer = self.transfer()?;
        let mut stage = Stage::new(&transfer);
        let listing = Listing::read(&mut Packed::new(input)?, &mut stage)?;
        layout::check_version(&listing, &stage)?;
        let Some((digest, _)) = listing.find("index.json")? else {
            return Err(Error::archive("it is no image layout: there is no index.json in it"));
        };
        let read = Index::read(&stage.document(digest)?);
        let read = read.map_err(|error| Error::archive(format!("its index.json cannot be read: {error}")))?;
        let mut needed = HashSet::new();
        for entry in &read.manifests {
            image::reach(&stage, entry, &mut needed)?;
        }
        stage.commit(&needed.into_iter().collect())?;
        let changing = self.folder.change()?;
        let mut index = self.folder.read_index()?;
        index.manifests.extend(read.manifests);
        changing.write_index(&index)
    }
}
