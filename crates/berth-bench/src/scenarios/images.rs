//! Whole small images, with the questions a client asks on the way.

use berth_oci::Digest;

use super::{Bench, sample};
use crate::args::Scenario;
use crate::connection::{Connection, Request};
use crate::content::{
    MANIFEST_TYPE, Stored, blob_path, image_manifest, manifest_path, push_blob, push_manifest, verify,
};
use crate::payload::{Payload, Variant};
use crate::report::Outcome;

/// Repositories that the images are spread over.
const REPOSITORIES: u64 = 16;

/// Bytes of a new image: two layers and a configuration.
struct Image {
    layers: [Payload; 2],
    config: Payload,
}

/// An image: a base layer that is there already, two new layers, a configuration and a manifest.
pub(super) async fn push(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let size = bench.small_bytes();
    let payloads = Image {
        layers: [Payload::new(size, bench.run ^ 4), Payload::new(4 * size, bench.run ^ 5)],
        config: Payload::new(1536, bench.run ^ 6),
    };
    let base_payload = Payload::new(size, bench.run ^ 7);
    let base_variant = base_payload.variant(0);
    let base = Stored::from(&base_variant);
    let repository = |number: u64| bench.repository(&format!("image-{}", number % REPOSITORIES));
    let mut place = bench.place().await?;
    for number in 0..REPOSITORIES {
        place.put_blob(&repository(number), &base_variant).await?;
    }
    let outcome = bench
        .measure_write(Scenario::ImagePush, bench.load(8, 20_000), async |connection, number| {
            push_image(bench, connection, &repository(number), &payloads, &base, number).await
        })
        .await?;
    let mut connection = bench.connect().await?;
    for number in sample(outcome.operations) {
        let content = payloads.manifest(&base, number);
        let path = manifest_path(&repository(number), &format!("v{number}"));
        verify(&mut connection, &path, &Digest::sha256(&content)).await?;
    }
    Ok(outcome)
}

async fn push_image(
    bench: &Bench<'_>,
    connection: &mut Connection,
    repository: &str,
    image: &Image,
    base: &Stored,
    number: u64,
) -> anyhow::Result<u64> {
    connection.call(Request::new("HEAD", &blob_path(repository, &base.digest)), 200).await?;
    let mut bytes = 0;
    for variant in image.variants(number) {
        connection.call(Request::new("HEAD", &blob_path(repository, variant.digest())), 404).await?;
        push_blob(connection, repository, &variant, bench.args.upload).await?;
        bytes += variant.size();
    }
    let content = image.manifest(base, number);
    push_manifest(connection, repository, &format!("v{number}"), MANIFEST_TYPE, &content).await?;
    Ok(bytes)
}

impl Image {
    fn variants(&self, number: u64) -> [Variant<'_>; 3] {
        let [first, second] = &self.layers;
        [first.variant(number), second.variant(number), self.config.variant(number)]
    }

    fn manifest(&self, base: &Stored, number: u64) -> Vec<u8> {
        let [first, second, config] = self.variants(number).each_ref().map(Stored::from);
        image_manifest(&config, &[base, &first, &second], &number.to_string())
    }
}
