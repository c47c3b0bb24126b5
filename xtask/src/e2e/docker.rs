//! The docker engine: build, push, mount, pull and run, names, and connections that break.

use std::path::Path;

use anyhow::{Context as _, ensure};

use super::client::Client;
use super::daemon::Engine;
use super::images::{GREETING, LAYER};
use super::stage::Stage;
use super::wire::{self, Cut, Flow};

const NAME: &str = "docker";

/// Names that people use with private registries.
const NAMES: [&str; 5] = [
    "cc-hello-world",
    "jackpler/my-image:v1.1",
    "quay.io/example/app-operator:1.9.2",
    "docker.io/library/deep",
    "a/b-c/d_e/f.g/h/i/j/k:T_1.x-y",
];

/// Runs the steps of this client.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if !stage.has(NAME, &["dockerd", "docker", "containerd", "runc"]) {
        return Ok(());
    }
    let engine = match Engine::start(&stage.home(NAME)) {
        Ok(engine) => engine,
        Err(error) => {
            stage.absent(NAME, &format!("no private engine: {error:#}"));
            return Ok(());
        }
    };
    let docker = Client::new("docker", &stage.home("docker-home"))?
        .env("DOCKER_HOST", engine.host())
        .env("DOCKER_BUILDKIT", "0");
    first_push(stage, &docker);
    other_names(stage, &docker);
    pull_and_run(stage, &docker);
    broken_connections(stage, &docker);
    Ok(())
}

fn first_push(stage: &Stage, docker: &Client) {
    let app = format!("{}/my-fancy-app", stage.registry());
    stage.step(NAME, "build and push an image", || {
        docker.run(&["build", "-t", &format!("{app}:1.0.0"), &stage.images.context.to_string_lossy()])?;
        docker.says(&["push", &format!("{app}:1.0.0")], "Pushed")?;
        let sent = wire::blob_bytes(&stage.wire.take());
        let most = 2 * LAYER as u64 + (2 << 20);
        ensure!(
            (2 * LAYER as u64..most).contains(&sent),
            "{sent} bytes were uploaded, a layer twice or not at all"
        );
        Ok(())
    });
    stage.step(NAME, "a second push says that layers exist", || {
        docker.says(&["push", &format!("{app}:1.0.0")], "Layer already exists")?;
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent == 0, "{sent} bytes were uploaded again");
        Ok(())
    });
    stage.step(NAME, "a push to another repository mounts", || {
        let other = format!("{}/team/app:1.0.0", stage.registry());
        docker.run(&["tag", &format!("{app}:1.0.0"), &other])?;
        docker.says(&["push", &other], "Mounted from my-fancy-app")?;
        let seen = stage.wire.take();
        let sent = wire::blob_bytes(&seen);
        ensure!(wire::count(&seen, "POST", "mount=", 201) >= 3, "not each layer was mounted");
        ensure!(sent < 4096, "{sent} bytes were uploaded beside the mounts: more than a config");
        Ok(())
    });
    stage.step(NAME, "no tag means latest", || {
        docker.run(&["tag", &format!("{app}:1.0.0"), &app])?;
        docker.says(&["push", &app], "latest: digest: sha256:")?;
        Ok(())
    });
}

fn other_names(stage: &Stage, docker: &Client) {
    stage.step(NAME, "each name gives the same digest", || {
        let source = format!("{}/my-fancy-app:1.0.0", stage.registry());
        let first = digest(&docker.run(&["push", &source])?)?;
        let localhost = format!("localhost:{}", stage.wire.address().port());
        let registries = [stage.registry(), localhost];
        for name in NAMES.iter().flat_map(|name| registries.iter().map(move |host| format!("{host}/{name}")))
        {
            docker.run(&["tag", &source, &name])?;
            let pushed = digest(&docker.run(&["push", &name])?)?;
            ensure!(pushed == first, "{name} got {pushed}, not {first}");
            docker.run(&["image", "rm", &name])?;
            let pulled = digest(&docker.run(&["pull", &name])?)?;
            ensure!(pulled == first, "{name} came back as {pulled}, not {first}");
        }
        Ok(())
    });
}

fn pull_and_run(stage: &Stage, docker: &Client) {
    let app = format!("{}/my-fancy-app", stage.registry());
    stage.step(NAME, "an image that was removed is pulled and runs", || {
        let digest = digest(&docker.run(&["push", &format!("{app}:1.0.0")])?)?;
        remove_all(docker)?;
        stage.wire.take();
        docker.says(&["pull", &format!("{app}:1.0.0")], &digest)?;
        let blobs = wire::count(&stage.wire.take(), "GET", "/blobs/", 200);
        ensure!(blobs == 4, "the config and three layers are 4 blobs, {blobs} were pulled");
        docker.says(&["run", "--rm", "--network=none", &format!("{app}:1.0.0")], GREETING)?;
        remove_all(docker)?;
        docker.says(&["pull", &format!("{app}@{digest}")], &digest)?;
        Ok(())
    });
    stage.step(NAME, "pull --all-tags brings each tag", || {
        let said = docker.run(&["pull", "--all-tags", &app])?;
        ensure!(
            said.contains("1.0.0: Pulling") && said.contains("latest: Pulling"),
            "tags are missing: {said}"
        );
        Ok(())
    });
    stage.step(NAME, "what is missing is told as missing", || {
        docker.refuses(&["pull", &format!("{app}:no-such-tag")], "manifest unknown")?;
        let nowhere = format!("{}/no/such/repository", stage.registry());
        docker.refuses(&["pull", &nowhere], "not found")
    });
}

fn broken_connections(stage: &Stage, docker: &Client) {
    let app = format!("{}/my-fancy-app:1.0.0", stage.registry());
    stage.step(NAME, "a pull that was cut goes on where it stopped", || {
        remove_all(docker)?;
        stage.wire.take();
        stage.wire.cut(Cut { flow: Flow::Blob, after: 1 << 20 });
        docker.run(&["pull", &app])?;
        ensure!(stage.wire.was_cut(), "the connection was never cut");
        let seen = stage.wire.take();
        let resumed = seen.iter().find(|exchange| exchange.range.is_some()).context("nothing was resumed")?;
        ensure!(resumed.status == 206, "the answer to the Range was {}", resumed.status);
        docker.says(&["run", "--rm", "--network=none", &app], GREETING)?;
        Ok(())
    });
    stage.step(NAME, "a push that was cut is repeated and is whole", || {
        let fresh = stage.home("docker-fresh");
        fresh_context(&stage.images.context, &fresh)?;
        let name = format!("{}/cut/app:1", stage.registry());
        docker.run(&["build", "-t", &name, &fresh.to_string_lossy()])?;
        stage.wire.cut(Cut { flow: Flow::Upload, after: 1 << 20 });
        docker.run(&["push", &name])?;
        ensure!(stage.wire.was_cut(), "the connection was never cut");
        remove_all(docker)?;
        docker.run(&["pull", &name])?;
        docker.says(&["run", "--rm", "--network=none", &name], GREETING)?;
        Ok(())
    });
}

/// A build context with a layer that the registry has never seen.
fn fresh_context(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for file in ["Dockerfile", "hello", "first"] {
        std::fs::copy(from.join(file), to.join(file))?;
    }
    std::fs::write(to.join("second"), super::images::noise(77, LAYER))?;
    Ok(())
}

/// Removes every local image, so that the next pull has something to do.
pub(super) fn remove_all(docker: &Client) -> anyhow::Result<()> {
    let listed = docker.run(&["image", "ls", "--quiet"])?;
    let mut ids: Vec<_> = listed.lines().collect();
    ids.sort_unstable();
    ids.dedup();
    if !ids.is_empty() {
        docker.run(&[["image", "rm", "--force"].as_slice(), &ids].concat())?;
    }
    // Also what `build` left behind.
    docker.run(&["system", "prune", "--all", "--force"])?;
    Ok(())
}

/// The digest in the answer of a push (`digest: D size: N`) or a pull (`Digest: D`).
pub(super) fn digest(said: &str) -> anyhow::Result<String> {
    let rest = said.split("igest: ").nth(1).with_context(|| format!("no digest was printed: {said}"))?;
    Ok(rest.split_whitespace().next().unwrap_or_default().to_owned())
}
