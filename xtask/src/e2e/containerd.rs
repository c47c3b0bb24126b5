//! containerd's `ctr`: push, mount, pull, all platforms, and a pull that breaks.

use anyhow::{Context as _, ensure};

use super::client::Client;
use super::daemon::Containerd;
use super::images::{LAYER, PLATFORMS};
use super::stage::Stage;
use super::wire::{self, Cut, Flow};

const NAME: &str = "containerd";

/// Runs the steps of this client.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if !stage.has(NAME, &["containerd", "ctr"]) {
        return Ok(());
    }
    let containerd = match Containerd::start(&stage.home(NAME)) {
        Ok(containerd) => containerd,
        Err(error) => {
            stage.absent(NAME, &format!("no private containerd: {error:#}"));
            return Ok(());
        }
    };
    let ctr = Client::new("ctr", &stage.home("ctr-home"))?.fixed("--address").fixed(containerd.socket());
    push(stage, &ctr);
    pull(stage, &ctr);
    Ok(())
}

fn push(stage: &Stage, ctr: &Client) {
    let base = format!("{}/ctr/app", stage.registry());
    let app = format!("{base}:app");
    stage.step(NAME, "import and push an image", || {
        let archive = stage.images.archive.to_string_lossy();
        ctr.run(&["images", "import", "--base-name", &base, &archive])?;
        ctr.run(&["images", "push", "--plain-http", &app])?;
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent > 2 * LAYER as u64, "only {sent} bytes were uploaded");
        Ok(())
    });
    stage.step(NAME, "a second push uploads no blob", || {
        ctr.run(&["images", "push", "--plain-http", &app])?;
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent == 0, "{sent} bytes were uploaded again");
        Ok(())
    });
    stage.step(NAME, "an image that was removed is pulled with the same digest", || {
        ctr.run(&["images", "rm", "--sync", &app])?;
        stage.wire.take();
        ctr.run(&["images", "pull", "--plain-http", &app])?;
        let blobs = wire::count(&stage.wire.take(), "GET", "/blobs/", 200);
        ensure!(blobs == 3, "the config and two layers are 3 blobs, {blobs} were pulled");
        ctr.says(&["images", "ls"], &stage.images.app)?;
        Ok(())
    });
    stage.step(NAME, "what was pulled is mounted into another repository", || {
        let other = format!("{}/ctr/other/app:1", stage.registry());
        ctr.run(&["images", "tag", &app, &other])?;
        ctr.run(&["images", "push", "--plain-http", &other])?;
        let seen = stage.wire.take();
        ensure!(wire::count(&seen, "POST", "mount=", 201) >= 2, "no mount was answered 201");
        ensure!(wire::blob_bytes(&seen) == 0, "bytes were uploaded beside the mounts");
        Ok(())
    });
}

fn pull(stage: &Stage, ctr: &Client) {
    let app = format!("{}/ctr/app:app", stage.registry());
    stage.step(NAME, "a pull that was cut goes on where it stopped", || {
        let other = format!("{}/ctr/other/app:1", stage.registry());
        ctr.run(&["images", "rm", "--sync", &app, &other])?;
        stage.wire.take();
        stage.wire.cut(Cut { flow: Flow::Blob, after: 1 << 20 });
        ctr.run(&["images", "pull", "--plain-http", &app])?;
        ensure!(stage.wire.was_cut(), "the connection was never cut");
        let seen = stage.wire.take();
        let resumed = seen.iter().find(|exchange| exchange.range.is_some()).context("nothing was resumed")?;
        ensure!(resumed.status == 206, "the answer to the Range was {}", resumed.status);
        ctr.says(&["images", "ls"], &stage.images.app)?;
        Ok(())
    });
    stage.step(NAME, "an index is pulled and pushed with all platforms", || {
        let multi = format!("{}/ctr/multi:1", stage.registry());
        let skopeo = Client::new("skopeo", &stage.home("ctr-skopeo"))?;
        let source = format!("oci:{}:multi", stage.images.layout.display());
        let target = format!("docker://{multi}");
        skopeo.run(&["copy", "--all", "--dest-tls-verify=false", &source, &target])?;
        ctr.run(&["images", "pull", "--plain-http", "--all-platforms", &multi])?;
        let copy = format!("{}/ctr/multi/copy:1", stage.registry());
        ctr.run(&["images", "tag", &multi, &copy])?;
        stage.wire.take();
        ctr.run(&["images", "push", "--plain-http", &copy])?;
        let pushed = wire::count(&stage.wire.take(), "PUT", "/manifests/", 201);
        ensure!(
            pushed == PLATFORMS.len() + 1,
            "each platform and the index are manifests, {pushed} were pushed"
        );
        Ok(())
    });
}
