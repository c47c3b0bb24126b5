//! `docker load`: images out of an archive, all of them or none.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;

use berth_oci::{Digest, ImageReference, Platform};

use super::layout::{self, Planned};
use super::listing::Listing;
use super::packed::Packed;
use super::stage::Stage;
use crate::image::{self, Source, Wanted};
use crate::index::Facts;
use crate::store::Listed;
use crate::{Error, Image, Store, Transfer};

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub image: Image,
    /// The names that it had in the archive.
    pub names: Vec<ImageReference>,
    /// Whether its manifest was made here, since the archive has none: nobody else knows its digest.
    pub is_made: bool,
}

impl Store {
    /// Loads the images of an archive, plain or packed with gzip or Zstandard: an image layout (`oci-archive`),
    /// docker's own form of any version since 1.10 (`docker-archive`), or both in one. Of an index the platform that
    /// is preferred is taken if it is whole, otherwise the first that is. Memory does not grow with what is read, and
    /// what is refused leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] with what is wrong, [`Error::Input`] if it cannot be read, otherwise the error of the disk.
    pub fn load(&self, input: impl Read, platform: &Platform) -> Result<Vec<Loaded>, Error> {
        let transfer = self.transfer()?;
        let mut stage = Stage::new(&transfer);
        let listing = Listing::read(&mut Packed::new(input)?, &mut stage)?;
        let planned = Plan::images(&listing, &mut stage, platform, self.list()?)?;
        let mut needed = HashSet::new();
        for image in &planned {
            image::reach(&stage, &image.descriptor, &mut needed)?;
        }
        stage.commit(&needed.into_iter().collect::<BTreeSet<_>>())?;
        put_all(&transfer, planned, platform)
    }
}

/// The images of an archive, each of which is whole.
struct Plan<'a> {
    platform: &'a Platform,
    images: Vec<Planned>,
    by_id: HashMap<Digest, usize>,
}

impl Plan<'_> {
    fn images(
        listing: &Listing,
        stage: &mut Stage<'_>,
        platform: &Platform,
        stored: Vec<Listed>,
    ) -> Result<Vec<Planned>, Error> {
        layout::check_version(listing, stage)?;
        let mut plan = Plan { platform, images: Vec::new(), by_id: HashMap::new() };
        for image in layout::from_index(listing, stage)? {
            plan.add(stage, image)?;
        }
        let stored: HashMap<_, _> =
            stored.into_iter().map(|listed| (listed.image.id, listed.image.descriptor)).collect();
        let mut layers = layout::Layers::new();
        for item in layout::docker_items(listing, stage)? {
            let (names, id) = (item.names()?, item.config(listing)?);
            // The same image in both tables, here perhaps with more names.
            if let Some(place) = plan.by_id.get(id) {
                plan.images[*place].names.extend(names);
                continue;
            }
            // An image that is here keeps the manifest under which a registry knows it.
            if let Some(descriptor) = stored.get(id)
                && plan
                    .add(
                        stage,
                        Planned { descriptor: descriptor.clone(), names: names.clone(), is_made: false },
                    )
                    .is_ok()
            {
                continue;
            }
            let descriptor = layout::make_manifest(&item, listing, stage, &mut layers)?;
            plan.add(stage, Planned { descriptor, names, is_made: true })?;
        }
        if plan.images.is_empty() {
            return Err(Error::archive(
                "it has no images: there is neither an index.json nor a manifest.json that names one; \
                 a file system is taken by `berth import`",
            ));
        }
        for image in &mut plan.images {
            let mut seen = HashSet::new();
            image.names.retain(|name| seen.insert(name.clone()));
        }
        Ok(plan.images)
    }

    fn add(&mut self, stage: &Stage<'_>, image: Planned) -> Result<(), Error> {
        let facts = check(stage, &image, self.platform)?;
        self.by_id.insert(facts.id, self.images.len());
        self.images.push(image);
        Ok(())
    }
}

/// Checks that an image is whole.
fn check(source: &impl Source, image: &Planned, platform: &Platform) -> Result<Facts, Error> {
    let chosen = image::choose(source, &image.descriptor, Wanted::Prefer(platform));
    chosen.and_then(|chosen| image::facts(source, &chosen)).map_err(of_archive)
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

/// Lists the images in one change, after a last look: before they were kept, somebody may have taken away what the
/// store had of them.
fn put_all(transfer: &Transfer, planned: Vec<Planned>, platform: &Platform) -> Result<Vec<Loaded>, Error> {
    let folder = &*transfer.0.folder;
    let changing = folder.change()?;
    let mut index = folder.read_index()?;
    let mut loaded = Vec::new();
    for planned in planned {
        let facts = check(folder, &planned, platform)?;
        let Planned { descriptor, names, is_made } = planned;
        let image = Image::new(&descriptor, facts.clone());
        for name in &names {
            index.put(image.descriptor.clone(), Some(name), &facts);
        }
        if names.is_empty() {
            index.put(image.descriptor.clone(), None, &facts);
        }
        loaded.push(Loaded { image, names, is_made });
    }
    changing.write_index(&index)?;
    Ok(loaded)
}
