//! What is measured once: the machine's limits, and Berth's size, memory and start.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;

use super::contender::Running;

/// MiB of the file that openssl hashes.
const HASHED_MIB: u32 = 1024;
/// Starts, of which the median counts.
const STARTS: usize = 5;

/// Numbers that no scenario gives.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Facts {
    pub(crate) cores: usize,
    /// MB/s of `openssl dgst -sha256` over a cached file: what pushes can reach at most.
    pub(crate) openssl_megabytes_per_second: f64,
    pub(crate) binary_mib: f64,
    /// Resident memory of a server that has answered once.
    pub(crate) idle_mib: f64,
    /// The start with many manifests; `None` when it was not measured.
    pub(crate) start: Option<Start>,
    /// Seconds of a clean release build; `None` when it was not measured.
    pub(crate) clean_build_seconds: Option<f64>,
}

/// A start with many manifests stored.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) manifests: u32,
    /// From the start of the process to its first answer out of the database, in milliseconds.
    pub(crate) millis: f64,
    /// Resident memory after that answer.
    pub(crate) resident_mib: f64,
}

impl Facts {
    pub(crate) fn of_machine(scratch: &Path, berth: &Path) -> anyhow::Result<Facts> {
        Ok(Facts {
            cores: std::thread::available_parallelism()?.get(),
            openssl_megabytes_per_second: openssl(scratch)?,
            binary_mib: super::mib(berth)?,
            ..Facts::default()
        })
    }

    /// Starts the server several times and keeps the median.
    pub(crate) fn starts(
        &mut self,
        manifests: u32,
        start: impl Fn() -> anyhow::Result<Running>,
    ) -> anyhow::Result<()> {
        let mut seen = Vec::new();
        for _ in 0..STARTS {
            let running = start()?;
            seen.push((running.first_answer, running.resident_mib()?));
            running.stop_and_keep()?;
        }
        seen.sort_by_key(|(first_answer, _)| *first_answer);
        let (first_answer, resident_mib) = seen[STARTS / 2];
        self.start = Some(Start { manifests, millis: first_answer.as_secs_f64() * 1000.0, resident_mib });
        Ok(())
    }

    /// Builds berth with an empty target folder.
    pub(crate) fn clean_build(&mut self, scratch: &Path) -> anyhow::Result<()> {
        eprintln!("  a clean release build");
        let target = scratch.join("clean-build");
        let started = Instant::now();
        ensure!(super::cargo().arg("--target-dir").arg(&target).status()?.success(), "berth does not build");
        self.clean_build_seconds = Some(started.elapsed().as_secs_f64());
        fs::remove_dir_all(target)?;
        Ok(())
    }
}

/// The best rate of three in MB/s.
fn openssl(scratch: &Path) -> anyhow::Result<f64> {
    eprintln!("  openssl dgst -sha256");
    let path = scratch.join("hashed");
    let mut file = File::create(&path)?;
    for number in 0..HASHED_MIB {
        file.write_all(&[number.to_le_bytes()[0]; 1024 * 1024])?;
    }
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        let output = Command::new("openssl").args(["dgst", "-sha256"]).arg(&path).output()?;
        ensure!(output.status.success(), "openssl dgst failed");
        best = best.min(started.elapsed());
    }
    fs::remove_file(path)?;
    Ok(f64::from(HASHED_MIB) * 1024.0 * 1024.0 / 1e6 / best.as_secs_f64())
}
