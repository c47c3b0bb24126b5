//! `docker save`: images into an archive, as they are stored, byte for byte.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Write};

use berth_oci::{Descriptor, Digest, Hasher, ImageReference};
use serde_json::json;

use super::tar_writer::TarWriter;
use crate::folder::LAYOUT;
use crate::index::{CONTAINERD_NAME, Index, REF_NAME};
use crate::store::Listed;
use crate::{Error, Image, Store, copy, image, name, resolve};

/// What an archive of images looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// What docker 25 and later write: an image layout that also has the `manifest.json` of earlier ones. Every docker,
    /// podman, skopeo and containerd reads it.
    Docker,
    /// An image layout and nothing else (`oci-archive`).
    Oci,
}

/// An image that is saved, with the names under which.
struct Saved {
    image: Image,
    names: Vec<ImageReference>,
}

impl Store {
    /// Writes images into an archive. A name without a tag means all tags of its repository, an id means the image
    /// without a name. Bytes are checked as they go; the same images give the same archive.
    ///
    /// # Errors
    ///
    /// Those of [`resolve`](Store::resolve), before anything is written; [`Error::Missing`] and [`Error::Damaged`] if
    /// an image is not whole: a damaged blob is taken away, so that the next pull fetches it. [`Error::Output`] if
    /// the archive cannot be written.
    pub fn save(&self, texts: &[&str], format: Format, output: impl Write) -> Result<(), Error> {
        let transfer = self.transfer()?;
        let saved = select(&self.list()?, texts)?;
        let mut blobs = HashSet::new();
        for saved in &saved {
            transfer.keep_image(&saved.image)?;
            let manifest = image::read_chosen(&*self.folder, &saved.image.manifest)?;
            image::check_whole(&*self.folder, &manifest)?;
            image::reach(&*self.folder, &saved.image.descriptor, &mut blobs)?;
        }
        let mut writer = TarWriter::new(output);
        for (path, content) in self.documents(&saved, format)? {
            writer.bytes(path, &content).map_err(|source| Error::Output { source })?;
        }
        for digest in blobs.into_iter().collect::<BTreeSet<_>>() {
            // Other platforms of an index need not be there.
            if let Some(size) = self.folder.blob_size(&digest)? {
                self.write_blob(&mut writer, &digest, size)?;
            }
        }
        writer.finish().map_err(|source| Error::Output { source })
    }

    pub(super) fn write_blob(
        &self,
        writer: &mut TarWriter<impl Write>,
        digest: &Digest,
        size: u64,
    ) -> Result<(), Error> {
        let path = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
        let file = self.folder.open_blob(digest)?;
        writer.begin(&path, size).map_err(|source| Error::Output { source })?;
        let mut hasher = Hasher::new(digest.algorithm());
        let mut output = None;
        let copied = copy::each_chunk(io::Read::take(file, size), |chunk| {
            hasher.update(chunk);
            writer.content(chunk).map_err(|error| {
                output = Some(error);
                io::ErrorKind::Other.into()
            })
        });
        if let Some(source) = output {
            return Err(Error::Output { source });
        }
        copied.map_err(|error| self.folder.io("read", &self.folder.blob(digest), error))?;
        if hasher.finish() != *digest {
            // Where it cannot be taken away, the next pull says what is wrong.
            let _ = self.discard_damaged(digest);
            return Err(Error::Damaged { digest: digest.clone() });
        }
        writer.fill(size).map_err(|source| Error::Output { source })
    }

    /// What says which images an archive has.
    fn documents(&self, saved: &[Saved], format: Format) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
        let mut documents = vec![("oci-layout", LAYOUT.to_vec()), ("index.json", index_of(saved).to_bytes())];
        if format == Format::Oci {
            return Ok(documents);
        }
        let mut items = Vec::new();
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for Saved { image, names } in saved {
            let manifest = image::read_chosen(&*self.folder, &image.manifest)?;
            let path = |digest: &Digest| format!("blobs/{}/{}", digest.algorithm(), digest.hex());
            let layers: Vec<&Descriptor> = image::layers_of(&manifest).collect();
            items.push(json!({
                "Config": path(&image.id),
                "RepoTags": names.iter().map(ImageReference::familiar).collect::<Vec<_>>(),
                "Layers": layers.iter().map(|layer| path(&layer.digest)).collect::<Vec<_>>(),
            }));
            let Some(top) = layers.last() else { continue };
            for name in names {
                let tag = name.tag().map_or_else(String::new, ToString::to_string);
                let tags = repositories.entry(name::familiar_repository(name)).or_default();
                tags.insert(tag, top.digest.hex());
            }
        }
        documents.push(("manifest.json", json!(items).to_string().into_bytes()));
        documents.push(("repositories", json!(repositories).to_string().into_bytes()));
        Ok(documents)
    }
}

/// Which images are meant, each once, with the names under which they were asked for.
fn select(images: &[Listed], texts: &[&str]) -> Result<Vec<Saved>, Error> {
    let mut saved: Vec<Saved> = Vec::new();
    let mut add = |image: &Image, name: Option<&ImageReference>| {
        let place = saved.iter().position(|saved| saved.image.descriptor.digest == image.descriptor.digest);
        let place = place.unwrap_or_else(|| {
            saved.push(Saved { image: image.clone(), names: Vec::new() });
            saved.len() - 1
        });
        let names = &mut saved[place].names;
        let new = name.filter(|name| !names.contains(name)).cloned();
        names.extend(new);
    };
    for text in texts {
        let written = text.parse::<ImageReference>().ok();
        let repository = written.as_ref().filter(|name| name.tag().is_none() && name.digest().is_none());
        let is_of = |listed: &&Listed| match (&listed.name, repository) {
            (Some(own), Some(repository)) => own.tag().is_some() && name::is_same_repository(own, repository),
            _ => false,
        };
        let tags: Vec<_> = images.iter().filter(is_of).collect();
        for listed in &tags {
            add(&listed.image, listed.name.as_ref());
        }
        if tags.is_empty() {
            let found = resolve::find(images, text)?;
            let by_tag =
                found.name.as_ref().filter(|name| written.as_ref() == Some(name) && name.tag().is_some());
            add(&found.image, by_tag);
        }
    }
    Ok(saved)
}

/// An index with an entry for each name, or one for an image without.
fn index_of(saved: &[Saved]) -> Index {
    let mut index = Index::default();
    for Saved { image, names } in saved {
        let entry = image.descriptor.clone();
        for name in names {
            let mut entry = entry.clone();
            for key in [REF_NAME, CONTAINERD_NAME] {
                entry.annotations.insert(key.to_owned(), name.to_string());
            }
            index.manifests.push(entry);
        }
        if names.is_empty() {
            index.manifests.push(entry);
        }
    }
    index
}
