//! What goes wrong on the way: cuts, wrong bytes, kills, full disks. The store is never broken, nothing half is listed, and
//! the next try goes on.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{Client, Desk, NAME};
use crate::fault::{Fault, On, Place, Proxy, blob_bytes};
use crate::random::Random;

/// Kills of each command.
const KILLS: u64 = 12;
/// Bytes that a slow line carries in a second, so that a kill hits the middle.
const SLOW: u64 = 24 << 20;

/// Runs the steps.
pub(super) fn run(desk: &Desk<'_>) -> anyhow::Result<()> {
    let proxy = Proxy::start(desk.stage.wire.address())?;
    let name = format!("{}/cuts/app:1", proxy.address());
    desk.berth.run(&["copy", &desk.layout("app"), &desk.remote("cuts/app:1")])?;
    cuts(desk, &proxy, &name)?;
    kills(desk, &proxy, &name)?;
    many(desk, &name)?;
    disks(desk, &name)
}

fn cuts(desk: &Desk<'_>, proxy: &Proxy, name: &str) -> anyhow::Result<()> {
    let desk = Desk::at(desk.stage, "cli-cuts")?;
    desk.stage.step(NAME, "a pull that is cut goes on where it stopped", || {
        let mark = proxy.mark();
        proxy.misbehave_times(3, On::Blobs, Fault::Cut(Place::Half));
        desk.berth.says(&["pull", name], &desk.stage.images.app)?;
        proxy.behave();
        let (sent, size) = (blob_bytes(&proxy.since(mark)), size(&desk, name)?);
        ensure!(sent < size + size / 4, "{sent} bytes were sent for {size}");
        whole(&desk)
    });
    desk.stage.step(NAME, "wrong bytes are not taken, and the next pull is right", || {
        let refuse = |fault: Fault| -> anyhow::Result<()> {
            desk.berth.run(&["rmi", "-f", name]).ok();
            proxy.misbehave(On::Blobs, &[fault]);
            desk.berth.refuses(&["pull", name], "error: ")?;
            proxy.behave();
            ensure!(!desk.berth.run(&["images"])?.contains("cuts/app"), "half an image is listed");
            whole(&desk)
        };
        refuse(Fault::Flip)?;
        refuse(Fault::Extra)?;
        refuse(Fault::Page)?;
        desk.berth.says(&["pull", name], &desk.stage.images.app)?;
        whole(&desk)
    });
    desk.stage.step(NAME, "a damaged layer of the store is found out, and mended by a pull", || {
        let largest = largest(&desk.images)?;
        let mut bytes = fs::read(&largest)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&largest, bytes)?;
        let file = desk.stage.home("cli-damaged.tar");
        desk.berth.refuses(&["save", "-o", &file.to_string_lossy(), name], "damaged")?;
        ensure!(!file.exists(), "a damaged archive was written");
        desk.berth.says(&["pull", name], &desk.stage.images.app)?;
        whole(&desk)
    });
    Ok(())
}

fn kills(desk: &Desk<'_>, proxy: &Proxy, name: &str) -> anyhow::Result<()> {
    let desk = Desk::at(desk.stage, "cli-kills")?;
    desk.stage.step(NAME, "kills leave the store whole, and the next try goes on", || {
        let seed = u64::from(std::process::id());
        let mut random = Random::new(seed);
        proxy.set_rate(Some(SLOW));
        let mut sent = 0;
        for round in 0..KILLS {
            let mark = proxy.mark();
            let mut child = desk.spawn(&["pull", "-q", name])?;
            std::thread::sleep(Duration::from_millis(random.within(20..420)));
            child.kill()?;
            child.wait()?;
            sent += blob_bytes(&proxy.since(mark));
            whole(&desk).with_context(|| format!("after kill {round} of seed {seed}"))?;
        }
        proxy.set_rate(None);
        let mark = proxy.mark();
        desk.berth.says(&["pull", name], &desk.stage.images.app)?;
        sent += blob_bytes(&proxy.since(mark));
        let size = size(&desk, name)?;
        // What was on its way at a kill, and what the proxy had taken in by then, comes again.
        ensure!(sent < size + KILLS * (4 << 20), "{sent} bytes were sent for {size}");
        whole(&desk)
    });
    desk.stage.step(NAME, "kills of rmi and load leave the store whole", || {
        let file = desk.stage.home("cli-kills.tar");
        desk.berth.run(&["save", "-o", &file.to_string_lossy(), name])?;
        let mut random = Random::new(7);
        for round in 0..KILLS {
            let file = file.to_string_lossy();
            let words =
                if round % 2 == 0 { ["rmi", "-f", name].to_vec() } else { ["load", "-i", &file].to_vec() };
            let mut child = desk.spawn(&words)?;
            std::thread::sleep(Duration::from_millis(random.within(0..60)));
            child.kill()?;
            child.wait()?;
            whole(&desk).with_context(|| format!("after kill {round}: {words:?}"))?;
        }
        desk.berth.says(&["load", "-i", &file.to_string_lossy()], "Loaded image")?;
        whole(&desk)
    });
    Ok(())
}

fn many(desk: &Desk<'_>, name: &str) -> anyhow::Result<()> {
    let desk = Desk::at(desk.stage, "cli-many")?;
    desk.stage.step(NAME, "many processes use one store", || {
        let mut children = Vec::new();
        for round in 0..4 {
            let tag = format!("many/app:{round}");
            children.push(desk.spawn(&["pull", "-q", name])?);
            children.push(desk.spawn(&["copy", "-q", &desk.layout("app"), &format!("local:{tag}")])?);
            children.push(desk.spawn(&["images", "-q"])?);
        }
        for mut child in children {
            ensure!(child.wait()?.success(), "a process failed");
        }
        let listed = desk.berth.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
        for expected in ["many/app:0", "many/app:1", "many/app:2", "many/app:3", "cuts/app:1"] {
            ensure!(listed.contains(expected), "{expected} is missing: {listed}");
        }
        let mut children = vec![desk.spawn(&["rmi", name])?, desk.spawn(&["pull", "-q", name])?];
        children.push(desk.spawn(&["prune", "-f"])?);
        for mut child in children {
            child.wait()?;
        }
        whole(&desk)?;
        desk.berth.run(&["pull", name])?;
        whole(&desk)
    });
    Ok(())
}

fn disks(desk: &Desk<'_>, name: &str) -> anyhow::Result<()> {
    let home = desk.stage.home("cli-disk");
    let disk = home.join("disk");
    fs::create_dir_all(&disk)?;
    let berth = Client::new(desk.stage.program.file(), &home)?;
    desk.stage.step(NAME, "a folder that is none is told", || {
        fs::write(home.join("file"), "x")?;
        let berth = berth.clone().env("BERTH_IMAGES", home.join("file/images"));
        berth.refuses(&["pull", name], "BERTH_IMAGES")?;
        Ok(())
    });
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        desk.stage.absent(NAME, "no small disk can be mounted");
        return Ok(());
    }
    desk.stage.step(NAME, "a full disk is told, and the pull goes on when there is room", || {
        let small = berth.clone().env("BERTH_IMAGES", disk.join("images"));
        small.refuses(&["pull", name], "is full")?;
        let listed = small.run(&["images", "-q"])?;
        ensure!(listed.trim().is_empty(), "half an image is listed: {listed}");
        Command::new("mount").args(["-o", "remount,size=64m"]).arg(&disk).status()?;
        small.says(&["pull", name], &desk.stage.images.app)?;
        Ok(())
    });
    Command::new("umount").arg(&disk).status()?;
    Ok(())
}

impl Desk<'_> {
    fn spawn(&self, words: &[&str]) -> anyhow::Result<std::process::Child> {
        let mut command = Command::new(self.stage.program.file());
        command.args(words).env("HOME", self.stage.home("cli")).env("BERTH_IMAGES", &self.images);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }
}

/// Bytes of an image, as the store has it.
fn size(desk: &Desk<'_>, name: &str) -> anyhow::Result<u64> {
    let said = desk.berth.reads(&["inspect", "-f", "{{.Size}}", name])?;
    Ok(String::from_utf8(said)?.trim().parse()?)
}

/// Everything that is listed is there, byte for byte.
fn whole(desk: &Desk<'_>) -> anyhow::Result<()> {
    if !desk.images.join("index.json").exists() {
        return Ok(());
    }
    desk.berth.run(&["images"])?;
    let index: Value = serde_json::from_slice(&fs::read(desk.images.join("index.json"))?)?;
    for entry in index["manifests"].as_array().into_iter().flatten() {
        check(&desk.images, entry)?;
    }
    Ok(())
}

/// A blob has its digest, and so has everything that it names.
fn check(images: &Path, descriptor: &Value) -> anyhow::Result<()> {
    let digest = descriptor["digest"].as_str().context("a digest")?;
    let hex = digest.strip_prefix("sha256:").context("sha256")?;
    let bytes =
        fs::read(images.join("blobs/sha256").join(hex)).with_context(|| format!("{digest} is missing"))?;
    ensure!(super::super::images::hex(&bytes) == hex, "{digest} is damaged");
    let Ok(document) = serde_json::from_slice::<Value>(&bytes) else { return Ok(()) };
    let layers = document["layers"].as_array().into_iter().flatten();
    layers
        .chain([&document["config"]])
        .filter(|part| part["digest"].is_string())
        .try_for_each(|part| check(images, part))
}

fn largest(images: &Path) -> anyhow::Result<std::path::PathBuf> {
    let files = fs::read_dir(images.join("blobs/sha256"))?.map(|file| Ok(file?.path()));
    let files = files.collect::<Result<Vec<_>, std::io::Error>>()?;
    files.into_iter().max_by_key(|file| fs::metadata(file).map_or(0, |file| file.len())).context("no blobs")
}
