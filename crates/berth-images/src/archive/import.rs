//! `docker import`: a file system as an image of one layer.

use std::io::{self, Read};
use std::time::SystemTime;

use berth_inspect::{Archive, Limits};
use berth_oci::{Algorithm, Descriptor, Digest, Hasher, ImageReference, Platform, media_type};
use serde_json::{Map, json};

use super::layout::layer_type;
use super::packed::{Packed, damaged};
use super::stage::{Stage, Staging};
use super::{change, time};
use crate::{Error, Image, Store, Wanted, image};

/// How a file system becomes an image.
#[derive(Debug, Clone)]
pub struct Import<'a> {
    /// The name of the image; without one it is found by its id.
    pub name: Option<&'a ImageReference>,
    /// What the history says; docker writes `Imported from -` unless told otherwise.
    pub message: &'a str,
    /// Instructions of a Dockerfile, one each: `CMD`, `ENTRYPOINT`, `ENV`, `EXPOSE`, `LABEL`, `USER`, `VOLUME`,
    /// `WORKDIR`.
    pub changes: &'a [&'a str],
    /// What the image runs on.
    pub platform: &'a Platform,
    /// When it was made.
    pub created: SystemTime,
}

impl Store {
    /// Makes an image of a tar archive of a file system, plain or packed with gzip or Zstandard; the layer is stored
    /// as it comes. Nothing is unpacked to the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] if it is no tar archive, [`Error::Change`], [`Error::Input`], otherwise the error of the
    /// disk.
    pub fn import(&self, input: impl Read, import: &Import<'_>) -> Result<Image, Error> {
        let mut run = Map::new();
        for text in import.changes {
            change::apply(&mut run, text)?;
        }
        let transfer = self.transfer()?;
        let mut stage = Stage::new(&transfer);
        let (layer, sum) = read_layer(input, &mut stage)?;
        let config = config(import, &run, &sum).to_string();
        let config_digest = stage.put_bytes(config.as_bytes())?;
        let config = Descriptor::new(media_type::OCI_CONFIG, config_digest, config.len() as u64);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [layer],
        });
        let manifest = manifest.to_string();
        let digest = stage.put_bytes(manifest.as_bytes())?;
        let descriptor = Descriptor::new(media_type::OCI_MANIFEST, digest, manifest.len() as u64);
        let mut needed = std::collections::HashSet::new();
        image::reach(&stage, &descriptor, &mut needed)?;
        stage.commit(&needed.into_iter().collect())?;
        transfer.put_image(import.name, &descriptor, Wanted::Prefer(import.platform))
    }
}

/// The configuration, with what docker writes into it.
fn config(import: &Import<'_>, run: &Map<String, serde_json::Value>, sum: &Digest) -> serde_json::Value {
    let Platform { os, architecture, variant, .. } = import.platform;
    let created = time::rfc3339(import.created);
    let mut config = json!({
        "architecture": architecture, "os": os, "created": created, "config": run,
        "history": [{ "created": created, "comment": import.message }],
        "rootfs": { "type": "layers", "diff_ids": [sum] },
    });
    if let Some(variant) = variant.as_ref().filter(|variant| !variant.is_empty()) {
        config["variant"] = json!(variant);
    }
    config
}

/// Stages a layer, and finds out that it is a tar archive and what its digest is unpacked.
fn read_layer(input: impl Read, stage: &mut Stage<'_>) -> Result<(Descriptor, Digest), Error> {
    let mut tee = Tee { input, staging: stage.begin(Algorithm::Sha256)?, error: None };
    let outcome = sum_of_archive(&mut tee);
    if let Some(error) = tee.error.take() {
        return Err(tee.staging.meaning(error));
    }
    let (sum, media_type) = outcome?;
    let (digest, size) = stage.take(tee.staging)?;
    Ok((Descriptor::new(media_type, digest, size), sum))
}

fn sum_of_archive(tee: &mut Tee<'_, impl Read>) -> Result<(Digest, &'static str), Error> {
    let mut packed = Packed::new(&mut *tee)?;
    let media_type = layer_type(packed.compression);
    let mut hashing = Hashing { inner: &mut packed, hasher: Hasher::new(Algorithm::Sha256) };
    let mut archive = Archive::new(&mut hashing, Limits::default());
    let read = loop {
        match archive.next_entry() {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(stop) => break Err(stop),
        }
    };
    let rest = match read {
        Ok(()) => crate::copy::each_chunk(&mut hashing, |_| Ok(())),
        Err(stop) => return Err(packed.failure(stop.to_string())),
    };
    let sum = hashing.hasher.finish();
    rest.map_err(|error| packed.failure(damaged(&error)))?;
    drop(packed);
    // A decoder may leave bytes after its end, which belong to the layer as it is stored.
    let rest = crate::copy::each_chunk(tee, |_| Ok(()));
    rest.map_err(|source| Error::Input { source })?;
    Ok((sum, media_type))
}

/// Writes what is read into the stage.
struct Tee<'a, R> {
    input: R,
    staging: Staging<'a>,
    /// Why the stage could not be written; readers above only tell that something failed.
    error: Option<io::Error>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        if let Err(error) = self.staging.try_write(&buffer[..read]) {
            let kind = error.kind();
            self.error = Some(error);
            return Err(kind.into());
        }
        Ok(read)
    }
}

/// Hashes what is read.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
