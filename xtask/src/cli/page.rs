//! `docs/benchmarks-cli.md`.

use std::fmt::Write as _;
use std::time::Duration;

use super::Options;
use super::measure::{Mover, Runs, Way};
use super::timed::Timed;

const HOW: &str = "\
Written by the command below. The image has random bytes, so that nobody gains by compressing; it lies in a local store,
from which skopeo reads it as `oci:`. Each push goes to a server without any data, each pull into a folder that is not
there; before each one, everything else is written to the disk. Both programs take turns in who begins. Server and client
share the machine. Of several rounds the median counts. Memory is the highest resident memory of the client.

A pull of berth is on the disk before it is told; skopeo leaves that to the system.
";
/// skopeo's time to ours, at least.
const FASTER: f64 = 1.3;
/// MiB of a transfer at most.
const MEMORY: f64 = 64.0;
/// Milliseconds of a start, and of a list of many images, at most.
const START: f64 = 10.0;
const LIST: f64 = 50.0;

/// What was measured.
pub(super) struct Measured {
    pub(super) runs: Vec<Runs>,
    /// Titles and times of what is over at once.
    pub(super) lists: Vec<(String, Duration)>,
}

/// The page.
pub(super) fn write(options: &Options, measured: &Measured) -> String {
    let mut page = format!(
        "# Benchmarks of the commands about images\n\n{HOW}\n```\ncargo xtask cli --release --measure{}\n```\n\n\
         ## Push and pull: {} layers, {} MiB\n\n\
         | | server | berth | skopeo | skopeo ÷ berth | goal | berth's memory | skopeo's |\n\
         |---|---|---:|---:|---:|---|---:|---:|\n",
        changed(options),
        options.layers,
        options.size
    );
    let ours = measured.runs.iter().filter(|runs| runs.mover == Mover::Berth);
    for own in ours {
        let is_peer =
            |runs: &&Runs| runs.mover == Mover::Skopeo && (runs.server, runs.way) == (own.server, own.way);
        let Some(peer) = measured.runs.iter().find(is_peer) else { continue };
        let (own_time, peer_time) = (seconds(&own.all), seconds(&peer.all));
        let ratio = peer_time / own_time;
        let way = if own.way == Way::Push { "push" } else { "pull" };
        let _ = writeln!(
            page,
            "| {way} | {} | {own_time:.2} s | {peer_time:.2} s | {ratio:.2} | {} | {:.0} MiB{} | {:.0} MiB |",
            own.server,
            judged(ratio >= FASTER, &format!("{FASTER}")),
            peak(&own.all),
            if peak(&own.all) <= MEMORY { "" } else { " (goal: 64)" },
            peak(&peer.all),
        );
    }
    page += "\n## Starts and lists\n\nFrom the start of the process to its end.\n\n| | time | goal |\n|---|---:|---|\n";
    for (title, time) in &measured.lists {
        let millis = time.as_secs_f64() * 1e3;
        let goal = if title.ends_with(" images") { LIST } else { START };
        let _ =
            writeln!(page, "| {title} | {millis:.1} ms | {} |", judged(millis < goal, &format!("{goal} ms")));
    }
    page
}

fn judged(is_reached: bool, goal: &str) -> String {
    format!("{goal}: {}", if is_reached { "reached" } else { "**missed**" })
}

/// The options that change the numbers, if they are others than usual.
fn changed(options: &Options) -> String {
    let numbers =
        [("size", options.size, 1024), ("layers", options.layers, 12), ("rounds", options.rounds, 3)];
    numbers
        .iter()
        .filter(|(_, value, usual)| value != usual)
        .map(|(name, value, _)| format!(" --{name} {value}"))
        .collect()
}

/// The median.
fn seconds(runs: &[Timed]) -> f64 {
    let mut all: Vec<_> = runs.iter().map(|run| run.time.as_secs_f64()).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The highest of all runs.
fn peak(runs: &[Timed]) -> f64 {
    runs.iter().map(|run| run.peak).fold(0.0, f64::max)
}
