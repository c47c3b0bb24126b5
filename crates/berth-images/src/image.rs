//! What an image is made of, and whether all of it is there.

use std::collections::HashSet;

use berth_oci::{Descriptor, Digest, ImageConfig, Manifest, ManifestKind, Platform, Role, media_type};

use crate::Error;
use crate::folder::Folder;
use crate::index::Facts;

/// Indexes in indexes that are followed.
const DEPTH: usize = 4;

/// Which platform of an index is meant. What is no index is taken as it is.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// This one, and no other.
    Only(&'a Platform),
    /// This one if it is whole, otherwise any that is.
    Prefer(&'a Platform),
}

/// Where content is looked for.
pub(crate) trait Source {
    /// Reads a manifest or a configuration, checked.
    fn document(&self, digest: &Digest) -> Result<Vec<u8>, Error>;
    /// The length of content in bytes; `None` if it is not there.
    fn size_of(&self, digest: &Digest) -> Result<Option<u64>, Error>;
}

impl Source for Folder {
    fn document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.read_document(digest)
    }

    fn size_of(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        self.blob_size(digest)
    }
}

/// A manifest of one platform.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
}

impl Wanted<'_> {
    fn platform(&self) -> &Platform {
        match self {
            Wanted::Only(platform) | Wanted::Prefer(platform) => platform,
        }
    }
}

/// Finds the manifest of the platform that is wanted, and that all it names is there.
pub(crate) fn choose(source: &impl Source, top: &Descriptor, wanted: Wanted<'_>) -> Result<Chosen, Error> {
    choose_below(source, top, wanted, DEPTH)
}

fn choose_below(
    source: &impl Source,
    top: &Descriptor,
    wanted: Wanted<'_>,
    depth: usize,
) -> Result<Chosen, Error> {
    let manifest = read_manifest(source, top)?;
    if manifest.kind != ManifestKind::Index {
        check_whole(source, &manifest)?;
        return Ok(Chosen { digest: top.digest.clone(), manifest });
    }
    let none = || Error::NoPlatform { wanted: wanted.platform().word(), found: platforms(&manifest) };
    if depth == 0 {
        return Err(none());
    }
    let mut children: Vec<&Descriptor> = manifest
        .references
        .iter()
        .map(|reference| &reference.descriptor)
        .filter(|child| is_image(child))
        .collect();
    // The order of the document counts among equals.
    children.sort_by_key(|child| rank(child, wanted.platform()));
    if matches!(wanted, Wanted::Only(_)) {
        children.retain(|child| rank(child, wanted.platform()) < OTHER);
        children.truncate(1);
    }
    let mut first = None;
    for child in children {
        match choose_below(source, child, wanted, depth - 1) {
            Ok(chosen) => return Ok(chosen),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(none))
}

/// Rank of a child that is of another platform.
const OTHER: u8 = 3;

/// How well a child fits, the least first: to the letter, in a variant that was not asked for, perhaps, not.
fn rank(child: &Descriptor, wanted: &Platform) -> u8 {
    let Some(platform) = &child.platform else { return 2 };
    let variant = |platform: &Platform| platform.variant.clone().unwrap_or_default();
    if platform.os != wanted.os || platform.architecture != wanted.architecture {
        return OTHER;
    }
    // arm64 is v8 where nothing is said.
    let usual = |platform: &Platform| match (platform.architecture.as_str(), variant(platform).as_str()) {
        ("arm64", "v8") => String::new(),
        (_, variant) => variant.to_owned(),
    };
    match (usual(wanted), usual(platform)) {
        (wanted, found) if wanted == found => 0,
        (wanted, _) if wanted.is_empty() => 1,
        _ => OTHER,
    }
}

/// Whether a child of an index is an image; attestations are of an unknown platform.
fn is_image(child: &Descriptor) -> bool {
    child.platform.as_ref().is_none_or(|platform| !platform.word().is_empty())
}

fn platforms(manifest: &Manifest) -> String {
    let words = manifest.references.iter().filter_map(|reference| reference.descriptor.platform.as_ref());
    let words: Vec<_> = words.map(Platform::word).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

pub(crate) fn read_manifest(source: &impl Source, descriptor: &Descriptor) -> Result<Manifest, Error> {
    let bytes = source.document(&descriptor.digest)?;
    let manifest = Manifest::read(&descriptor.media_type, &bytes);
    manifest.map_err(|source| Error::Manifest { digest: descriptor.digest.clone(), source })
}

/// Reads the manifest of the chosen platform, whose type is only written in its index, if anywhere.
pub(crate) fn read_chosen(source: &impl Source, digest: &Digest) -> Result<Manifest, Error> {
    let bytes = source.document(digest)?;
    let manifest = Manifest::read("", &bytes).or_else(|_| Manifest::read(media_type::OCI_MANIFEST, &bytes));
    manifest.map_err(|source| Error::Manifest { digest: digest.clone(), source })
}

/// Checks that whatever a manifest names is there. Layers that may be had elsewhere only need not be.
pub(crate) fn check_whole(source: &impl Source, manifest: &Manifest) -> Result<(), Error> {
    let needed = manifest.references.iter();
    for reference in needed.filter(|reference| !reference.is_foreign() && reference.role != Role::Mention) {
        let Descriptor { digest, size, .. } = &reference.descriptor;
        match source.size_of(digest)? {
            Some(actual) if actual == *size => {}
            Some(_) => return Err(Error::Damaged { digest: digest.clone() }),
            None => return Err(Error::Missing { digest: digest.clone() }),
        }
    }
    Ok(())
}

/// Whether everything that an entry needs is there, of all platforms.
pub(crate) fn is_whole(source: &impl Source, top: &Descriptor) -> Result<bool, Error> {
    is_whole_below(source, top, DEPTH)
}

fn is_whole_below(source: &impl Source, top: &Descriptor, depth: usize) -> Result<bool, Error> {
    let read = read_manifest(source, top);
    let checked = read.and_then(|manifest| check_whole(source, &manifest).map(|()| manifest));
    let manifest = match checked {
        Ok(manifest) => manifest,
        Err(error @ (Error::Io { .. } | Error::Unwritable { .. })) => return Err(error),
        Err(_) => return Ok(false),
    };
    let children = manifest.references.iter().filter(|reference| reference.role == Role::Child);
    for child in children.map(|child| &child.descriptor) {
        if media_type::is_manifest(&child.media_type)
            && (depth == 0 || !is_whole_below(source, child, depth - 1)?)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is listed of an image.
pub(crate) fn facts(source: &impl Source, chosen: &Chosen) -> Result<Facts, Error> {
    let config = config_of(&chosen.manifest);
    let read = match config {
        Some(config) => ImageConfig::read(&source.document(&config.digest)?),
        None => None,
    };
    let size = chosen.manifest.references.iter().map(|reference| reference.descriptor.size);
    Ok(Facts {
        manifest: chosen.digest.clone(),
        // What has no configuration is no image that runs; it is known by its manifest.
        id: config.map_or_else(|| chosen.digest.clone(), |config| config.digest.clone()),
        created: read.unwrap_or_default().created,
        size: size.fold(0, u64::saturating_add),
    })
}

pub(crate) fn config_of(manifest: &Manifest) -> Option<&Descriptor> {
    let config = manifest.references.iter().find(|reference| reference.role == Role::Config);
    config.map(|reference| &reference.descriptor)
}

pub(crate) fn layers_of(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    let layers = manifest.references.iter().filter(|reference| reference.role == Role::Layer);
    layers.map(|reference| &reference.descriptor)
}

/// Adds everything that an entry needs and names, whether it is there or not.
pub(crate) fn reach(
    source: &impl Source,
    top: &Descriptor,
    reached: &mut HashSet<Digest>,
) -> Result<(), Error> {
    let mut open = vec![(top.clone(), DEPTH + 1)];
    let mut read = HashSet::new();
    while let Some((descriptor, depth)) = open.pop() {
        reached.insert(descriptor.digest.clone());
        if depth == 0 || !may_be_manifest(&descriptor) || !read.insert(descriptor.digest.clone()) {
            continue;
        }
        let manifest = match read_manifest(source, &descriptor) {
            Ok(manifest) => manifest,
            Err(
                Error::Missing { .. }
                | Error::Manifest { .. }
                | Error::Damaged { .. }
                | Error::TooLarge { .. },
            ) => {
                continue;
            }
            Err(error) => return Err(error),
        };
        open.extend(manifest.references.into_iter().map(|reference| (reference.descriptor, depth - 1)));
    }
    Ok(())
}

/// Layers and configurations are never read as manifests.
fn may_be_manifest(descriptor: &Descriptor) -> bool {
    media_type::is_manifest(&descriptor.media_type) || descriptor.media_type.is_empty()
}
