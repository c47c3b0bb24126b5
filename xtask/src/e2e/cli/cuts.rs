//! What goes wrong on the way: cuts, wrong bytes, many at a time. The store is never broken, nothing half is listed, and the
//! next try goes on. Kills, damage and full disks are in the yard.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{Client, Desk, NAME};
use crate::fault::{Fault, On, Place, Proxy, blob_bytes};

/// Runs the steps.
pub(super) fn run(desk: &Desk<'_>) -> anyhow::Result<()> {
    let proxy = Proxy::start(desk.stage.wire.address())?;
    let name = format!("{}/cuts/app:1", proxy.address());
    desk.berth.run(&["copy", &desk.layout("app"), &desk.remote("cuts/app:1")])?;
    cuts(desk, &proxy, &name)?;
    many(desk, &name)?;
    folders(desk, &name)
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

fn folders(desk: &Desk<'_>, name: &str) -> anyhow::Result<()> {
    let home = desk.stage.home("cli-disk");
    let berth = Client::new(desk.stage.program.file(), &home)?;
    desk.stage.step(NAME, "a folder that is none is told", || {
        fs::write(home.join("file"), "x")?;
        let berth = berth.clone().env("BERTH_IMAGES", home.join("file/images"));
        berth.refuses(&["pull", name], "BERTH_IMAGES")?;
        Ok(())
    });
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
