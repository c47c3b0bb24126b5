//! docker, containerd and podman, configured as their manuals say for a mirror.

use std::fs;
use std::path::PathBuf;

use anyhow::ensure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{BARE, GUARDED, HUB_PASSWORD, Harbor, nothing_fetched};
use crate::e2e::client::Client;
use crate::e2e::daemon::{Containerd, Engine};
use crate::e2e::docker;
use crate::e2e::images::GREETING;
use crate::e2e::podman::Store;
use crate::fault::{self, Kind};

/// Where a client looks when the mirror fails: nobody is there, so that no test leaves this machine.
const NOWHERE: &str = "127.0.0.1:1";

/// A login at Docker Hub as docker keeps and sends it.
pub(super) fn hub_login() -> String {
    STANDARD.encode(format!("somebody:{HUB_PASSWORD}"))
}

/// dockerd with `--registry-mirror`.
pub(super) fn docker(harbor: &Harbor<'_>) -> anyhow::Result<()> {
    let stage = harbor.stage;
    if !stage.has("docker", &["dockerd", "docker", "containerd", "runc"]) {
        return Ok(());
    }
    let mirror = format!("--registry-mirror=http://{}", harbor.open);
    let engine = match Engine::start_with(&stage.home("mirror/docker"), &[&mirror]) {
        Ok(engine) => engine,
        Err(error) => {
            stage.absent("docker", &format!("no private engine: {error:#}"));
            return Ok(());
        }
    };
    let home = stage.home("mirror/docker-home");
    let docker = Client::new("docker", &home)?.env("DOCKER_HOST", engine.host());
    let image = format!("{BARE}:app");
    stage.step("docker", "a bare name comes from the mirror, and runs", || {
        let mark = harbor.hub.proxy.mark();
        let said = docker.run(&["pull", &image])?;
        let found = docker::digest(&said)?;
        ensure!(found == stage.images.app, "the image is {found}, not {}", stage.images.app);
        docker.says(&["run", "--rm", "--network=none", &image], GREETING)?;
        ensure!(
            fault::count(&harbor.hub.proxy.since(mark), "HEAD", Kind::Manifest) > 0,
            "it came from elsewhere"
        );
        docker.says(&["pull", &format!("{BARE}@{}", stage.images.app)], &stage.images.app)?;
        nothing_fetched(&harbor.hub.proxy, mark)
    });
    stage.step("docker", "somebody's login at Docker Hub goes nowhere", || {
        let login = json!({ "auths": { "https://index.docker.io/v1/": { "auth": hub_login() } } });
        fs::create_dir_all(home.join(".docker"))?;
        fs::write(home.join(".docker/config.json"), login.to_string())?;
        docker::remove_all(&docker)?;
        let mark = harbor.hub.proxy.mark();
        docker.says(&["pull", &image], &stage.images.app)?;
        let asked = harbor.hub.proxy.since(mark);
        ensure!(asked.iter().all(|asked| asked.authorization.is_none()), "the upstream was told a name");
        Ok(())
    });
    stage.step("docker", "a known name is pulled while the upstream is away", || {
        docker::remove_all(&docker)?;
        harbor.hub.proxy.go_away();
        let pulled = docker.says(&["pull", &image], &stage.images.app);
        harbor.hub.proxy.come_back()?;
        pulled.map(drop)
    });
    Ok(())
}

/// `ctr` with a folder of `hosts.toml`.
pub(super) fn containerd(harbor: &Harbor<'_>) -> anyhow::Result<()> {
    let stage = harbor.stage;
    if !stage.has("containerd", &["containerd", "ctr"]) {
        return Ok(());
    }
    let daemon = match Containerd::start(&stage.home("mirror/containerd")) {
        Ok(daemon) => daemon,
        Err(error) => {
            stage.absent("containerd", &format!("no private containerd: {error:#}"));
            return Ok(());
        }
    };
    let ctr = Client::new("ctr", &stage.home("mirror/ctr"))?.fixed("--address").fixed(daemon.socket());
    let main = harbor.server.address();
    let image = format!("quay.io/{GUARDED}:app");
    for (title, url, path_is_root) in [
        ("by ns", format!("http://{main}"), false),
        ("by ns on the open listener", format!("http://{}", harbor.open), false),
        ("below a path", format!("http://{main}/quay.io"), false),
        ("with override_path", format!("http://{main}/v2/quay.io"), true),
    ] {
        stage.step("containerd", &format!("pulls through the mirror {title}"), || {
            let hosts = hosts(harbor, "quay.io", &url, path_is_root)?;
            let pull = ["images", "pull", "--hosts-dir", &hosts.to_string_lossy(), &image];
            ctr.run(&pull)?;
            ctr.says(&["images", "ls"], &stage.images.app)?;
            ctr.run(&["images", "rm", "--sync", &image])?;
            let mark = harbor.quay.proxy.mark();
            ctr.run(&pull)?;
            ctr.run(&["images", "rm", "--sync", &image])?;
            nothing_fetched(&harbor.quay.proxy, mark)
        });
    }
    Ok(())
}

/// A folder for `--hosts-dir` that sends this host's images to the mirror.
fn hosts(harbor: &Harbor<'_>, host: &str, url: &str, path_is_root: bool) -> anyhow::Result<PathBuf> {
    let folder = harbor.stage.home("mirror/hosts");
    fs::create_dir_all(folder.join(host))?;
    let text = format!(
        "server = \"http://{NOWHERE}\"\n[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  \
         override_path = {path_is_root}\n"
    );
    fs::write(folder.join(host).join("hosts.toml"), text)?;
    Ok(folder)
}

/// podman with a mirror in `registries.conf`, which rewrites names.
pub(super) fn podman(harbor: &Harbor<'_>) -> anyhow::Result<()> {
    let stage = harbor.stage;
    if !stage.has("podman", &["podman"]) {
        return Ok(());
    }
    let store = Store::new(stage, "mirror/podman")?;
    let config = stage.home("mirror/registries.conf");
    let text = format!(
        "[[registry]]\nprefix = \"docker.io\"\nlocation = \"{NOWHERE}\"\ninsecure = true\n\
         [[registry.mirror]]\nlocation = \"{}/docker.io\"\ninsecure = true\n",
        harbor.server.address()
    );
    fs::write(&config, text)?;
    let podman = store.client("podman")?.env("CONTAINERS_REGISTRIES_CONF", &config);
    stage.step("podman", "a name of Docker Hub comes from the mirror", || {
        let mark = harbor.hub.proxy.mark();
        let image = format!("docker.io/library/{BARE}:app");
        podman.run(&["pull", &image])?;
        let found = podman.run(&["image", "inspect", "--format", "{{.Digest}}", &image])?;
        ensure!(found.trim() == stage.images.app, "the image is {found}, not {}", stage.images.app);
        ensure!(harbor.hub.proxy.mark() > mark, "it came from elsewhere");
        nothing_fetched(&harbor.hub.proxy, mark)
    });
    Ok(())
}
