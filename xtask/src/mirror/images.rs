//! Images of mixed sizes, made from a seed, and pushed to an upstream.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::e2e::images::hex;
use crate::http::{Connection, Request};
use crate::random::Random;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The tag that is pulled, and the one that names what it named before.
pub(crate) const TAG: &str = "1";
pub(crate) const EARLIER: &str = "0";
/// Layers have from 2^10 to 2^21 bytes, as many small ones as large ones.
const SIZES: std::ops::Range<u64> = 10..21;

/// Bytes and their digest.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
}

/// A manifest and its blobs, the config first.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Blob,
    pub(crate) blobs: Vec<Blob>,
}

/// A repository with two tags.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) repository: String,
    /// What [`TAG`] names.
    pub(crate) current: Image,
    /// What [`EARLIER`] names.
    pub(crate) earlier: Image,
}

impl Blob {
    pub(crate) fn new(bytes: Vec<u8>) -> Blob {
        Blob { digest: format!("sha256:{}", hex(&bytes)), bytes }
    }

    fn described(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

impl Image {
    /// An image of these layers; `random` makes it one that nothing else is.
    pub(crate) fn of(layers: Vec<Vec<u8>>, random: &mut Random) -> Image {
        let config = json!({ "architecture": "amd64", "os": "linux", "author": random.next().to_string(),
            "rootfs": { "type": "layers", "diff_ids": [] } });
        let mut blobs = vec![Blob::new(config.to_string().into_bytes())];
        blobs.extend(layers.into_iter().map(Blob::new));
        let layer = |blob: &Blob| blob.described("application/vnd.oci.image.layer.v1.tar");
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST,
            "config": blobs[0].described("application/vnd.oci.image.config.v1+json"),
            "layers": blobs[1..].iter().map(layer).collect::<Vec<_>>() });
        Image { manifest: Blob::new(manifest.to_string().into_bytes()), blobs }
    }

    fn random(random: &mut Random) -> Image {
        let count = random.within(1..4);
        let layers = (0..count).map(|_| {
            let size = 1 << random.within(SIZES);
            let size = size + random.within(0..size);
            random.bytes(usize::try_from(size).unwrap_or(usize::MAX))
        });
        let layers = layers.collect();
        Image::of(layers, random)
    }

    /// Pushes the image under a tag.
    pub(crate) fn push(&self, server: SocketAddr, repository: &str, tag: &str) -> anyhow::Result<()> {
        let mut connection = Connection::new(server);
        for blob in &self.blobs {
            push_blob(&mut connection, repository, blob)
                .with_context(|| format!("cannot push {}", blob.digest))?;
        }
        let manifest = Request::new("PUT", format!("/v2/{repository}/manifests/{tag}"))
            .header("Content-Type", MANIFEST)
            .body(&self.manifest.bytes);
        let answer = connection.send(&manifest)?;
        let said = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 201, "the manifest was answered {}: {said}", answer.status);
        Ok(())
    }
}

impl Sample {
    /// So many samples, the same for the same seed, in repositories that begin with `prefix`.
    pub(crate) fn make(prefix: &str, count: usize, random: &mut Random) -> Vec<Sample> {
        let sample = |number| Sample {
            repository: format!("{prefix}/image-{number}"),
            current: Image::random(random),
            earlier: Image::of(vec![random.bytes(2000)], random),
        };
        (0..count).map(sample).collect()
    }

    /// Pushes both images.
    pub(crate) fn push(&self, server: SocketAddr) -> anyhow::Result<()> {
        self.earlier.push(server, &self.repository, EARLIER)?;
        self.current.push(server, &self.repository, TAG)
    }
}

fn push_blob(connection: &mut Connection, repository: &str, blob: &Blob) -> anyhow::Result<()> {
    let opened = connection.send(&Request::new("POST", format!("/v2/{repository}/blobs/uploads/")))?;
    ensure!(opened.status == 202, "an upload was answered {}", opened.status);
    let location = opened.header("location").context("an upload without a location")?;
    let mark = if location.contains('?') { '&' } else { '?' };
    let target = format!("{location}{mark}digest={}", blob.digest);
    let request =
        Request::new("PUT", target).header("Content-Type", "application/octet-stream").body(&blob.bytes);
    let answer = connection.send(&request)?;
    ensure!(answer.status == 201, "the end of an upload was answered {}", answer.status);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Random, Sample};

    #[test]
    fn a_seed_makes_the_same_images_and_no_two_share_a_blob() {
        let make = || Sample::make("x", 5, &mut Random::new(1));
        let (one, two) = (make(), make());
        let digests = |all: &[Sample]| -> Vec<String> {
            let images = all.iter().flat_map(|sample| [&sample.current, &sample.earlier]);
            images.flat_map(|image| &image.blobs).map(|blob| blob.digest.clone()).collect()
        };
        assert_eq!(digests(&one), digests(&two));
        let mut distinct = digests(&one);
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), digests(&one).len());
    }
}
