//! podman and buildah: images made without a daemon, pushed, pulled and run; lists of platforms.

use std::path::Path;

use anyhow::ensure;

use super::client::Client;
use super::images::{self, GREETING, LAYER};
use super::stage::Stage;
use super::wire;

/// Runs the steps of both clients.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    // Paths of a runroot have at most 50 characters, hence not below the target folder.
    let runroot = tempfile::tempdir()?;
    if stage.has("podman", &["podman", "crun"]) {
        podman(stage, &private(stage, "podman", runroot.path())?);
    }
    if stage.has("buildah", &["buildah"]) {
        buildah(stage, &private(stage, "buildah", runroot.path())?);
    }
    Ok(())
}

/// A client with an image store of its own.
fn private(stage: &Stage, program: &'static str, runroot: &Path) -> anyhow::Result<Client> {
    let home = stage.home(program);
    let client = Client::new(program, &home)?;
    Ok(client.fixed("--root").fixed(home.join("root")).fixed("--runroot").fixed(runroot.join(program)))
}

fn podman(stage: &Stage, podman: &Client) {
    let name = format!("{}/podman/app:1.0", stage.registry());
    let client = "podman";
    stage.step(client, "pulls from a layout and pushes", || {
        let source = format!("oci:{}:app", stage.images.layout.display());
        let id = podman.run(&["pull", "--quiet", &source])?;
        podman.run(&["tag", id.trim(), &name])?;
        podman.run(&["push", "--tls-verify=false", &name])?;
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent > 0, "nothing was uploaded: the step is void");
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
        ensure!(blobs == 3, "the config and two layers are 3 blobs, {blobs} were pulled");
        let options =
            ["run", "--rm", "--network=none", "--cgroups=disabled", "--runtime=crun", "--log-driver=none"];
        podman.says(&[options.as_slice(), &[name.as_str()]].concat(), GREETING)?;
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
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent < 8192, "{sent} bytes were uploaded again");
        let said = buildah.run(&["manifest", "inspect", "--tls-verify=false", &list])?;
        ensure!(said.contains("amd64") && said.contains("arm64"), "a platform is missing: {said}");
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
