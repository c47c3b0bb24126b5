//! A program, the time that it takes, and the memory that it has at most.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// How often its memory is looked at. The kernel keeps the highest value itself, so only what grows in the last moment
/// is missed.
const LOOK: Duration = Duration::from_millis(5);

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    pub(super) time: Duration,
    /// Resident memory at most, in MiB.
    pub(super) peak: f64,
}

/// Runs a program to its end, which must be a success.
pub(super) fn watched(mut command: Command) -> anyhow::Result<Timed> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        peak = peak.max(highest(&status).unwrap_or_default());
        match child.try_wait()? {
            Some(ended) => break ended,
            None => thread::sleep(LOOK),
        }
    };
    let time = started.elapsed();
    ensure!(ended.success(), "{command:?} ended with {ended}");
    Ok(Timed { time, peak: peak as f64 / 1024.0 })
}

/// The median time of a program that is over at once.
pub(super) fn started(times: usize, command: impl Fn() -> Command) -> anyhow::Result<Duration> {
    let mut seen = Vec::new();
    for _ in 0..times {
        let mut command = command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let ended = command.status()?;
        seen.push(started.elapsed());
        ensure!(ended.success(), "{command:?} ended with {ended}");
    }
    seen.sort_unstable();
    seen.get(times / 2).copied().context("it was never run")
}

/// The highest resident memory so far, in KiB.
fn highest(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
