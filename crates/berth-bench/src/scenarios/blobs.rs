//! Blobs, large and small, up and down.

use anyhow::ensure;

use super::{Bench, sample};
use crate::args::Scenario;
use crate::connection::Request;
use crate::content::{Stored, blob_path, check_digest, push_blob, verify};
use crate::load::Load;
use crate::payload::Payload;
use crate::report::Outcome;

/// Different blobs that the pulls go round.
const LARGE_BLOBS: u64 = 2;
const SMALL_BLOBS: u64 = 256;

pub(super) async fn push_large(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    push(bench, Scenario::PushLarge, bench.large_bytes(), bench.load(2, 24)).await
}

pub(super) async fn push_small(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    push(bench, Scenario::PushSmall, bench.small_bytes(), bench.load(16, 100_000)).await
}

pub(super) async fn pull_large(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    pull(bench, Scenario::PullLarge, LARGE_BLOBS, bench.large_bytes(), bench.load(2, 500)).await
}

pub(super) async fn pull_small(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    pull(bench, Scenario::PullSmall, SMALL_BLOBS, bench.small_bytes(), bench.load(16, 1_000_000)).await
}

async fn push(bench: &Bench<'_>, scenario: Scenario, size: usize, load: Load) -> anyhow::Result<Outcome> {
    let repository = bench.repository("push");
    let payload = Payload::new(size, bench.run);
    let outcome = bench
        .measure_write(scenario, load, async |connection, number| {
            let variant = payload.variant(number);
            push_blob(connection, &repository, &variant, bench.args.upload).await?;
            Ok(variant.size())
        })
        .await?;
    let mut connection = bench.connect().await?;
    for number in sample(outcome.operations) {
        let digest = payload.variant(number).digest().clone();
        verify(&mut connection, &blob_path(&repository, &digest), &digest).await?;
    }
    Ok(outcome)
}

async fn pull(
    bench: &Bench<'_>,
    scenario: Scenario,
    count: u64,
    size: usize,
    load: Load,
) -> anyhow::Result<Outcome> {
    let repository = bench.repository(&scenario.name());
    let payload = Payload::new(size, bench.run ^ 1);
    let (mut place, mut connection) = (bench.place().await?, bench.connect().await?);
    let mut blobs = Vec::new();
    for number in 0..count {
        let variant = payload.variant(number);
        place.put_blob(&repository, &variant).await?;
        let path = blob_path(&repository, variant.digest());
        verify(&mut connection, &path, variant.digest()).await?;
        blobs.push((path, Stored::from(&variant)));
    }
    drop(payload);
    bench
        .measure_read(&scenario.name(), load, async |connection, number| {
            let (path, blob) = &blobs[(number % count) as usize];
            let (head, length) = connection.call(Request::new("GET", path), 200).await?;
            ensure!(length == blob.size, "GET {path}: {length} bytes, not {}", blob.size);
            check_digest(head.digest.as_deref(), &blob.digest)?;
            Ok(length)
        })
        .await
}
