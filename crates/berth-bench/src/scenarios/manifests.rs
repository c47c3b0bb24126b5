//! Manifests by tag: read, asked for, stored.

use anyhow::ensure;
use berth_oci::Digest;

use super::{Bench, PREPARING, sample};
use crate::args::Scenario;
use crate::connection::{Connection, Request};
use crate::content::{
    INDEX_TYPE, MANIFEST_TYPE, Place, Stored, check_digest, empty_index, image_manifest, manifest_path,
    push_manifest, verify,
};
use crate::payload::Payload;
use crate::report::Outcome;

/// Different tags that the reads go round.
const TAGS: u64 = 256;

/// A configuration and two layers that manifests refer to.
struct Parts {
    config: Stored,
    layers: [Stored; 2],
}

impl Parts {
    async fn put(bench: &Bench<'_>, place: &mut Place, repository: &str) -> anyhow::Result<Parts> {
        let payload = Payload::new(1024, bench.run ^ 2);
        let mut stored = Vec::new();
        for number in 0..3 {
            let variant = payload.variant(number);
            place.put_blob(repository, &variant).await?;
            stored.push(Stored::from(&variant));
        }
        let [config, first, second] = <[Stored; 3]>::try_from(stored).expect("three were put");
        Ok(Parts { config, layers: [first, second] })
    }

    fn manifest(&self, number: u64) -> Vec<u8> {
        image_manifest(&self.config, &self.layers.each_ref(), &number.to_string())
    }
}

pub(super) async fn read(
    bench: &Bench<'_>,
    method: &'static str,
    scenario: Scenario,
) -> anyhow::Result<Outcome> {
    let repository = bench.repository(&scenario.name());
    let (mut place, mut connection) = (bench.place().await?, bench.connect().await?);
    let parts = Parts::put(bench, &mut place, &repository).await?;
    let mut manifests = Vec::new();
    for number in 0..TAGS {
        let (tag, content) = (format!("t{number}"), parts.manifest(number));
        place.put_manifest(&repository, &tag, &content).await?;
        let (path, digest) = (manifest_path(&repository, &tag), Digest::sha256(&content));
        verify(&mut connection, &path, &digest).await?;
        manifests.push((path, digest, content.len() as u64));
    }
    bench
        .measure_read(&scenario.name(), bench.load(16, 1_000_000), async |connection, number| {
            let (path, digest, size) = &manifests[(number % TAGS) as usize];
            let (head, _) = connection.call(Request::new(method, path), 200).await?;
            ensure!(
                head.length == Some(*size),
                "{method} {path}: the length is {:?}, not {size}",
                head.length
            );
            check_digest(head.digest.as_deref(), digest)?;
            Ok(0)
        })
        .await
}

pub(super) async fn put(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let repository = bench.repository("manifest-put");
    let parts = Parts::put(bench, &mut bench.place().await?, &repository).await?;
    let outcome = bench
        .measure_write(Scenario::ManifestPut, bench.load(16, 100_000), async |connection, number| {
            let content = parts.manifest(number);
            push_manifest(connection, &repository, &format!("t{number}"), MANIFEST_TYPE, &content).await?;
            Ok(0)
        })
        .await?;
    let mut connection = bench.connect().await?;
    for number in sample(outcome.operations) {
        let path = manifest_path(&repository, &format!("t{number}"));
        verify(&mut connection, &path, &Digest::sha256(&parts.manifest(number))).await?;
    }
    Ok(outcome)
}

/// Stores `--entries` manifests without tags, each with bytes of its own, as fast as it goes.
pub(super) async fn fill(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let load = crate::load::Load {
        connections: PREPARING,
        time: std::time::Duration::MAX,
        operations: bench.args.entries,
    };
    let repository = bench.repository("fill");
    let put = async |connection: &mut Connection, number: u64| {
        let content = empty_index(&number.to_string());
        let digest = Digest::sha256(&content).to_string();
        push_manifest(connection, &repository, &digest, INDEX_TYPE, &content).await?;
        Ok(0)
    };
    bench.measure_write(Scenario::Fill, load, put).await
}
