//! Many cycles on a row of disks, counted and told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::client::KINDS;
use super::disk::{Filesystem, Layout, Scratch};
use super::rig::{Blow, Findings, Ground, Rig};
use super::victim::Program;
use crate::folders;
use crate::random::Random;

/// After so many cycles a new disk is begun: first folders are also made, and looking stays quick.
const CYCLES_PER_DISK: u32 = 10;
/// After so many failed cycles the rest would tell nothing new.
const FAILURES: u32 = 5;
const SHOWN: usize = 8;
/// Half of the disks are split, a quarter are XFS.
const SHAPES: [(Filesystem, Layout); 4] = [
    (Filesystem::Ext4, Layout::Shared),
    (Filesystem::Ext4, Layout::Split),
    (Filesystem::Xfs, Layout::Split),
    (Filesystem::Ext4, Layout::Shared),
];

/// What to do.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Named in every line of output.
    pub(crate) name: String,
    pub(crate) program: Program,
    pub(crate) blow: Blow,
    pub(crate) cycles: u32,
    pub(crate) seed: u64,
    pub(crate) filesystem: Option<Filesystem>,
    pub(crate) layout: Option<Layout>,
    /// False without root: then everything is in a plain folder.
    pub(crate) mounts: bool,
    /// See [`Rig::invent`].
    pub(crate) inventing: bool,
    /// End at the first failure, which is the aim.
    pub(crate) proving: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// The first broken promise.
    pub(crate) first: Option<String>,
    acknowledged: BTreeMap<&'static str, u64>,
    looked_at: usize,
    resumed: usize,
    slowest: Duration,
}

impl Plan {
    fn ground(&self, disk: u32) -> Ground {
        let (filesystem, layout) = SHAPES[disk as usize % SHAPES.len()];
        match self.mounts {
            true => Ground::Mounted(self.filesystem.unwrap_or(filesystem), self.layout.unwrap_or(layout)),
            false => Ground::Folder,
        }
    }

    /// Runs all cycles. An error means that the rig itself did not work.
    pub(crate) fn run(&self) -> anyhow::Result<Tally> {
        let kept = folders::kept("crash")?;
        let scratch = Scratch::new(&kept, self.mounts)?;
        let (mut tally, mut random, started) = (Tally::default(), Random::new(self.seed), Instant::now());
        let mut disks = 0;
        while tally.cycles() < self.cycles && tally.failed < if self.proving { 1 } else { FAILURES } {
            let ground = self.ground(disks);
            let folder = scratch.path().join(format!("disk-{disks}"));
            let before = tally.cycles();
            let count = CYCLES_PER_DISK.min(self.cycles - before);
            let mut rig = Rig::new(&folder, &self.program, self.blow, ground, random.fork())?;
            if self.inventing {
                rig.invent();
            }
            for cycle in 1..=count {
                let findings = rig.cycle(cycle == count)?;
                let whole = findings.violations.is_empty();
                tally.add(&findings);
                if !whole {
                    self.tell(&tally, &findings, ground, &folder, &kept)?;
                    break;
                }
                if tally.cycles() % 20 == 0 {
                    println!("{}: {} ({:.0} s)", self.name, tally.counts(), started.elapsed().as_secs_f64());
                }
            }
            for (kind, count) in rig.acknowledged() {
                *tally.acknowledged.entry(kind).or_default() += count;
            }
            drop(rig);
            fs::remove_dir_all(&folder)?;
            disks += 1;
        }
        Ok(tally)
    }

    fn tell(
        &self,
        tally: &Tally,
        found: &Findings,
        ground: Ground,
        folder: &Path,
        kept: &Path,
    ) -> anyhow::Result<()> {
        if self.proving {
            return Ok(());
        }
        println!("{}: cycle {} FAILED on {ground:?}, seed {}", self.name, tally.cycles(), self.seed);
        for violation in found.violations.iter().take(SHOWN) {
            println!("  {violation}");
        }
        if found.violations.len() > SHOWN {
            println!("  and {} more", found.violations.len() - SHOWN);
        }
        println!("  ledger and log: {}", self.keep(tally.cycles(), folder, kept)?.display());
        Ok(())
    }

    fn keep(&self, cycle: u32, folder: &Path, kept: &Path) -> anyhow::Result<PathBuf> {
        let evidence = kept.join(format!("{}-{}-{cycle}", self.name.replace(' ', "-"), self.seed));
        fs::create_dir_all(&evidence)?;
        for name in ["ledger.log", "server.log"] {
            fs::copy(folder.join(name), evidence.join(name))?;
        }
        Ok(evidence)
    }
}

impl Tally {
    /// How many cycles were run.
    pub(crate) fn cycles(&self) -> u32 {
        self.passed + self.failed
    }

    /// `N passed, N failed`.
    pub(crate) fn counts(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }

    fn add(&mut self, findings: &Findings) {
        match findings.violations.first() {
            None => self.passed += 1,
            Some(violation) => {
                self.failed += 1;
                self.first.get_or_insert_with(|| violation.to_string());
            }
        }
        self.looked_at += findings.looked_at;
        self.resumed += findings.resumed;
        self.slowest = self.slowest.max(findings.recovery);
    }

    /// What was done, for the summary.
    pub(crate) fn details(&self) -> String {
        let kinds: Vec<String> =
            self.acknowledged.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let (looked_at, resumed, slowest) = (self.looked_at, self.resumed, self.slowest.as_millis());
        format!(
            "acknowledged: {}; {resumed} uploads resumed, {looked_at} objects looked at, slowest start {slowest} ms",
            kinds.join(", ")
        )
    }

    /// Fails if some kind of write was never acknowledged in a run that is long enough to expect it.
    pub(crate) fn ensure_work_was_done(&self) -> anyhow::Result<()> {
        let missing: Vec<&str> =
            KINDS.into_iter().filter(|kind| !self.acknowledged.contains_key(kind)).collect();
        ensure!(
            self.cycles() < 20 || missing.is_empty(),
            "never acknowledged, so nothing is proved: {}",
            missing.join(", ")
        );
        Ok(())
    }
}
