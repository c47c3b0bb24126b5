//! docker, containerd and podman, configured as `berth mirror client-config` says, and as people do it otherwise.

use std::fs;

use anyhow::{Context as _, ensure};
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

/// What a person is told to write into the client's configuration.
fn printed(harbor: &Harbor<'_>, client: &str) -> anyhow::Result<String> {
    let server = harbor.server.address().to_string();
    let lines = harbor.berth.reads(&["mirror", "client-config", client, "--server", &server])?;
    Ok(String::from_utf8(lines)?)
}

/// dockerd with `registry-mirrors`.
pub(super) fn docker(harbor: &Harbor<'_>) -> anyhow::Result<()> {
    let stage = harbor.stage;
    if !stage.has("docker", &["dockerd", "docker", "containerd", "runc"]) {
        return Ok(());
    }
    let printed = printed(harbor, "docker")?;
    let engine = match Engine::start_with(&stage.home("mirror/docker"), &printed) {
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
    let own = |url: String, path_is_root: bool| {
        format!(
            "server = \"http://{NOWHERE}\"\n[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  \
             override_path = {path_is_root}\n"
        )
    };
    for (title, hosts) in [
        ("as it is told to", told_hosts(&printed(harbor, "containerd")?, "quay.io")?),
        ("on the open listener", own(format!("http://{}", harbor.open), false)),
        ("below a path", own(format!("http://{main}/quay.io"), false)),
        ("with override_path", own(format!("http://{main}/v2/quay.io"), true)),
    ] {
        stage.step("containerd", &format!("pulls through the mirror {title}"), || {
            let folder = stage.home("mirror/hosts");
            fs::create_dir_all(folder.join("quay.io"))?;
            fs::write(folder.join("quay.io/hosts.toml"), hosts)?;
            let pull = ["images", "pull", "--hosts-dir", &folder.to_string_lossy(), &image];
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

/// The lines for the `hosts.toml` of one registry among those that were printed.
fn told_hosts(printed: &str, host: &str) -> anyhow::Result<String> {
    let mut lines = printed.lines().skip_while(|line| !line.ends_with(&format!("/{host}/hosts.toml")));
    lines.next().with_context(|| format!("no hosts.toml of {host} in {printed}"))?;
    Ok(lines.take_while(|line| !line.ends_with("/hosts.toml")).map(|line| format!("{line}\n")).collect())
}

/// podman with a mirror in `registries.conf`, which rewrites names.
pub(super) fn podman(harbor: &Harbor<'_>) -> anyhow::Result<()> {
    let stage = harbor.stage;
    if !stage.has("podman", &["podman"]) {
        return Ok(());
    }
    let store = Store::new(stage, "mirror/podman")?;
    let config = stage.home("mirror/registries.conf");
    fs::write(&config, printed(harbor, "podman")?)?;
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_lines_of_one_registry_are_found() {
        let printed =
            "# once\n# /etc/a.test/hosts.toml\nserver = 1\n\n# /etc/b.test/hosts.toml\nserver = 2\n";
        assert_eq!(super::told_hosts(printed, "a.test").unwrap(), "server = 1\n\n");
        assert_eq!(super::told_hosts(printed, "b.test").unwrap(), "server = 2\n");
        assert!(super::told_hosts(printed, "c.test").is_err());
    }
}
