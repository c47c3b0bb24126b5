//! Blobs that get into a repository without travelling.

use super::{Bench, sample};
use crate::args::Scenario;
use crate::connection::Request;
use crate::content::{Stored, blob_path, check_digest, verify};
use crate::payload::Payload;
use crate::report::Outcome;

/// Blobs in the repository mounted from; so many mounts go into one repository before the next one begins.
const BLOBS: u64 = 64;

pub(super) async fn mount(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let source = bench.repository("mount-source");
    let payload = Payload::new(bench.small_bytes(), bench.run ^ 3);
    let mut place = bench.place().await?;
    let mut blobs = Vec::new();
    for number in 0..BLOBS {
        let variant = payload.variant(number);
        place.put_blob(&source, &variant).await?;
        blobs.push(Stored::from(&variant));
    }
    let goal = |number: u64| {
        (bench.repository(&format!("mount-{}", number / BLOBS)), &blobs[(number % BLOBS) as usize].digest)
    };
    let outcome = bench
        .measure_write(Scenario::Mount, bench.load(16, 100_000), async |connection, number| {
            let (repository, digest) = goal(number);
            let path = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={source}");
            let (head, _) = connection.call(Request::new("POST", &path), 201).await?;
            check_digest(head.digest.as_deref(), digest)?;
            Ok(0)
        })
        .await?;
    let mut connection = bench.connect().await?;
    for number in sample(outcome.operations) {
        let (repository, digest) = goal(number);
        verify(&mut connection, &blob_path(&repository, digest), digest).await?;
    }
    Ok(outcome)
}
