//! The store: what is there, and what it is called.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use berth_oci::{Descriptor, Digest, ImageReference};

use crate::folder::{Audience, Folder};
use crate::hold::Hold;
use crate::image::{self, Wanted};
use crate::index::{Facts, facts_of, name_of};
use crate::transfer::Transfer;
use crate::{Error, name, resolve};

/// The images in a folder.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) folder: Arc<Folder>,
}

/// An image of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The digest of its configuration.
    pub id: Digest,
    /// Its manifest or index, as it was pulled.
    pub descriptor: Descriptor,
    /// The manifest of its platform: the same, unless that is an index.
    pub manifest: Digest,
    /// When it was made, as its configuration has it; empty if nothing is said.
    pub created: String,
    /// Bytes of configuration and layers, as they are stored.
    pub size: u64,
}

/// A line of the list of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name, with a tag or a digest; `None` if it has none any more.
    pub name: Option<ImageReference>,
    /// The image.
    pub image: Image,
}

impl Listed {
    /// Whether it has no tag: it is called `<none>`.
    pub fn is_dangling(&self) -> bool {
        self.name.as_ref().is_none_or(|name| name.tag().is_none())
    }

    /// The repository in its short form; `None` if it has no name.
    pub fn repository(&self) -> Option<String> {
        self.name.as_ref().map(name::familiar_repository)
    }

    /// `repository@digest`, by which a registry has it; `None` if it has no name.
    pub fn repo_digest(&self) -> Option<String> {
        let name = self.name.as_ref()?;
        Some(name::by_digest(name, &self.image.descriptor.digest).familiar())
    }
}

impl Image {
    /// Annotations are those of the place where the descriptor was found, and no part of the image.
    pub(crate) fn new(found: &Descriptor, facts: Facts) -> Image {
        let Facts { manifest, id, created, size } = facts;
        let descriptor = Descriptor::new(found.media_type.clone(), found.digest.clone(), found.size);
        Image { id, descriptor, manifest, created, size }
    }

    /// The beginning of the id that people are shown.
    pub fn short_id(&self) -> String {
        short(&self.id)
    }
}

/// The first twelve digits.
pub(crate) fn short(id: &Digest) -> String {
    let mut hex = id.hex();
    hex.truncate(12);
    hex
}

impl Store {
    /// Opens the store in a folder, which is made if it is not there. Reads one small file.
    ///
    /// # Errors
    ///
    /// [`Error::NotAStore`] if the folder has something else in it, [`Error::Unwritable`] if it cannot be made.
    pub fn open(folder: &Path) -> Result<Store, Error> {
        Ok(Store { folder: Arc::new(Folder::open(folder, Audience::Owner)?) })
    }

    /// Opens an image layout that others read as well: who may, says the umask, and [`tidy`](Store::tidy) leaves nothing
    /// of ours. Otherwise as [`open`](Store::open).
    ///
    /// # Errors
    ///
    /// Those of [`open`](Store::open).
    pub fn open_layout(folder: &Path) -> Result<Store, Error> {
        Ok(Store { folder: Arc::new(Folder::open(folder, Audience::Others)?) })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.root()
    }

    /// Begins to bring something in, or to read for a while.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn transfer(&self) -> Result<Transfer, Error> {
        Ok(Transfer(Arc::new(Hold::new(Arc::clone(&self.folder))?)))
    }

    /// The images, each as often as it has names, in the order in which they came. Reads one file, and two more for
    /// each image that another tool has put there. Who is not whole is not listed.
    ///
    /// # Errors
    ///
    /// [`Error::Index`], otherwise the error of the disk.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut listed = Vec::new();
        for entry in self.folder.read_index()?.manifests {
            let name = name_of(&entry);
            if let Some(image) = self.image_of(&entry)? {
                listed.push(Listed { name, image });
            }
        }
        Ok(listed)
    }

    /// The image of an entry; `None` if it is not whole, or no image.
    fn image_of(&self, entry: &Descriptor) -> Result<Option<Image>, Error> {
        if let Some(facts) = facts_of(entry) {
            return Ok(Some(Image::new(entry, facts)));
        }
        let host = berth_oci::Platform::of_this_machine();
        let chosen = match image::choose(&*self.folder, entry, Wanted::Prefer(&host)) {
            Ok(chosen) => chosen,
            Err(error @ (Error::Io { .. } | Error::Unwritable { .. })) => return Err(error),
            Err(_) => return Ok(None),
        };
        Ok(image::facts(&*self.folder, &chosen).ok().map(|facts| Image::new(entry, facts)))
    }

    /// Finds an image as docker does: by its name, or else by its id or the beginning of it. A name may leave out
    /// `latest`; a name with a digest is found by the digest. The whole digest of a manifest is taken as well.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`], [`Error::Ambiguous`], [`Error::Name`], otherwise the error of the disk.
    pub fn resolve(&self, text: &str) -> Result<Image, Error> {
        let images = self.list()?;
        resolve::find(&images, text).map(|found| found.image.clone())
    }

    /// Gives an image another name. Who had it goes on as `repository@digest`.
    ///
    /// # Errors
    ///
    /// [`Error::DigestAsTarget`] if the name has a digest, those of [`resolve`](Store::resolve), otherwise the error
    /// of the disk.
    pub fn tag(&self, text: &str, name: &ImageReference) -> Result<(), Error> {
        if name.digest().is_some() {
            return Err(Error::DigestAsTarget { name: name.familiar() });
        }
        let changing = self.folder.change()?;
        let image = self.resolve(text)?;
        let Image { id, descriptor, manifest, created, size } = image;
        let facts = Facts { manifest, id, created, size };
        let mut index = self.folder.read_index()?;
        index.put(descriptor, Some(&name::canonical_of(name)), &facts);
        changing.write_index(&index)
    }

    /// Opens a blob. It is not kept from being removed, but what was opened stays readable.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], otherwise the error of the disk.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, Error> {
        self.folder.open_blob(digest)
    }

    /// Reads a manifest or a configuration and checks its digest.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Damaged`], [`Error::TooLarge`], otherwise the error of the disk.
    pub fn read_document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.folder.read_document(digest)
    }

    /// Looks at every byte of a blob and takes it away if it is not what its digest says, so that the next pull fetches
    /// it again. Whether it was taken away.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn discard_damaged(&self, digest: &Digest) -> Result<bool, Error> {
        let _changing = self.folder.change()?;
        let path = self.folder.blob(digest);
        let mut hasher = berth_oci::Hasher::new(digest.algorithm());
        let hashed = crate::copy::each_chunk(self.folder.open_blob(digest)?, |chunk| {
            hasher.update(chunk);
            Ok(())
        });
        hashed.map_err(|error| self.folder.io("read", &path, error))?;
        let is_damaged = hasher.finish() != *digest;
        if is_damaged {
            self.folder.remove(&path)?;
        }
        Ok(is_damaged)
    }

    /// Looks at every byte of an image, of the platform that it is listed for. What is damaged is taken away, so that the
    /// next pull fetches it again.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::Missing`] with the first blob that is no good, otherwise the error of the disk.
    pub fn check(&self, image: &Image) -> Result<(), Error> {
        let manifest = crate::image::read_chosen(&*self.folder, &image.manifest)?;
        for reference in manifest.references.iter().filter(|reference| !reference.is_foreign()) {
            let digest = &reference.descriptor.digest;
            if self.discard_damaged(digest)? {
                return Err(Error::Damaged { digest: digest.clone() });
            }
        }
        Ok(())
    }
}
