//! `index.json`: which images the store has, by which names.

use std::collections::{BTreeMap, HashSet};

use berth_oci::{Descriptor, Digest, ImageReference};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::name;

/// The name, by which skopeo and podman find an image in a layout.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The name, as containerd and docker write it into archives.
pub(crate) const CONTAINERD_NAME: &str = "io.containerd.image.name";
const MANIFEST: &str = "berth.image.manifest";
const ID: &str = "berth.image.id";
const CREATED: &str = "berth.image.created";
const SIZE: &str = "berth.image.size";

/// What `index.json` says. Fields and entries of other tools are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Index {
    #[serde(rename = "schemaVersion")]
    schema_version: u32,
    #[serde(default, deserialize_with = "null_as_empty")]
    pub(crate) manifests: Vec<Descriptor>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What is listed of an image. It stands in the index, so that a list reads one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The manifest of the platform that was chosen; the entry itself unless that is an index.
    pub(crate) manifest: Digest,
    /// The digest of the configuration.
    pub(crate) id: Digest,
    /// When it was made, as it is written there.
    pub(crate) created: String,
    /// Bytes of configuration and layers.
    pub(crate) size: u64,
}

impl Default for Index {
    fn default() -> Index {
        Index { schema_version: 2, manifests: Vec::new(), rest: Map::new() }
    }
}

impl Index {
    pub(crate) fn read(bytes: &[u8]) -> Result<Index, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and maps with string keys always serialise")
    }

    /// Gives a name to an image. Who had the name before goes on as `repository@digest`.
    pub(crate) fn put(&mut self, mut descriptor: Descriptor, name: Option<&ImageReference>, facts: &Facts) {
        set_facts(&mut descriptor, facts);
        set_name(&mut descriptor, name);
        let digest = descriptor.digest.clone();
        let Some(new) = name else {
            // What has a name needs no entry without one.
            match self.manifests.iter_mut().find(|entry| entry.digest == digest) {
                Some(entry) => set_facts(entry, facts),
                None => self.manifests.push(descriptor),
            }
            return;
        };
        for entry in &mut self.manifests {
            if name_of(entry).as_ref() == Some(new) {
                let left = (entry.digest != digest).then(|| name::by_digest(new, &entry.digest));
                set_name(entry, left.as_ref());
            }
            if entry.digest == digest {
                set_facts(entry, facts);
            }
        }
        self.manifests.push(descriptor);
        self.fold();
    }

    /// Takes the entries away that say nothing: without a name, or with a digest for a name, of what has a better one.
    pub(crate) fn fold(&mut self) {
        let mut best: BTreeMap<Digest, Vec<ImageReference>> = BTreeMap::new();
        for entry in &self.manifests {
            best.entry(entry.digest.clone()).or_default().extend(name_of(entry));
        }
        let mut seen = HashSet::new();
        self.manifests.retain(|entry| {
            let names = best.get(&entry.digest).map_or(&[][..], Vec::as_slice);
            let own = name_of(entry);
            let has_better = match &own {
                None => !names.is_empty(),
                Some(own) if own.digest().is_some() => {
                    names.iter().any(|name| name.tag().is_some() && name::is_same_repository(name, own))
                }
                Some(_) => false,
            };
            !has_better && seen.insert((entry.digest.clone(), own))
        });
    }
}

/// The name of an entry. A text without `/`, `:` and `@` is a tag of nobody knows what, and no name.
pub(crate) fn name_of(entry: &Descriptor) -> Option<ImageReference> {
    let read = |key: &str| {
        let text = entry.annotations.get(key).filter(|text| text.contains(['/', ':', '@']))?;
        name::canonical(text).ok()
    };
    // Other tools change the first one and leave the second as it was.
    read(REF_NAME).or_else(|| read(CONTAINERD_NAME))
}

/// Writes the name into an entry, or takes it away.
pub(crate) fn set_name(entry: &mut Descriptor, name: Option<&ImageReference>) {
    entry.annotations.remove(CONTAINERD_NAME);
    match name {
        Some(name) => entry.annotations.insert(REF_NAME.to_owned(), name.to_string()),
        None => entry.annotations.remove(REF_NAME),
    };
}

/// What is listed of an entry; `None` if another tool wrote it.
pub(crate) fn facts_of(entry: &Descriptor) -> Option<Facts> {
    let get = |key: &str| entry.annotations.get(key);
    Some(Facts {
        manifest: get(MANIFEST)?.parse().ok()?,
        id: get(ID)?.parse().ok()?,
        created: get(CREATED)?.clone(),
        size: get(SIZE)?.parse().ok()?,
    })
}

pub(crate) fn set_facts(entry: &mut Descriptor, facts: &Facts) {
    let Facts { manifest, id, created, size } = facts;
    let pairs = [
        (MANIFEST, manifest.to_string()),
        (ID, id.to_string()),
        (CREATED, created.clone()),
        (SIZE, size.to_string()),
    ];
    entry.annotations.extend(pairs.map(|(key, value)| (key.to_owned(), value)));
}

/// Go programs write `null` for an empty list.
fn null_as_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Descriptor>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
