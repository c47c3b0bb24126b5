//! Taking images away, by the rules of docker, and what nobody needs any more.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use berth_oci::{Algorithm, Digest, ImageReference};

use crate::folder::{Changing, Folder, try_flock};
use crate::incoming::PARTIAL;
use crate::index::{Index, name_of};
use crate::store::{Image, Listed, Store, short};
use crate::{Error, hold, image, name, resolve};

/// What was done to an image, in the order in which it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// A name was taken away: a tag, or `repository@digest`. In its short form.
    Untagged(String),
    /// An image, or bytes of it that no other image has.
    Deleted(Digest),
}

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names, the image, and its layers from the last to the first.
    pub steps: Vec<Removal>,
    /// Bytes that were freed on the disk.
    pub freed: u64,
}

/// What a cleaning took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Lines of the list that are to go, of one image.
struct Going<'a> {
    /// All that the image has.
    of_image: Vec<&'a Listed>,
    gone: Vec<&'a Listed>,
}

impl<'a> Going<'a> {
    fn left(&self) -> Vec<&'a Listed> {
        self.of_image.iter().copied().filter(|listed| !self.gone.contains(listed)).collect()
    }

    /// Whether no name is left, so that the image goes.
    fn is_last(&self) -> bool {
        self.left().iter().all(|listed| listed.name.is_none())
    }

    /// What goes of the index: with the image also entries without a name.
    fn entries(&self) -> impl Iterator<Item = &'a Listed> {
        let entries = if self.is_last() { &self.of_image } else { &self.gone };
        entries.iter().copied()
    }
}

impl Store {
    /// Removes a name, and with the last name the image and what of it no other image has. By its id an image is
    /// removed with all names, if they are in one repository or `force` is set. What somebody at work needs stays
    /// until the next [`prune`](Store::prune).
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], those of [`resolve`](Store::resolve), otherwise the error of the disk.
    pub fn remove(&self, text: &str, force: bool) -> Result<Removed, Error> {
        let changing = self.folder.change()?;
        let images = self.list()?;
        let found = resolve::find(&images, text)?;
        let of_image: Vec<_> = images.iter().filter(|listed| listed.image.id == found.image.id).collect();
        let gone = names_to_remove(&of_image, found, text, force)?;
        self.take_away(&changing, &[Going { of_image, gone }])
    }

    /// Removes the images that are meant, with all their names. `is_meant` is asked once for each image, with its
    /// lines of the list.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn remove_where(&self, is_meant: impl Fn(&[&Listed]) -> bool) -> Result<Removed, Error> {
        let changing = self.folder.change()?;
        let images = self.list()?;
        let mut by_id: BTreeMap<&Digest, Vec<&Listed>> = BTreeMap::new();
        for listed in &images {
            by_id.entry(&listed.image.id).or_default().push(listed);
        }
        let meant = by_id.into_values().filter(|of_image| is_meant(of_image));
        let going: Vec<_> = meant.map(|of_image| Going { gone: of_image.clone(), of_image }).collect();
        match going.is_empty() {
            true => Ok(Removed::default()),
            false => self.take_away(&changing, &going),
        }
    }

    /// Removes entries of images, and the images of which none is left that has a name.
    fn take_away(&self, changing: &Changing<'_>, going: &[Going<'_>]) -> Result<Removed, Error> {
        let entries = going.iter().flat_map(Going::entries);
        let keys: HashSet<_> =
            entries.map(|listed| (&listed.image.descriptor.digest, &listed.name)).collect();
        let mut index = self.folder.read_index()?;
        index.manifests.retain(|entry| !keys.contains(&(&entry.digest, &name_of(entry))));
        changing.write_index(&index)?;
        let live = live(&self.folder, changing, &index)?;
        let mut removed = Removed::default();
        for going in going {
            record_names(&going.gone, &going.left(), &mut removed);
            if let Some(listed) = going.of_image.first().filter(|_| going.is_last()) {
                removed.steps.push(Removal::Deleted(listed.image.id.clone()));
            }
            self.sweep(&live, going.of_image.iter().map(|listed| &listed.image), &mut removed)?;
        }
        Ok(removed)
    }

    /// Removes of what some images had everything that is not among what lives.
    fn sweep<'a>(
        &self,
        live: &HashSet<Digest>,
        images: impl Iterator<Item = &'a Image>,
        removed: &mut Removed,
    ) -> Result<(), Error> {
        let mut had = HashSet::new();
        let mut layers = Vec::new();
        for image in images {
            image::reach(&*self.folder, &image.descriptor, &mut had)?;
            if let Ok(manifest) = image::read_chosen(&*self.folder, &image.manifest) {
                layers.extend(image::layers_of(&manifest).map(|layer| layer.digest.clone()));
            }
        }
        had.retain(|digest| !live.contains(digest));
        for digest in layers.into_iter().rev() {
            if had.remove(&digest)
                && let Some(size) = self.delete(&digest)?
            {
                removed.freed += size;
                removed.steps.push(Removal::Deleted(digest));
            }
        }
        for digest in had {
            removed.freed += self.delete(&digest)?.unwrap_or_default();
        }
        Ok(())
    }

    /// Removes a blob; its bytes, if it was there.
    fn delete(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        let size = self.folder.blob_size(digest)?;
        self.folder.remove(&self.folder.blob(digest))?;
        Ok(size)
    }

    /// Removes what kills and interrupted pulls have left: partial files and blobs that no image names and nobody at
    /// work needs, if nothing was written to them for `age`, and files of those who died.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    pub fn prune(&self, age: Duration) -> Result<Pruned, Error> {
        let changing = self.folder.change()?;
        let live = live(&self.folder, &changing, &self.folder.read_index()?)?;
        let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut pruned = Pruned::default();
        for algorithm in Algorithm::ALL {
            let blobs = self.folder.root().join("blobs").join(algorithm.name());
            for entry in self.folder.list(&blobs)? {
                // What is named otherwise is not of an image layout.
                let name = entry.file_name().to_string_lossy().into_owned();
                let digest = format!("{algorithm}:{name}").parse::<Digest>();
                if digest.is_ok_and(|digest| !live.contains(&digest)) {
                    self.prune_file(&entry, before, &mut pruned)?;
                }
            }
        }
        for entry in self.folder.list(&self.folder.work_path(PARTIAL))? {
            // Who writes it has its lock, and who opens it now finds out that it is gone.
            let Ok(file) = OpenOptions::new().read(true).write(true).open(entry.path()) else { continue };
            if try_flock(&file).map_err(|error| self.folder.io("lock", &entry.path(), error))? {
                self.prune_file(&entry, before, &mut pruned)?;
            }
        }
        Ok(pruned)
    }

    fn prune_file(&self, entry: &fs::DirEntry, before: SystemTime, pruned: &mut Pruned) -> Result<(), Error> {
        let path = entry.path();
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            metadata => metadata.map_err(|error| self.folder.io("look at", &path, error))?,
        };
        let is_old = metadata.modified().is_ok_and(|modified| modified <= before);
        if metadata.is_file() && is_old {
            self.folder.remove(&path)?;
            pruned.files += 1;
            pruned.bytes += metadata.len();
        }
        Ok(())
    }
}

/// What may not be taken away.
fn live(folder: &Folder, changing: &Changing<'_>, index: &Index) -> Result<HashSet<Digest>, Error> {
    let mut live = hold::held(folder, changing)?;
    for entry in &index.manifests {
        image::reach(folder, entry, &mut live)?;
    }
    Ok(live)
}

/// The entries of an image that go (moby, `ImageDelete`).
fn names_to_remove<'a>(
    of_image: &[&'a Listed],
    found: &'a Listed,
    text: &str,
    force: bool,
) -> Result<Vec<&'a Listed>, Error> {
    let id = &found.image.id;
    let by_name = name::canonical(text).ok().filter(|name| resolve::is_called(found, name));
    let Some(name) = by_name else {
        if !force && !is_one_repository(of_image) {
            let names = of_image.iter().filter_map(|listed| Some(listed.name.as_ref()?.familiar()));
            return Err(Error::InUse { id: short(id), names: names.collect::<Vec<_>>().join(", ") });
        }
        return Ok(of_image.to_vec());
    };
    let mut gone: Vec<&Listed> = match name.digest() {
        // The digest is what all tags of the repository stand for.
        Some(_) => of_image.iter().copied().filter(|listed| resolve::is_called(listed, &name)).collect(),
        None => vec![found],
    };
    // With the last tag of a repository go its digests.
    let own =
        |listed: &&&Listed| listed.name.as_ref().is_some_and(|own| name::is_same_repository(own, &name));
    let left: Vec<_> = of_image.iter().filter(own).filter(|listed| !gone.contains(listed)).copied().collect();
    if left.iter().all(|listed| listed.is_dangling()) {
        gone.extend(left);
    }
    Ok(gone)
}

/// Whether at most one tag, and else only digests, of one repository name the image (moby, `isSingleReference`).
fn is_one_repository(of_image: &[&Listed]) -> bool {
    let names: Vec<&ImageReference> = of_image.iter().filter_map(|listed| listed.name.as_ref()).collect();
    let tags = names.iter().filter(|name| name.tag().is_some()).count();
    tags <= 1 && names.windows(2).all(|pair| name::is_same_repository(pair[0], pair[1]))
}

/// Tells the names that went: the tags, and the digest of each repository that has no other tag for it.
fn record_names(gone: &[&Listed], left: &[&Listed], removed: &mut Removed) {
    let mut digests = Vec::new();
    for listed in gone {
        let Some(name) = &listed.name else { continue };
        if name.tag().is_some() {
            removed.steps.push(Removal::Untagged(name.familiar()));
        }
        let by_digest = name::by_digest(name, &listed.image.descriptor.digest);
        let stays = left.iter().any(|other| resolve::is_called(other, &by_digest));
        if !stays && !digests.contains(&by_digest) {
            digests.push(by_digest);
        }
    }
    removed.steps.extend(digests.into_iter().map(|name| Removal::Untagged(name.familiar())));
}
