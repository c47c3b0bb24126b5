//! podman and buildah: images made without a daemon, pushed, pulled and run; lists of platforms.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::ensure;

use super::client::Client;
use super::images::{self, GREETING, LAYER};
use super::stage::Stage;
use super::wire;

/// How an image is run. The limits that podman sets by default need a right that root does not have everywhere.
pub(super) const RUN: [&str; 7] = [
    "run",
    "--rm",
    "--network=none",
    "--runtime=runc",
    "--log-driver=none",
    "--ulimit=nofile=256:256",
    "--ulimit=nproc=1000:1000",
];

/// Runs the steps of both clients.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if stage.has("podman", &["podman", "runc"]) {
        let store = Store::new(stage, "podman")?;
        podman(stage, &store.client("podman")?);
    }
    if stage.has("buildah", &["buildah"]) {
        let store = Store::new(stage, "buildah")?;
        buildah(stage, &store.client("buildah")?);
    }
    Ok(())
}

/// An image store that no other client uses.
pub(super) struct Store {
    home: PathBuf,
    // Paths of a runroot have at most 50 characters, hence not below the target folder.
    runroot: tempfile::TempDir,
}

impl Store {
    /// A store with this name.
    pub(super) fn new(stage: &Stage, name: &str) -> anyhow::Result<Store> {
        Ok(Store { home: stage.home(name), runroot: tempfile::tempdir()? })
    }

    /// A client with this store.
    pub(super) fn client(&self, program: &'static str) -> anyhow::Result<Client> {
        let client = Client::new(program, &self.home)?.fixed("--root").fixed(self.home.join("root"));
        Ok(client.fixed("--runroot").fixed(self.runroot.path()))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The store mounts its folder on itself and leaves it so; it may also never have been mounted.
        let _ = Command::new("umount").arg(self.home.join("root/overlay")).stderr(Stdio::null()).status();
    }
}

fn podman(stage: &Stage, podman: &Client) {
    let name = format!("{}/podman/app:1.0", stage.registry());
    let client = "podman";
    stage.step(client, "builds an image and pushes it", || {
        podman.run(&["build", "--tag", &name, &stage.images.context.to_string_lossy()])?;
        podman.run(&["push", "--tls-verify=false", &name])?;
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent > 2 * LAYER as u64, "only {sent} bytes were uploaded");
        Ok(())
    });
    stage.step(client, "a second push uploads no layer", || {
        podman.run(&["push", "--tls-verify=false", &name])?;
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent < 4096, "{sent} bytes were uploaded again");
        Ok(())
    });
    stage.step(client, "an image that was removed is pulled and runs", || {
        podman.run(&["rmi", "--all", "--force"])?;
        stage.wire.take();
        podman.run(&["pull", "--tls-verify=false", &name])?;
        let blobs = wire::count(&stage.wire.take(), "GET", "/blobs/", 200);
        ensure!(blobs == 4, "the config and three layers are 4 blobs, {blobs} were pulled");
        podman.says(&[&RUN[..], &[name.as_str()]].concat(), GREETING)?;
        Ok(())
    });
    stage.step(client, "search lists the tags", || {
        let repository = format!("{}/podman/app", stage.registry());
        podman.says(&["search", "--tls-verify=false", "--list-tags", &repository], "1.0")?;
        Ok(())
    });
}

fn buildah(stage: &Stage, buildah: &Client) {
    let client = "buildah";
    let name = |tag: &str| format!("{}/buildah/app:{tag}", stage.registry());
    stage.step(client, "builds from scratch and pushes each platform", || {
        for (platform, seed) in [("amd64", 41), ("arm64", 42)] {
            let file = stage.home(client).join(platform);
            std::fs::write(&file, images::noise(seed, LAYER))?;
            let container = buildah.run(&["from", "--arch", platform, "scratch"])?;
            let container = container.trim();
            buildah.run(&["copy", container, &file.to_string_lossy(), "/data"])?;
            buildah.run(&["config", "--arch", platform, "--entrypoint", "[\"/data\"]", container])?;
            buildah.run(&["commit", "--quiet", container, &name(platform)])?;
            buildah.run(&["push", "--tls-verify=false", &name(platform)])?;
        }
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent > 2 * LAYER as u64, "only {sent} bytes were uploaded");
        Ok(())
    });
    stage.step(client, "manifest push --all makes an index, without another upload of layers", || {
        let list = name("both");
        buildah.run(&["manifest", "create", &list])?;
        for platform in ["amd64", "arm64"] {
            buildah.run(&["manifest", "add", &list, &name(platform)])?;
        }
        let target = format!("docker://{list}");
        buildah.run(&["manifest", "push", "--all", "--tls-verify=false", &list, &target])?;
        let seen = stage.wire.take();
        let (sent, manifests) = (wire::blob_bytes(&seen), wire::count(&seen, "PUT", "/manifests/", 201));
        ensure!(sent < 8192, "{sent} bytes were uploaded again");
        ensure!(manifests == 3, "two platforms and the index are 3 manifests, {manifests} were pushed");
        Ok(())
    });
    stage.step(client, "pulls the index that it pushed", || {
        buildah.run(&["rm", "--all"])?;
        buildah.run(&["rmi", "--all", "--force"])?;
        stage.wire.take();
        buildah.run(&["pull", "--tls-verify=false", &name("both")])?;
        let blobs = wire::count(&stage.wire.take(), "GET", "/blobs/", 200);
        ensure!(blobs == 2, "one platform has 2 blobs, {blobs} were pulled");
        Ok(())
    });
}
