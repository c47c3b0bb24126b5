//! Images made for tests, and how they come into a store.

use berth_oci::{Descriptor, Digest, ImageReference, Platform, media_type};
use serde_json::{Value, json};

use crate::{Error, Image, Store, Transfer, Wanted};

/// An image: a manifest and what it names.
pub(super) struct Fixture {
    pub(super) manifest: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<Vec<u8>>,
}

impl Fixture {
    pub(super) fn new(layers: &[&str]) -> Fixture {
        let sums: Vec<_> = layers.iter().map(|layer| Digest::sha256(layer.as_bytes()).to_string()).collect();
        let config = json!({
            "created": "2026-01-02T03:04:05Z", "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": sums },
        });
        Fixture::with_config(layers, &config)
    }

    pub(super) fn with_config(layers: &[&str], config: &Value) -> Fixture {
        let config = config.to_string().into_bytes();
        let layers: Vec<Vec<u8>> = layers.iter().map(|layer| layer.as_bytes().to_vec()).collect();
        let of_layer = |layer: &Vec<u8>| descriptor(media_type::OCI_LAYER, layer);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
            "config": descriptor(media_type::OCI_CONFIG, &config),
            "layers": layers.iter().map(of_layer).collect::<Vec<_>>(),
        });
        Fixture { manifest: manifest.to_string().into_bytes(), config, layers }
    }

    /// An image with an id of its own.
    pub(super) fn numbered(number: usize) -> Fixture {
        Fixture::with_config(&["shared"], &json!({ "created": "2026-01-02T03:04:05Z", "number": number }))
    }

    pub(super) fn descriptor(&self) -> Descriptor {
        descriptor(media_type::OCI_MANIFEST, &self.manifest)
    }

    pub(super) fn id(&self) -> Digest {
        Digest::sha256(&self.config)
    }

    pub(super) fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.layers.iter().chain([&self.config, &self.manifest])
    }

    /// Brings the content in and lists it, as a pull does.
    pub(super) fn pull(&self, store: &Store, name: &str) -> Result<Image, Error> {
        let transfer = store.transfer()?;
        for blob in self.blobs() {
            fetch(&transfer, blob)?;
        }
        let name = (!name.is_empty()).then(|| reference(name));
        transfer.put_image(
            name.as_ref(),
            &self.descriptor(),
            Wanted::Prefer(&berth_oci::Platform::of_this_machine()),
        )
    }
}

/// An index of images of platforms, such as `linux/arm64`.
pub(super) fn index(children: &[(&str, &Fixture)]) -> Vec<u8> {
    let child = |(platform, fixture): &(&str, &Fixture)| {
        let mut descriptor = fixture.descriptor();
        descriptor.platform = Some(self::platform(platform));
        descriptor
    };
    let children: Vec<_> = children.iter().map(child).collect();
    json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": children })
        .to_string()
        .into_bytes()
}

pub(super) fn platform(text: &str) -> Platform {
    let mut parts = text.split('/').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let (os, architecture, variant) = (part(), part(), part());
    let variant = Some(variant).filter(|variant| !variant.is_empty());
    Platform { os, architecture, variant, ..Platform::default() }
}

/// Brings a blob in, in two pieces.
pub(super) fn fetch(transfer: &Transfer, blob: &[u8]) -> Result<(), Error> {
    let Some(mut incoming) = transfer.begin(&Digest::sha256(blob), blob.len() as u64)? else { return Ok(()) };
    let rest = &blob[usize::try_from(incoming.written()).unwrap()..];
    let (head, tail) = rest.split_at(rest.len() / 2);
    incoming.write(head)?;
    incoming.write(tail)?;
    incoming.finish()
}

pub(super) fn descriptor(media_type: &str, content: &[u8]) -> Descriptor {
    Descriptor::new(media_type, Digest::sha256(content), content.len() as u64)
}

pub(super) fn reference(text: &str) -> ImageReference {
    text.parse().unwrap()
}

/// The names in the list, in their short form.
pub(super) fn names(store: &Store) -> Vec<String> {
    let listed = store.list().unwrap();
    let name =
        |listed: &crate::Listed| listed.name.as_ref().map_or("<none>".to_owned(), |name| name.familiar());
    listed.iter().map(name).collect()
}

/// Number of blobs on the disk.
pub(super) fn blobs(store: &Store) -> usize {
    std::fs::read_dir(store.folder().join("blobs/sha256")).map_or(0, Iterator::count)
}

pub(super) fn new_store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    (folder, store)
}
