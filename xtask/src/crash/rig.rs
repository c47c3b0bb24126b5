//! One server on one disk: work, cut, restart, compare; again and again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::client::Client;
use super::disk::{Cut, Disk, Filesystem, Layout};
use super::ledger::{Ledger, Object, Outcome, Violation};
use super::observe::{check_tag_list, observe, sha256};
use super::victim::{Program, Victim};
use super::world::{REPOSITORIES, Session, World};
use crate::http::Connection;
use crate::random::Random;

const CLIENTS: u64 = 4;
/// Per cent of the objects without a change that are looked at again in a cycle.
const SAMPLE: u64 = 20;
/// Per cent of the starts that are struck again before they end.
const RELAPSE: u64 = 15;

/// What happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The disk loses power, the process is killed shortly after.
    Power,
    /// The process is killed; the kernel keeps what it wrote.
    Kill,
}

/// The disk that a rig works on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ground {
    Mounted(Filesystem, Layout),
    Folder,
}

/// A server, its disk, and everything that is known about it.
pub(crate) struct Rig {
    // Declared before the disk: the server must be gone when the disk is unmounted.
    victim: Victim,
    disk: Disk,
    program: Program,
    blow: Blow,
    folder: PathBuf,
    ledger: Ledger,
    world: World,
    random: Random,
    /// Writes that were never made are entered, to see that their absence is noticed.
    inventing: bool,
}

/// What one cycle found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) violations: Vec<Violation>,
    pub(crate) recovery: Duration,
    pub(crate) looked_at: usize,
    pub(crate) resumed: usize,
}

impl From<Violation> for Findings {
    fn from(violation: Violation) -> Self {
        Findings { violations: vec![violation], ..Findings::default() }
    }
}

impl Rig {
    /// A new server on a new disk; disk, ledger and log are files in `folder`.
    pub(crate) fn new(
        folder: &Path,
        program: &Program,
        blow: Blow,
        ground: Ground,
        random: Random,
    ) -> anyhow::Result<Rig> {
        std::fs::create_dir_all(folder)?;
        let disk = match ground {
            Ground::Mounted(filesystem, layout) => Disk::create(folder, filesystem, layout)?,
            Ground::Folder => Disk::folder(folder),
        };
        let victim = program.start(disk.data(), folder).with_context(|| {
            let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            format!("the server does not start on an empty disk:\n{log}")
        })?;
        let ledger = Ledger::new(BufWriter::new(File::create(folder.join("ledger.log"))?));
        let (program, folder, world) = (program.clone(), folder.to_owned(), World::default());
        Ok(Rig { victim, disk, program, blow, folder, ledger, world, random, inventing: false })
    }

    /// Makes this rig enter a write that was never made.
    pub(crate) fn invent(&mut self) {
        self.inventing = true;
    }

    /// How many writes of each kind were acknowledged.
    pub(crate) fn acknowledged(&self) -> BTreeMap<&'static str, u64> {
        self.ledger.acknowledged()
    }

    /// One cycle; looks at everything that was ever written if `thorough`, else at what changed and at a sample.
    /// An error is a fault of the rig or its machine, not of the server.
    pub(crate) fn cycle(&mut self, thorough: bool) -> anyhow::Result<Findings> {
        if self.inventing {
            let digest = sha256(b"never pushed");
            let blob = Object::blob(REPOSITORIES[0], &digest);
            let operation = self.ledger.begin("push small blob", vec![(blob, Some(digest))]);
            self.ledger.finish(operation, Outcome::Acknowledged);
        }
        let sessions = match self.work_until_the_blow()? {
            Ok(sessions) => sessions,
            Err(violation) => return Ok(Findings::from(violation)),
        };
        self.reboot()?;
        while self.random.chance(RELAPSE) {
            self.interrupt_recovery()?;
        }
        match self.program.start(self.disk.data(), &self.folder) {
            Ok(victim) => self.victim = victim,
            Err(error) => return Ok(Findings::from(Violation(format!("no recovery: {error:#}")))),
        }
        let (mut sampling, resuming) = (self.random.fork(), self.random.fork());
        let mut findings = self.compare(thorough, &mut sampling);
        self.resume(&sessions, &mut findings, resuming);
        for violation in &findings.violations {
            self.ledger.note(&format!("VIOLATION {violation}"));
        }
        self.ledger.flush()?;
        Ok(findings)
    }

    /// Lets the clients work for a random while. The inner error: the server ended before anything was done to it.
    fn work_until_the_blow(&mut self) -> anyhow::Result<Result<Vec<Session>, Violation>> {
        let Rig { victim, disk, ledger, world, random, blow, program, .. } = self;
        let tag_parameters = !program.is_distribution();
        let pause = Duration::from_micros(random.within(100_000..400_000));
        let linger = Duration::from_micros(random.within(0..20_000));
        let (popular, reversed) = (random.next(), random.chance(50));
        let cut = prepare(*blow, disk, reversed)?;
        let (stop, address) = (AtomicBool::new(false), victim.address);
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| Client {
                    connection: Connection::new(address),
                    random: random.fork(),
                    popular,
                    tag_parameters,
                    ledger,
                    world,
                })
                .map(|client| scope.spawn(|| client.work(&stop)))
                .collect();
            std::thread::sleep(pause);
            let blow = strike(victim, ledger, cut, linger);
            stop.store(true, Ordering::Relaxed);
            let open = clients.into_iter().flat_map(|client| client.join().expect("clients do not panic"));
            let sessions = open.collect();
            Ok(blow?.map_or(Ok(sessions), Err))
        })
    }

    fn reboot(&mut self) -> anyhow::Result<()> {
        match self.blow {
            Blow::Power => self.disk.reboot(),
            Blow::Kill => Ok(()),
        }
    }

    /// The same blow again while the server is starting.
    fn interrupt_recovery(&mut self) -> anyhow::Result<()> {
        let cut = prepare(self.blow, &self.disk, self.random.chance(50))?;
        let newborn = self.program.launch(self.disk.data(), &self.folder)?;
        std::thread::sleep(Duration::from_micros(self.random.within(0..60_000)));
        cut.map_or(Ok(()), Cut::now)?;
        drop(newborn);
        self.ledger.note("the recovery is interrupted");
        self.reboot()
    }

    fn compare(&self, thorough: bool, random: &mut Random) -> Findings {
        let objects = self.ledger.objects().into_iter().filter(|(object, changed)| {
            thorough || *changed || matches!(object, Object::Tag { .. }) || random.chance(SAMPLE)
        });
        let objects: Vec<Object> = objects.map(|(object, _)| object).collect();
        let seen = observe(self.victim.address, &objects);
        let mut violations = self.ledger.judge(&seen);
        violations
            .extend(REPOSITORIES.iter().filter_map(|name| check_tag_list(self.victim.address, name, &seen)));
        self.ledger.settle(&seen);
        self.world.settle(&self.ledger);
        Findings { violations, looked_at: objects.len(), recovery: self.victim.recovery, resumed: 0 }
    }

    fn resume(&self, sessions: &[Session], findings: &mut Findings, random: Random) {
        let connection = Connection::new(self.victim.address);
        let mut client = Client {
            connection,
            random,
            popular: 0,
            tag_parameters: false,
            ledger: &self.ledger,
            world: &self.world,
        };
        for session in sessions {
            match client.resume(session, self.blow == Blow::Kill) {
                Ok(resumed) => findings.resumed += usize::from(resumed),
                Err(violation) => findings.violations.push(violation),
            }
        }
    }
}

fn prepare(blow: Blow, disk: &Disk, reversed: bool) -> anyhow::Result<Option<Cut>> {
    match blow {
        Blow::Power => disk.prepare_cut(reversed).map(Some),
        Blow::Kill => Ok(None),
    }
}

/// Cuts the power and kills, or only kills. Returns a violation if the server had ended by itself before.
fn strike(
    victim: &mut Victim,
    ledger: &Ledger,
    cut: Option<Cut>,
    linger: Duration,
) -> anyhow::Result<Option<Violation>> {
    if let Some(status) = victim.ended()? {
        return Ok(Some(Violation(format!("the server ended by itself with {status}"))));
    }
    if let Some(cut) = cut {
        ledger.darken();
        cut.now()?;
        ledger.note("the power is cut");
        // The clients go on, to see what a server does to its data when it cannot write any more.
        std::thread::sleep(linger);
    }
    victim.kill();
    ledger.note("the server is killed");
    Ok(None)
}
