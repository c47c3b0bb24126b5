//! Measures how fast one upload becomes durable, beside the speed of `openssl dgst -sha256` on the same bytes.
//!
//! `cargo run --release -p berth-blobs --example upload -- [folder] [MiB per blob] [blobs]`

use std::env;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use berth_blobs::{BlobStore, StageId};
use berth_oci::{Algorithm, Digest, Hasher};
use bytes::Bytes;

const MIB: usize = 1024 * 1024;
/// The size of the pieces, like those that a web server passes on.
const PIECE: usize = 64 * 1024;
const SAMPLE: &str = "sample";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let folder = arguments.first().map_or_else(|| env::temp_dir().join("berth-upload"), PathBuf::from);
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (size, blobs) = (number(1, 1024)? * MIB, number(2, 3)?);
    let store = BlobStore::open(&folder).await?;
    let (pieces, hasher) = sample(size);
    let openssl = openssl(&folder, &pieces)?;
    println!("openssl dgst -sha256   {:7.0} MB/s", rate(size, openssl));
    let mut digests = Vec::new();
    for blob in 0..blobs {
        let (digest, staged, total) = upload(&store, &pieces, hasher.clone(), blob).await?;
        let (staged, total) = (rate(size, staged), rate(size, total));
        println!(
            "staged {staged:7.0} MB/s, durable {total:7.0} MB/s, {:.2} of openssl",
            total / rate(size, openssl)
        );
        digests.push(digest);
    }
    // Not earlier: some disks take long to forget a file, and the next sync waits for that.
    std::fs::remove_file(folder.join(SAMPLE))?;
    for digest in digests {
        store.delete(&digest).await?;
    }
    Ok(())
}

/// Bytes that do not repeat, cut into pieces, and their hash so far.
fn sample(size: usize) -> (Vec<Bytes>, Hasher) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut all = Vec::with_capacity(size);
    while all.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    let all = Bytes::from(all);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&all);
    let pieces = (0..size).step_by(PIECE).map(|at| all.slice(at..size.min(at + PIECE))).collect();
    (pieces, hasher)
}

/// Uploads the pieces and a number that makes the blob differ from the others. Tells its digest, the time until the last
/// byte was checked, and the time until it was durable.
async fn upload(
    store: &BlobStore,
    pieces: &[Bytes],
    mut hasher: Hasher,
    number: usize,
) -> Result<(Digest, Duration, Duration)> {
    let tail = Bytes::from(number.to_le_bytes().to_vec());
    hasher.update(&tail);
    let digest = hasher.finish();
    let start = Instant::now();
    let mut stage = store.stage(&StageId::random(), Algorithm::Sha256).await?;
    for piece in pieces.iter().chain([&tail]) {
        stage.write(piece.clone()).await?;
    }
    let verified = stage.verify(&digest).await?;
    let staged = start.elapsed();
    store.commit(verified).await?;
    Ok((digest, staged, start.elapsed()))
}

/// Time of the best of three runs over a cached file.
fn openssl(folder: &Path, pieces: &[Bytes]) -> Result<Duration> {
    let path = folder.join(SAMPLE);
    let mut file = File::create(&path)?;
    pieces.iter().try_for_each(|piece| file.write_all(piece))?;
    file.sync_all()?;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let output = Command::new("openssl").args(["dgst", "-sha256"]).arg(&path).output()?;
        assert!(output.status.success(), "openssl could not hash the sample");
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}
