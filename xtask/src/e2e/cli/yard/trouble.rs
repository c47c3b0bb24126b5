//! What goes wrong at a registry and on the disk: one sentence, the exit code 1, and nothing half is listed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::{Client, NAME, Yard, desk, kills};
use crate::e2e::wire::{self, Cut, Flow};
use crate::fault::{self, Fault, On};
use crate::mirror::images::Image;
use crate::random::Random;

/// Bytes of the only layer.
const LAYER: usize = 8 << 20;

/// An image at the registry behind the proxy, and a person who wants it.
struct Trouble<'a> {
    yard: &'a Yard<'a>,
    berth: Client,
    home: PathBuf,
    image: Image,
    /// What it is called at the proxy that misbehaves.
    name: String,
}

/// Runs the steps.
pub(super) fn run(yard: &Yard<'_>) -> anyhow::Result<()> {
    let image = Image::of(vec![Random::new(8).bytes(LAYER)], &mut Random::new(9));
    let server = yard.other.server.address();
    image.push(server, "trouble/app", "1")?;
    let home = yard.place("trouble");
    let name = format!("{}/trouble/app:1", yard.other.proxy.address());
    let trouble = Trouble { yard, berth: desk(yard.stage, "trouble")?, home, image, name };
    trouble.names();
    trouble.answers();
    trouble.cut();
    trouble.damage();
    trouble.disk();
    Ok(())
}

impl Trouble<'_> {
    /// The pull fails as told, and lists nothing.
    fn fails(&self, name: &str, expected: &[&str]) -> anyhow::Result<()> {
        self.berth.fails(&["pull", name], 1, expected)?;
        let listed = self.berth.run(&["images", "--quiet"])?;
        ensure!(listed.is_empty(), "{listed} is listed");
        Ok(())
    }

    fn clear(&self) {
        // It may not be there yet.
        drop(fs::remove_dir_all(self.home.join("images")));
    }

    fn names(&self) {
        self.yard.step("names of nothing are told as such", || {
            let host = self.yard.other.server.address();
            for name in [format!("{host}/trouble/app:2"), format!("{host}/no/such:1")] {
                let words = format!("manifest for {name} not found: manifest unknown");
                self.fails(&name, &[&words, "hint: "])?;
            }
            let port = crate::server::free_port()?;
            self.fails(&format!("127.0.0.1:{port}/app"), &["connection refused", "hint: see whether"])?;
            self.fails("nobody.invalid/app", &["no such host", "hint: see whether"])?;
            self.fails("host/UPPER", &["invalid reference format", "lower case", "hint: "])?;
            self.berth.fails(
                &["push", &format!("{host}/not/here:1")],
                1,
                &["An image does not exist locally with the tag: ", "hint: "],
            )?;
            self.berth.fails(&["push", "app"], 1, &["You cannot push a \"root\" repository", "hint: "])?;
            self.berth.fails(&["rmi", "nothing"], 1, &["No such image: nothing"])?;
            self.berth.fails(&["tag", "nothing", "x"], 1, &["No such image: nothing"])
        });
    }

    fn answers(&self) {
        self.yard.step("answers of a registry in trouble are told, and nothing half is listed", || {
            let proxy = &self.yard.other.proxy;
            let cases = [
                (On::Manifests, Fault::Flip, ""),
                (On::Manifests, Fault::Page, ""),
                (On::Manifests, Fault::OtherDigest, ""),
                (On::Everything, Fault::TooMany(1), "hint: try again"),
            ];
            for (on, fault, expected) in cases {
                self.clear();
                let which = format!("{on:?} {fault:?}");
                proxy.misbehave(on, &[fault]);
                let told = self.fails(&self.name, &["error: ", expected]);
                proxy.behave();
                told.with_context(|| which)?;
            }
            self.berth.says(&["pull", &self.name], &self.image.manifest.digest)?;
            kills::whole(&self.berth, &self.home.join("images"))
        });
    }

    fn cut(&self) {
        self.yard.step("a push that was cut goes on by itself", || {
            let wire = &self.yard.stage.wire;
            let layout = format!("oci:{}:unpushed", self.yard.stage.images.layout.display());
            let name = format!("{}/trouble/cut:1", wire.address());
            let told = format!("local:{name}");
            self.berth.run(&["copy", &layout, &told])?;
            wire.take();
            wire.cut(Cut { flow: Flow::Upload, after: 1 << 20 });
            self.berth.says(&["push", &name], ": Pushed")?;
            ensure!(wire.was_cut(), "the connection was never cut");
            let sent = wire::blob_bytes(&wire.take());
            ensure!(sent < 7 << 20, "{sent} bytes were sent for a layer of 4 MiB");
            Ok(())
        });
    }

    fn damage(&self) {
        self.yard.step("a layer that was damaged on the disk is told of, and the next pull mends it", || {
            let layer = &self.image.blobs[1];
            let path = self.home.join("images/blobs/sha256").join(layer.digest.trim_start_matches("sha256:"));
            let target = format!("{}/trouble/damaged:1", self.yard.stage.registry());
            let place = format!("local:{}", self.name);
            for command in [
                &["save", "-o", "damaged.tar", &self.name][..],
                &["push", &target],
                &["copy", &place, &target],
                &["copy", &place, "oci:damaged:x"],
            ] {
                self.berth.run(&["pull", &self.name])?;
                self.berth.run(&["tag", &self.name, &target])?;
                let mut bytes = fs::read(&path)?;
                bytes[LAYER / 2] ^= 1;
                fs::write(&path, bytes)?;
                self.berth.fails(
                    command,
                    1,
                    &[&layer.digest, "is damaged on the disk; pull the image again"],
                )?;
                self.berth.says(&["pull", &self.name], "Pull complete")?;
                kills::whole(&self.berth, &self.home.join("images"))?;
            }
            Ok(())
        });
    }

    fn disk(&self) {
        let folder = self.home.join("disk");
        let disk = match Disk::mount(&folder, "6m") {
            Ok(disk) => disk,
            Err(error) => return self.yard.stage.absent(NAME, &format!("no small disk: {error:#}")),
        };
        let images = folder.join("images");
        let berth = self.berth.clone().env("BERTH_IMAGES", &images);
        self.yard.step("a full disk is told of, and the next pull goes on", || {
            for command in [&["pull", &self.name][..], &["copy", &self.name, "oci:disk/layout:x"]] {
                berth.fails(command, 1, &["the disk of ", " is full; free space"])?;
                ensure!(berth.run(&["images", "--quiet"])?.is_empty(), "half of an image is listed");
                drop(fs::remove_dir_all(folder.join("layout")));
            }
            disk.remount("size=64m")?;
            let mark = self.yard.other.proxy.mark();
            berth.says(&["pull", &self.name], &self.image.manifest.digest)?;
            let bytes = fault::blob_bytes(&self.yard.other.proxy.since(mark));
            ensure!(bytes < (LAYER / 2) as u64, "{bytes} bytes of {LAYER} came again");
            kills::whole(&berth, &images)
        });
        self.yard.step("a disk that may only be read is told of, and what is there can be read", || {
            disk.remount("ro")?;
            for command in [&["rmi", &self.name][..], &["tag", &self.name, "x"], &["pull", &self.name]] {
                berth.fails(
                    command,
                    1,
                    &["cannot be written", "make it writable or choose another folder"],
                )?;
            }
            berth.says(&["images"], "trouble/app")?;
            berth.says(&["inspect", "-f", "{{.Id}}", &self.name], "sha256:")?;
            Ok(())
        });
    }
}

/// A small file system in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path, size: &str) -> anyhow::Result<Disk> {
        fs::create_dir_all(folder)?;
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "none", &folder.to_string_lossy()])?;
        Ok(Disk(folder.to_owned()))
    }

    fn remount(&self, how: &str) -> anyhow::Result<()> {
        mount(&["-o", &format!("remount,{how}"), &self.0.to_string_lossy()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is left is below the folder of this run, and in memory.
        let _ = Command::new("umount").arg(&self.0).stderr(Stdio::null()).status();
    }
}

fn mount(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("mount").args(arguments).output()?;
    ensure!(output.status.success(), "mount: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
