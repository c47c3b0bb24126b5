//! The two tables of contents that an archive of images may have: `index.json` and docker's `manifest.json`.

use std::collections::HashMap;

use berth_inspect::Compression;
use berth_oci::{Descriptor, Digest, Hasher, ImageReference, Manifest, media_type};
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::Listing;
use super::packed::{Packed, damaged};
use super::stage::Stage;
use crate::image::Source;
use crate::index::{Index, name_of};
use crate::{Error, copy, name};

/// An image of an archive: its manifest or index, and the names that it has there.
pub(super) struct Planned {
    pub(super) descriptor: Descriptor,
    pub(super) names: Vec<ImageReference>,
    /// Whether its manifest was made here, since the archive has none.
    pub(super) is_made: bool,
}

/// Reads `index.json` of an image layout. Names are those of skopeo or of containerd.
pub(super) fn from_index(listing: &Listing, stage: &Stage<'_>) -> Result<Vec<Planned>, Error> {
    let Some((digest, _)) = listing.find("index.json")? else { return Ok(Vec::new()) };
    let index = Index::read(&stage.document(digest)?);
    let index = index.map_err(|error| Error::archive(format!("its index.json cannot be read: {error}")))?;
    let mut planned: Vec<Planned> = Vec::new();
    let mut places = HashMap::new();
    for descriptor in index.manifests {
        let name = name_of(&descriptor);
        let place = *places.entry(descriptor.digest.clone()).or_insert_with(|| {
            planned.push(Planned { descriptor, names: Vec::new(), is_made: false });
            planned.len() - 1
        });
        planned[place].names.extend(name);
    }
    Ok(planned)
}

/// An image in docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Reads docker's `manifest.json`.
pub(super) fn docker_items(listing: &Listing, stage: &Stage<'_>) -> Result<Vec<Item>, Error> {
    let Some((digest, _)) = listing.find("manifest.json")? else { return Ok(Vec::new()) };
    let items = serde_json::from_slice(&stage.document(digest)?);
    items.map_err(|error| Error::archive(format!("its manifest.json cannot be read: {error}")))
}

impl Item {
    pub(super) fn names(&self) -> Result<Vec<ImageReference>, Error> {
        let tags = self.repo_tags.iter().flatten();
        tags.map(|tag| name::canonical(tag).map_err(|error| Error::archive(format!("{error}, in it"))))
            .collect()
    }

    pub(super) fn config<'a>(&self, listing: &'a Listing) -> Result<&'a Digest, Error> {
        Ok(find(listing, &self.config)?.0)
    }
}

/// What is known of layers: the digest of a layer unpacked, and its type.
pub(super) type Layers = HashMap<Digest, (Digest, &'static str)>;

/// Makes the manifest that docker's archives do not have. The layers have to be those of the configuration.
pub(super) fn make_manifest(
    item: &Item,
    listing: &Listing,
    stage: &mut Stage<'_>,
    known: &mut Layers,
) -> Result<Descriptor, Error> {
    let (config, size) = find(listing, &item.config)?;
    let config = Descriptor::new(media_type::OCI_CONFIG, config.clone(), size);
    let sums = unpacked_sums(&stage.document(&config.digest)?)?;
    let paths = item.layers.as_deref().unwrap_or_default();
    if paths.len() != sums.len() || paths.len() > Manifest::MAX_LAYERS {
        let (found, told) = (paths.len(), sums.len());
        return Err(Error::archive(format!(
            "it has {found} layers of an image whose configuration names {told}"
        )));
    }
    let mut layers = Vec::new();
    for (path, expected) in paths.iter().zip(sums) {
        let (digest, size) = find(listing, path)?;
        if !known.contains_key(digest) {
            known.insert(digest.clone(), look_at_layer(stage, digest, &expected)?);
        }
        let (sum, media_type) = &known[digest];
        if *sum != expected {
            let what = format!("{path:?} in it is not the layer {expected} of the configuration but {sum}");
            return Err(Error::archive(what));
        }
        layers.push(Descriptor::new(*media_type, digest.clone(), size));
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": layers,
    });
    let bytes = manifest.to_string().into_bytes();
    let digest = stage.put_bytes(&bytes)?;
    Ok(Descriptor::new(media_type::OCI_MANIFEST, digest, bytes.len() as u64))
}

fn find<'a>(listing: &'a Listing, path: &str) -> Result<(&'a Digest, u64), Error> {
    listing.find(path)?.ok_or_else(|| Error::archive(format!("{path:?} is missing in it")))
}

/// The digests of the layers unpacked, which a configuration names.
fn unpacked_sums(config: &[u8]) -> Result<Vec<Digest>, Error> {
    #[derive(Deserialize)]
    struct Config {
        rootfs: RootFs,
    }
    #[derive(Deserialize)]
    struct RootFs {
        diff_ids: Option<Vec<Digest>>,
    }
    let read = serde_json::from_slice::<Config>(config);
    let config =
        read.map_err(|error| Error::archive(format!("a configuration in it cannot be read: {error}")))?;
    Ok(config.rootfs.diff_ids.unwrap_or_default())
}

/// Unpacks a layer to know its digest. One that is not packed is known by its own.
fn look_at_layer(
    stage: &Stage<'_>,
    digest: &Digest,
    expected: &Digest,
) -> Result<(Digest, &'static str), Error> {
    let mut packed = Packed::new(stage.open(digest)?)?;
    let media_type = layer_type(packed.compression);
    if packed.compression == Compression::None && digest.algorithm() == expected.algorithm() {
        return Ok((digest.clone(), media_type));
    }
    let mut hasher = Hasher::new(expected.algorithm());
    let hashed = copy::each_chunk(&mut packed, |chunk| {
        hasher.update(chunk);
        Ok(())
    });
    hashed
        .map_err(|error| packed.failure(format!("a layer in it cannot be unpacked: {}", damaged(&error))))?;
    Ok((hasher.finish(), media_type))
}

/// The type of a layer by how it is packed.
pub(super) fn layer_type(compression: Compression) -> &'static str {
    match compression {
        Compression::None => media_type::OCI_LAYER,
        Compression::Gzip => media_type::OCI_LAYER_GZIP,
        Compression::Zstd => media_type::OCI_LAYER_ZSTD,
    }
}

/// Checks the version of an image layout, if the archive says that it is one.
pub(super) fn check_version(listing: &Listing, stage: &Stage<'_>) -> Result<(), Error> {
    let Some((digest, _)) = listing.find("oci-layout")? else { return Ok(()) };
    let layout: Option<Value> = serde_json::from_slice(&stage.document(digest)?).ok();
    match layout.as_ref().and_then(|layout| layout.get("imageLayoutVersion")?.as_str()) {
        Some("1.0.0") => Ok(()),
        _ => Err(Error::archive("it is an image layout of a version that is not known here")),
    }
}
