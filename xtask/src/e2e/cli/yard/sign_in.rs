//! One sign-in for docker and berth, whoever made it, at registries of both kinds; mirrors that are a Berth.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::{Client, Yard, digest};
use crate::e2e::docker;
use crate::server::{Launch, Program, Server};
use crate::upstream::Upstream;

const ALICE: &str = "alice";
const PASSWORD: &str = "correct horse battery staple";

/// Runs the steps.
pub(super) fn run(yard: &Yard<'_>) -> anyhow::Result<()> {
    for (title, server) in [("docker-registry", guarded(yard)?), ("Berth", accounts(yard)?)] {
        shared(yard, title, &server)?;
        server.stop()?;
    }
    mirror(yard);
    Ok(())
}

/// Debian's `docker-registry`, which knows passwords and has no tokens.
fn guarded(yard: &Yard<'_>) -> anyhow::Result<Server> {
    let folder = yard.place("guarded");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("htpasswd"), format!("{ALICE}:{}\n", bcrypt::hash(PASSWORD, 4)?))?;
    let yaml = format!("auth:\n  htpasswd: {{realm: here, path: {:?}}}\n", folder.join("htpasswd"));
    let (data, log) = (folder.join("data"), folder.join("log"));
    Program::docker_registry().start(&Launch { data, log, yaml, ..Launch::default() })
}

/// Berth with accounts, which gives an identity token in place of the password.
fn accounts(yard: &Yard<'_>) -> anyhow::Result<Server> {
    let folder = yard.place("accounts");
    let (data, log) = (folder.join("data"), folder.join("log"));
    yard.stage.program.add_administrator(&data, ALICE, PASSWORD)?;
    yard.stage.program.start(&Launch { data, log, ..Launch::default() })
}

/// A home that both programs have.
struct Home {
    berth: Client,
    docker: Client,
}

impl Home {
    fn of(yard: &Yard<'_>, folder: &Path) -> anyhow::Result<Home> {
        Ok(Home {
            berth: super::desk_in(yard.stage.program.file(), folder)?,
            docker: Client::new("docker", folder)?.env("DOCKER_HOST", &yard.host),
        })
    }
}

fn shared(yard: &Yard<'_>, title: &str, server: &Server) -> anyhow::Result<()> {
    let host = server.address().to_string();
    let name = format!("{host}/{ALICE}/app:1");
    let login = ["login", "--username", ALICE, "--password-stdin", host.as_str()];
    let home = |who: &str| Home::of(yard, &yard.place(&format!("home-{title}-{who}")));
    let (by_berth, by_docker) = (home("berth")?, home("docker")?);
    yard.step(&format!("berth signs in at {title}, and docker may push there"), || {
        let (said, ended) = by_berth.berth.fed(PASSWORD, &login)?;
        ensure!(ended && said.contains("Login Succeeded") && !said.contains(PASSWORD), "{said}");
        yard.docker.run(&["build", "-t", &name, &yard.stage.images.context.to_string_lossy()])?;
        by_docker.docker.refuses(&["push", &name], "")?;
        by_berth.docker.run(&["push", &name])?;
        by_berth.docker.says(&["logout", &host], "Removing login credentials")?;
        by_berth.berth.fails(&["pull", &name], 1, &["pull access denied for ", "hint: "])
    });
    yard.step(&format!("docker signs in at {title}, and berth may pull and push there"), || {
        let (said, ended) = by_docker.docker.fed(PASSWORD, &login)?;
        ensure!(ended, "docker login: {said}");
        let pulled = digest(&by_docker.berth.run(&["pull", &name])?)?;
        let other = format!("{host}/{ALICE}/other:1");
        by_docker.berth.run(&["tag", &name, &other])?;
        by_docker.berth.says(&["push", &other], &pulled)?;
        by_docker.berth.says(&["logout", &host], "Removing login credentials")?;
        docker::remove_all(&yard.docker)?;
        by_docker.docker.refuses(&["pull", &other], "")
    });
    Ok(())
}

/// What podman's configuration says of Docker Hub leads to a Berth that mirrors another registry.
fn mirror(yard: &Yard<'_>) {
    yard.step("a mirror of registries.conf that is a Berth goes on when its upstream is away", || {
        let folder = yard.place("mirror");
        let hub = Upstream::open(&folder.join("hub"))?;
        let layout = format!("oci:{}:app", yard.stage.images.layout.display());
        let app = &yard.stage.images.app;
        yard.berth.run(&["copy", &layout, &format!("{}/library/mirrored:1", hub.server.address())])?;
        let (data, log) = (folder.join("data"), folder.join("log"));
        let server = yard.stage.program.start(&Launch { data: data.clone(), log, ..Launch::default() })?;
        let owner = Client::new(yard.stage.program.file(), &folder.join("owner"))?.env("BERTH_DATA", data);
        owner.run(&["mirror", "add", "docker.io", "--url", &hub.proxy.url(), "--private"])?;
        let home = folder.join("home");
        let berth = super::desk_in(yard.stage.program.file(), &home)?;
        let config = home.join(".config/containers");
        fs::create_dir_all(&config)?;
        let table = format!(
            "[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\
             [[registry.mirror]]\nlocation = \"{}/docker.io\"\ninsecure = true\n",
            server.address()
        );
        fs::write(config.join("registries.conf"), table)?;
        berth.says(
            &["pull", "mirrored:1"],
            &format!("{app}\nStatus: Downloaded newer image for mirrored:1"),
        )?;
        hub.proxy.go_away();
        fs::remove_dir_all(home.join("images")).context("nothing was pulled")?;
        berth.says(&["pull", "mirrored:1"], app)?;
        server.stop()
    });
}
