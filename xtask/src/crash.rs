//! The crash rig: cuts the power or kills the server in the middle of work, again and again, and compares what is
//! there afterwards with a ledger of everything that the server acknowledged.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};

use crate::folders;
use campaign::{Plan, Tally};
use disk::{Filesystem, Layout};
use rig::Blow;
use victim::Program;

mod campaign;
mod client;
mod disk;
mod ledger;
mod observe;
mod rig;
mod victim;
mod world;

/// A sabotage that is not caught within so many cycles is a fault of the rig.
const PROOF_CYCLES: u32 = 100;
/// So many cycles must pass without sabotage before its discovery says anything.
const CONTROL_CYCLES: u32 = 20;

/// Options of this command.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Cycles of each mode.
    #[arg(long, default_value_t = 200)]
    cycles: u32,
    /// Cut the power, only kill the process, or first one and then the other.
    #[arg(long, value_enum, default_value = "all")]
    mode: Mode,
    /// Only this filesystem; by default ext4 and some XFS.
    #[arg(long, value_enum)]
    fs: Option<Filesystem>,
    /// Database and blobs on one filesystem or on two; by default half and half.
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Test a server that breaks its promises in this way; the command succeeds if that is noticed.
    #[arg(long, value_enum, conflicts_with = "prove")]
    sabotage: Option<Sabotage>,
    /// Test that every sabotage is noticed.
    #[arg(long)]
    prove: bool,
    /// Test this berth (or docker-registry) instead of building one; with a sabotage, one that has the feature.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Repeat the choices of an earlier run; its timing cannot be repeated.
    #[arg(long)]
    seed: Option<u64>,
}

/// What happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    Power,
    Kill,
    All,
}

/// Ways to lose what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sabotage {
    /// Blobs are renamed into their folder, but the folder is not synced.
    NoDirFsync,
    /// Blobs are renamed before their bytes are synced.
    NoFileFsync,
    /// SQLite does not sync its log at a commit.
    SqliteNormal,
    /// The ledger says that a blob was acknowledged that nobody pushed: a test of the comparison itself.
    InventedLoss,
}

impl Sabotage {
    const ALL: [Sabotage; 4] =
        [Sabotage::InventedLoss, Sabotage::NoFileFsync, Sabotage::NoDirFsync, Sabotage::SqliteNormal];

    fn name(self) -> &'static str {
        match self {
            Sabotage::NoDirFsync => "no-dir-fsync",
            Sabotage::NoFileFsync => "no-file-fsync",
            Sabotage::SqliteNormal => "sqlite-normal",
            Sabotage::InventedLoss => "invented-loss",
        }
    }

    /// What the server is told; the invention is not its own.
    fn for_server(self) -> Option<&'static str> {
        (self != Sabotage::InventedLoss).then(|| self.name())
    }
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mounts = disk::enter_namespace()?;
    let power =
        if mounts { rehearse(options.fs) } else { Err(anyhow::anyhow!("needs root and loop devices")) };
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let skipped = match power {
        Ok(()) => None,
        Err(reason) if ci => return Err(reason.context("the power cannot be cut here")),
        Err(reason) => Some(format!("{reason:#}")),
    };
    if skipped.is_some() && (options.mode == Mode::Power || options.prove || options.sabotage.is_some()) {
        println!("crash: skipped, {}", skipped.unwrap_or_default());
        return Ok(());
    }
    match (options.prove, options.sabotage) {
        (true, _) => prove(options, &Sabotage::ALL),
        (false, Some(sabotage)) => prove(options, &[sabotage]),
        (false, None) => torture(options, skipped.as_deref()),
    }
}

/// The real thing: every cycle must pass.
fn torture(options: &Options, skipped: Option<&str>) -> anyhow::Result<()> {
    let file = match &options.binary {
        Some(file) => file.clone(),
        None => build(&[], &folders::target())?,
    };
    let program = Program { file, sabotage: None };
    let mut failed = 0;
    for (name, blow, mode) in [("power", Blow::Power, Mode::Power), ("kill", Blow::Kill, Mode::Kill)] {
        if options.mode != Mode::All && options.mode != mode {
            continue;
        }
        if let (Blow::Power, Some(reason)) = (blow, skipped) {
            println!("power: skipped, {reason}");
            continue;
        }
        let plan = Plan { blow, mounts: skipped.is_none(), ..plan(options, name, program.clone()) };
        let tally = plan.run()?;
        println!("{name}: {}; seed {}\n  {}", tally.counts(), plan.seed, tally.details());
        failed += tally.failed;
        if !program.is_distribution() && tally.failed == 0 {
            tally.ensure_work_was_done()?;
        }
    }
    ensure!(failed == 0, "{failed} cycles failed");
    Ok(())
}

/// The proof that the rig notices: every cycle may pass but one, and soon.
fn prove(options: &Options, sabotages: &[Sabotage]) -> anyhow::Result<()> {
    let file = match &options.binary {
        Some(file) => file.clone(),
        // A folder of its own, so that a sabotaged program is never taken for the real one.
        None => build(&["--features", "sabotage"], &folders::target().join("sabotage"))?,
    };
    let control = Program { file: file.clone(), sabotage: None };
    let control = Plan { cycles: CONTROL_CYCLES, ..plan(options, "without sabotage", control) }.run()?;
    ensure!(control.failed == 0, "this server loses data without sabotage, so catching it proves nothing");
    let mut missed = Vec::new();
    for &sabotage in sabotages {
        let program = Program { file: file.clone(), sabotage: sabotage.for_server() };
        let plan = Plan {
            cycles: PROOF_CYCLES.min(options.cycles),
            inventing: sabotage == Sabotage::InventedLoss,
            proving: true,
            ..plan(options, sabotage.name(), program)
        };
        let tally: Tally = plan.run()?;
        match &tally.first {
            Some(violation) => println!("{}: caught in cycle {}: {violation}", plan.name, tally.cycles()),
            None => missed.push(sabotage.name()),
        }
    }
    println!("sabotage: {} caught, {} missed", sabotages.len() - missed.len(), missed.len());
    ensure!(missed.is_empty(), "the rig did not notice {}", missed.join(", "));
    Ok(())
}

fn plan(options: &Options, name: &str, program: Program) -> Plan {
    Plan {
        name: name.to_owned(),
        program,
        blow: Blow::Power,
        cycles: options.cycles,
        seed: options.seed.unwrap_or_else(fresh_seed),
        filesystem: options.fs,
        layout: options.layout,
        mounts: true,
        inventing: false,
        proving: false,
    }
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20)
}

/// Whether the power can be cut here, tried with each filesystem that the run needs.
fn rehearse(only: Option<Filesystem>) -> anyhow::Result<()> {
    let scratch = disk::Scratch::new(&folders::kept("crash")?, true)?;
    for filesystem in [Filesystem::Ext4, Filesystem::Xfs] {
        if only.is_none_or(|only| only == filesystem) {
            let folder = scratch.path().join(format!("{filesystem:?}"));
            std::fs::create_dir(&folder)?;
            disk::rehearse(&folder, filesystem)
                .with_context(|| format!("a rehearsal on {filesystem:?} failed"))?;
        }
    }
    Ok(())
}

fn build(arguments: &[&str], target: &Path) -> anyhow::Result<PathBuf> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--package", "berth"])
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .current_dir(folders::root())
        .status()?;
    if !status.success() {
        bail!("berth does not build");
    }
    Ok(target.join("release").join("berth"))
}
