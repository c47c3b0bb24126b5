//! `docker load`: images out of an archive, all of them or none.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;

use berth_oci::{ImageReference, Platform};

use super::layout::{self, Planned};
use super::listing::Listing;
use super::packed::Packed;
use super::stage::Stage;
use crate::image::{self, Wanted};
use crate::index::Facts;
use crate::{Error, Image, Store, Transfer};

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub image: Image,
    /// The names that it had in the archive.
    pub names: Vec<ImageReference>,
}

impl Store {
    /// Loads the images of an archive, plain or packed with gzip or Zstandard: an image layout (`oci-archive`), docker's
    /// own form of any version since 1.10 (`docker-archive`), or both in one. Of an index the platform that is preferred is
    /// taken if it is whole, otherwise the first that is. Memory does not grow with what is read, and what is refused
    /// leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] with what is wrong, [`Error::Input`] if it cannot be read, otherwise the error of the disk.
    pub fn load(&self, input: impl Read, platform: &Platform) -> Result<Vec<Loaded>, Error> {
        let transfer = self.transfer()?;
        let mut stage = Stage::new(&transfer);
        let listing = Listing::read(&mut Packed::new(input)?, &mut stage)?;
        let planned = plan(&listing, &mut stage, platform)?;
        let mut needed = HashSet::new();
        for (planned, _) in &planned {
            image::reach(&stage, &planned.descriptor, &mut needed)?;
        }
        stage.commit(&needed.into_iter().collect::<BTreeSet<_>>())?;
        put_all(&transfer, planned)
    }
}

/// Finds the images of an archive, and that each of them is whole.
fn plan(
    listing: &Listing,
    stage: &mut Stage<'_>,
    platform: &Platform,
) -> Result<Vec<(Planned, Facts)>, Error> {
    layout::check_version(listing, stage)?;
    let mut planned = Vec::new();
    let mut by_id = HashMap::new();
    for image in layout::from_index(listing, stage)? {
        add(stage, image, platform, &mut planned, &mut by_id)?;
    }
    let mut layers = layout::Layers::new();
    for item in layout::docker_items(listing, stage)? {
        let names = item.names()?;
        match by_id.get(item.config(listing)?) {
            // The same image in both tables, here perhaps with more names.
            Some(place) => {
                let (image, _): &mut (Planned, Facts) = &mut planned[*place];
                image.names.extend(names);
            }
            None => {
                let descriptor = layout::make_manifest(&item, listing, stage, &mut layers)?;
                add(stage, Planned { descriptor, names }, platform, &mut planned, &mut by_id)?;
            }
        }
    }
    for (image, _) in &mut planned {
        let mut seen = HashSet::new();
        image.names.retain(|name| seen.insert(name.clone()));
    }
    match planned.is_empty() {
        false => Ok(planned),
        true => Err(Error::archive(
            "it has no images: there is neither an index.json nor a manifest.json that names one; \
             a file system is taken by `berth import`",
        )),
    }
}

fn add(
    stage: &Stage<'_>,
    image: Planned,
    platform: &Platform,
    planned: &mut Vec<(Planned, Facts)>,
    by_id: &mut HashMap<berth_oci::Digest, usize>,
) -> Result<(), Error> {
    let chosen = image::choose(stage, &image.descriptor, Wanted::Prefer(platform));
    let facts = chosen.and_then(|chosen| image::facts(stage, &chosen)).map_err(of_archive)?;
    by_id.insert(facts.id.clone(), planned.len());
    planned.push((image, facts));
    Ok(())
}

/// What an error of the store means when the content was to come from an archive.
fn of_archive(error: Error) -> Error {
    match error {
        Error::Missing { digest } => Error::archive(format!("{digest} is missing in it")),
        Error::Damaged { digest } => {
            Error::archive(format!("{digest} in it has another length than its manifest says"))
        }
        error @ (Error::Manifest { .. } | Error::TooLarge { .. } | Error::NoPlatform { .. }) => {
            Error::archive(error.to_string())
        }
        error => error,
    }
}

/// Lists the images in one change.
fn put_all(transfer: &Transfer, planned: Vec<(Planned, Facts)>) -> Result<Vec<Loaded>, Error> {
    let folder = &*transfer.0.folder;
    let changing = folder.change()?;
    let mut index = folder.read_index()?;
    let mut loaded = Vec::new();
    for (Planned { descriptor, names }, facts) in planned {
        let image = Image::new(&descriptor, facts.clone());
        for name in &names {
            index.put(image.descriptor.clone(), Some(name), &facts);
        }
        if names.is_empty() {
            index.put(image.descriptor.clone(), None, &facts);
        }
        loaded.push(Loaded { image, names });
    }
    changing.write_index(&index)?;
    Ok(loaded)
}
