//! Processes that are killed at any moment: the images of this machine are whole, and the next try goes on.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{Client, NAME, named_in};
use crate::e2e::images::hex;
use crate::e2e::stage::Stage;
use crate::fault;
use crate::mirror::images::Image;
use crate::random::Random;
use crate::upstream::Upstream;

/// Kills in one run.
const KILLS: usize = 40;
/// Of each image: layers, and their bytes.
const LAYERS: usize = 4;
const LAYER: usize = 4 << 20;
/// Bytes per second of the line, so that a kill can meet a transfer.
const RATE: u64 = 40_000_000;
/// What may be on the way when a process is killed: buffers of the sockets.
const ON_THE_WAY: u64 = 6 << 20;

/// Runs the steps.
pub(super) fn run(stage: &Stage) -> anyhow::Result<()> {
    let seed = crate::e2e::now()?;
    stage.step(NAME, &format!("{KILLS} kills at any moment break nothing (seed {seed})"), || {
        let [killed, resumed] = kill(stage.program.file(), &stage.home("yard/wreck"), KILLS, seed)?;
        ensure!(killed > KILLS / 5 && resumed > 0, "{killed} were killed, {resumed} pulls went on: too few");
        Ok(())
    });
    Ok(())
}

/// Kills commands of this program so many times; how many were killed before their end, and how many pulls went on.
///
/// # Errors
/// What was not as it should be after a kill.
pub(crate) fn kill(program: &Path, home: &Path, kills: usize, seed: u64) -> anyhow::Result<[usize; 2]> {
    let mut wreck = Wreck::build(program, home, seed)?;
    for number in 0..kills {
        wreck.strike(number).with_context(|| format!("kill {number} of seed {seed}"))?;
    }
    Ok([wreck.killed, wreck.resumed])
}

/// What is done when the kill comes.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Pull,
    Push,
    Load,
    Import,
    Remove,
    CopyIn,
    CopyOut,
    CopyAcross,
}

const DEEDS: [Deed; 8] = [
    Deed::Pull,
    Deed::Push,
    Deed::Load,
    Deed::Import,
    Deed::Remove,
    Deed::CopyIn,
    Deed::CopyOut,
    Deed::CopyAcross,
];

/// When the kill comes.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after the start.
    After(Duration),
    /// When so many bytes of blobs came.
    Bytes(u64),
}

impl Deed {
    /// Any moment of what it takes, roughly.
    fn moment(self, random: &mut Random) -> Moment {
        let longest = match self {
            Deed::Pull | Deed::CopyAcross => return Moment::Bytes(random.within(0..(LAYERS * LAYER) as u64)),
            Deed::Push | Deed::CopyOut | Deed::Load | Deed::Import | Deed::CopyIn => 150,
            Deed::Remove => 50,
        };
        Moment::After(Duration::from_millis(random.within(0..longest)))
    }
}

/// A store, a registry behind a slow line, and images.
struct Wreck {
    berth: Client,
    home: std::path::PathBuf,
    upstream: Upstream,
    image: Image,
    random: Random,
    /// Processes that were killed before their end.
    killed: usize,
    /// Pulls that had come less again than everything.
    resumed: usize,
}

impl Wreck {
    fn build(program: &Path, home: &Path, seed: u64) -> anyhow::Result<Wreck> {
        let mut random = Random::new(seed);
        let home = home.to_owned();
        let berth = super::desk_in(program, &home)?;
        let upstream = Upstream::open(&home.join("registry"))?;
        let image = Image::of((0..LAYERS).map(|_| random.bytes(LAYER)).collect(), &mut random);
        image.push(upstream.server.address(), "wreck/app", "1")?;
        fs::write(home.join("small.tar"), archive("small", b"small"))?;
        let wreck = Wreck { berth, home, upstream, image, random, killed: 0, resumed: 0 };
        wreck.berth.run(&["pull", &wreck.name("app:1")])?;
        wreck.berth.run(&["save", "-o", "app.tar", &wreck.name("app:1")])?;
        wreck.berth.run(&["copy", &format!("local:{}", wreck.name("app:1")), "oci:layout:app"])?;
        wreck.upstream.proxy.set_rate(Some(RATE));
        Ok(wreck)
    }

    fn name(&self, name: &str) -> String {
        format!("{}/wreck/{name}", self.upstream.proxy.address())
    }

    fn store(&self) -> std::path::PathBuf {
        self.home.join("images")
    }

    /// Kills one of a few processes that work on one store, looks at what is left, and goes on.
    fn strike(&mut self, number: usize) -> anyhow::Result<()> {
        let deed = DEEDS[number % DEEDS.len()];
        let mut random = self.random.fork();
        self.prepare(deed, number, &mut random)?;
        let arguments = self.arguments(deed, number);
        let mark = self.upstream.proxy.mark();
        let moment = deed.moment(&mut random);
        let mut victim = self.spawn(&arguments)?;
        let mut others = match random.chance(50) {
            true => vec![self.spawn(&["images"])?, self.spawn(&["tag", "keep:1", "kept:1"])?],
            false => Vec::new(),
        };
        let proxy = &self.upstream.proxy;
        let is_due = |since: Instant| match moment {
            Moment::After(delay) => since.elapsed() >= delay,
            Moment::Bytes(bytes) => fault::blob_bytes(&proxy.since(mark)) >= bytes,
        };
        self.killed += usize::from(kill_when(&mut victim, is_due)?);
        for other in &mut others {
            let status = other.wait()?;
            ensure!(status.success(), "beside {deed:?} a process ended with {status}");
        }
        let first = fault::blob_bytes(&self.upstream.proxy.since(mark));
        whole(&self.berth, &self.store()).with_context(|| format!("after {deed:?} and {moment:?}"))?;
        let mark = self.upstream.proxy.mark();
        self.again(deed, &arguments).with_context(|| format!("after {deed:?} and {moment:?}"))?;
        whole(&self.berth, &self.store()).with_context(|| format!("after {deed:?}, twice"))?;
        if matches!(deed, Deed::Pull) {
            let again = fault::blob_bytes(&self.upstream.proxy.since(mark));
            let all: u64 = self.image.blobs.iter().map(|blob| blob.bytes.len() as u64).sum();
            let most = all.saturating_sub(first.saturating_sub(ON_THE_WAY));
            ensure!(again <= most, "{first} bytes came before the kill, {again} after it, of {all}");
            self.resumed += usize::from(0 < again && again < all);
        }
        Ok(())
    }

    /// Brings the store into the state in which the deed has something to do.
    fn prepare(&self, deed: Deed, number: usize, random: &mut Random) -> anyhow::Result<()> {
        drop(fs::remove_dir_all(self.store()));
        self.berth.run(&["import", "small.tar", "keep:1"])?;
        match deed {
            Deed::Remove => self.berth.run(&["load", "-i", "app.tar"]).map(drop),
            Deed::Push => {
                let noise = random.bytes(LAYERS * LAYER);
                fs::write(self.home.join("noise.tar"), archive("noise", &noise))?;
                self.berth.run(&["import", "noise.tar", &self.name(&format!("fresh-{number}:1"))]).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn arguments(&self, deed: Deed, number: usize) -> Vec<String> {
        let name = self.name("app:1");
        let fresh = self.name(&format!("fresh-{number}:1"));
        let words: &[&str] = match deed {
            Deed::Pull => &["pull", &name],
            Deed::Push => &["push", &fresh],
            Deed::CopyOut => &["copy", "oci:layout:app", &fresh],
            Deed::Load => &["load", "-i", "app.tar"],
            Deed::Import => &["import", "app.tar", "imported:1"],
            Deed::Remove => &["rmi", "--force", &name],
            Deed::CopyIn => &["copy", "oci:layout:app", "local:copied:1"],
            Deed::CopyAcross => &["copy", &name, &fresh],
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// Does it once more, to its end.
    fn again(&self, deed: Deed, arguments: &[String]) -> anyhow::Result<()> {
        match deed {
            // What was removed already cannot be removed again.
            Deed::Remove => drop(self.berth.run(arguments)),
            _ => drop(self.berth.run(arguments)?),
        }
        match deed {
            Deed::Push => self.berth.says(&["digest", &arguments[1]], "sha256:").map(drop),
            Deed::CopyOut | Deed::CopyAcross => {
                let target = arguments.last().context("no target")?;
                self.berth.says(&["digest", target], &self.image.manifest.digest).map(drop)
            }
            Deed::Pull => self.berth.says(&["images", "--digests"], &self.image.manifest.digest).map(drop),
            Deed::Load | Deed::Import | Deed::Remove | Deed::CopyIn => Ok(()),
        }
    }

    fn spawn<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> anyhow::Result<Child> {
        let mut command = self.berth.bare(arguments);
        Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }
}

/// A tar archive with one file.
fn archive(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut head = [0; 512];
    let mut field = |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    field(0, name);
    field(100, "0000644");
    field(108, "0000000");
    field(116, "0000000");
    field(124, &format!("{:011o}", bytes.len()));
    field(136, "00000000000");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let sum: u32 = head.iter().copied().map(u32::from).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let filled = bytes.len().next_multiple_of(512);
    let mut archive = head.to_vec();
    archive.extend_from_slice(bytes);
    archive.resize(512 + filled + 1024, 0);
    archive
}

/// Kills the process when it is due, unless it ends before; whether it was killed.
fn kill_when(child: &mut Child, is_due: impl Fn(Instant) -> bool) -> anyhow::Result<bool> {
    let started = Instant::now();
    while !is_due(started) {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(1));
    }
    child.kill()?;
    child.wait()?;
    Ok(true)
}

/// Everything that is listed is there, byte for byte.
pub(super) fn whole(berth: &Client, store: &Path) -> anyhow::Result<()> {
    let listed = berth.reads(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    let listed = String::from_utf8(listed)?;
    for name in listed.lines().filter(|name| !name.contains("<none>")) {
        // As the layout names it: docker's short names are written out there.
        let full = match name.split_once('/') {
            Some((host, _)) if host.contains([':', '.']) => name.to_owned(),
            Some(_) => format!("docker.io/{name}"),
            None => format!("docker.io/library/{name}"),
        };
        let root = named_in(store, &full)?;
        blob(store, &root)
            .and_then(|bytes| reach(store, &bytes))
            .with_context(|| format!("{name}, {root}"))?;
    }
    Ok(())
}

/// Checks what a manifest names.
fn reach(store: &Path, manifest: &[u8]) -> anyhow::Result<()> {
    let manifest: Value = serde_json::from_slice(manifest)?;
    let described = manifest["layers"].as_array().into_iter().flatten().chain(manifest.get("config"));
    for descriptor in described {
        let bytes = blob(store, descriptor["digest"].as_str().context("no digest")?)?;
        ensure!(descriptor["size"] == bytes.len(), "{descriptor} has {} bytes", bytes.len());
    }
    Ok(())
}

fn blob(store: &Path, digest: &str) -> anyhow::Result<Vec<u8>> {
    let (_, name) = digest.split_once(':').context("no digest")?;
    let bytes = fs::read(store.join("blobs/sha256").join(name)).with_context(|| format!("no {digest}"))?;
    ensure!(hex(&bytes) == name, "{digest} has other bytes");
    Ok(bytes)
}
