//! The life of an image with real clients: tags that follow, tags that stay, deletion, and the space that it frees.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::client::Client;
use super::daemon::Engine;
use super::images;
use super::stage::Stage;
use crate::server::{Kind, Launch, Server, settings};

/// Cleaning that one can wait for.
const SETTINGS: [(&str, &str); 2] = [("CLEAN_GRACE", "6s"), ("CLEAN_INTERVAL", "1s")];
/// The grace time and two cycles, and the time that a cycle takes on a busy machine.
const FREE_WITHIN: Duration = Duration::from_secs(20);

/// Runs the steps; a registry without these commands has none.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if stage.program.kind() != Kind::Berth || !stage.has("skopeo", &["skopeo"]) {
        return Ok(());
    }
    let data = stage.home("life/data");
    let log = stage.home("life/log");
    fs::create_dir_all(&data)?;
    let berth = Client::new(stage.program.file(), &stage.home("life/home"))?.env("BERTH_DATA", &data);
    let launch = Launch { data: data.clone(), log, settings: settings(&SETTINGS), ..Launch::default() };
    let server = stage.program.start(&launch)?;
    let skopeo = Client::new("skopeo", &stage.home("life/skopeo"))?;
    let home = Home { stage, server, berth, skopeo };
    versions(&home);
    docker(&home)?;
    past(&home);
    moves(&home);
    quotas(&home);
    space(&home, &data);
    stage.step("berth", "ends by itself after SIGTERM, cleaning and all", || home.server.stop());
    Ok(())
}

/// A registry of one's own, and who talks to it.
struct Home<'a> {
    stage: &'a Stage,
    server: Server,
    berth: Client,
    skopeo: Client,
}

impl Home<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.server.address())
    }

    /// `skopeo copy` from the layout, with all platforms.
    fn push(&self, tag: &str, name: &str) -> anyhow::Result<String> {
        let from = format!("oci:{}:{tag}", self.stage.images.layout.display());
        let to = format!("docker://{}", self.name(name));
        self.skopeo.run(&["copy", "--all", "--dest-tls-verify=false", &from, &to])
    }

    fn digest(&self, name: &str) -> anyhow::Result<String> {
        let name = format!("docker://{}", self.name(name));
        let manifest = self.skopeo.reads(&["inspect", "--raw", "--tls-verify=false", &name])?;
        Ok(format!("sha256:{}", images::hex(&manifest)))
    }

    fn names(&self, name: &str, digest: &str) -> anyhow::Result<()> {
        let found = self.digest(name)?;
        ensure!(found == digest, "{name} is {found}, not {digest}");
        Ok(())
    }

    fn is_gone(&self, name: &str) -> anyhow::Result<()> {
        let name = format!("docker://{}", self.name(name));
        self.skopeo.refuses(&["inspect", "--raw", "--tls-verify=false", &name], "unknown")
    }
}

fn versions(home: &Home<'_>) {
    let (stage, images) = (home.stage, &home.stage.images);
    stage.step("skopeo", "a pushed version takes its short tags along, never backwards", || {
        home.berth.run(&["repo", "tag", "rules", "add", "acme/*", "--float"])?;
        home.berth.run(&["repo", "tag", "rules", "add", "acme/*", "--immutable", "{version}"])?;
        home.push("app", "acme/app:1.9.2")?;
        for tag in ["1.9", "1", "latest"] {
            home.names(&format!("acme/app:{tag}"), &images.app)?;
        }
        home.push("multi", "acme/app:1.8.7")?;
        home.names("acme/app:1.8", &images.multi)?;
        home.names("acme/app:latest", &images.app)?;
        home.push("multi", "acme/app:2.0.0-rc.1")?;
        home.names("acme/app:latest", &images.app)
    });
    stage.step("skopeo", "an immutable tag is refused, and taken again as it is", || {
        let refused = home.push("multi", "acme/app:1.9.2");
        let told = refused.err().context("the tag was overwritten")?.to_string();
        ensure!(told.contains("denied"), "skopeo says {told}");
        home.push("app", "acme/app:1.9.2")?;
        home.names("acme/app:1.9.2", &images.app)
    });
}

fn docker(home: &Home<'_>) -> anyhow::Result<()> {
    let stage = home.stage;
    if !stage.has("docker", &["dockerd", "docker", "containerd", "runc"]) {
        return Ok(());
    }
    let engine = match Engine::start(&stage.home("life/docker")) {
        Ok(engine) => engine,
        Err(error) => {
            stage.absent("docker", &format!("no private engine: {error:#}"));
            return Ok(());
        }
    };
    let docker = Client::new("docker", &stage.home("life/docker-client"))?
        .env("DOCKER_HOST", engine.host())
        .env("DOCKER_BUILDKIT", "0");
    let (app, built) = (home.name("acme/app:1.9.2"), home.name("acme/app:1.10.0"));
    stage.step("docker", "pushes a version, pulls the tag that followed, and reads the refusal", || {
        docker.run(&["build", "-t", &built, &stage.images.context.to_string_lossy()])?;
        docker.run(&["push", &built])?;
        home.names("acme/app:latest", &home.digest("acme/app:1.10.0")?)?;
        docker.says(&["pull", &home.name("acme/app:1.10")], "Digest: sha256:")?;
        docker.run(&["tag", &built, &app])?;
        docker.refuses(&["push", &app], "denied: requested access to the resource is denied")?;
        home.names("acme/app:1.9.2", &stage.images.app)
    });
    stage.step("docker", "a removed tag is gone, and restored it is there", || {
        let floating = home.name("acme/app:1.10");
        home.berth.says(&["repo", "tag", "remove", &floating, "--dry-run"], "nothing was changed")?;
        docker.run(&["pull", &floating])?;
        home.berth.run(&["repo", "tag", "remove", &floating])?;
        docker.refuses(&["pull", &floating], "manifest unknown")?;
        home.berth.says(&["why-deleted", &floating], "by owner")?;
        home.berth.run(&["repo", "tag", "restore", &floating])?;
        docker.run(&["pull", &floating])?;
        // Pulls are written every few seconds.
        let deadline = Instant::now() + Duration::from_secs(15);
        while home.berth.run(&["usage", &floating])?.contains("pulls: 0") {
            ensure!(Instant::now() < deadline, "no pull was counted");
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    });
    Ok(())
}

fn past(home: &Home<'_>) {
    let (stage, images) = (home.stage, &home.stage.images);
    stage.step("berth", "tells the history of a tag, and goes back in it", || {
        home.push("app", "past/app:edge")?;
        home.push("multi", "past/app:edge")?;
        let history = home.berth.reads(&["repo", "tag", "history", "past/app:edge", "--json"])?;
        let history: Value = serde_json::from_slice(&history)?;
        let named: Vec<_> =
            history["history"].as_array().into_iter().flatten().map(|past| &past["digest"]).collect();
        ensure!(named == [&images.multi, &images.app], "the history is {named:?}");
        home.berth.says(&["repo", "tag", "rollback", "past/app:edge", "--dry-run"], &images.app)?;
        home.names("past/app:edge", &images.multi)?;
        home.berth.run(&["repo", "tag", "rollback", "past/app:edge"])?;
        home.names("past/app:edge", &images.app)?;
        home.names(&format!("past/app@{}", images.multi), &images.multi)
    });
    stage.step("skopeo", "deletes an image by digest, and berth has it back with its tags", || {
        home.push("app", "past/other:1")?;
        home.push("app", "past/other:2")?;
        let name = format!("docker://{}", home.name("past/other:1"));
        home.skopeo.run(&["delete", "--tls-verify=false", &name])?;
        home.is_gone("past/other:2")?;
        home.berth.says(&["trash", "list", "past/other"], &images.app)?;
        home.berth.run(&["repo", "tag", "restore", &format!("past/other@{}", images.app)])?;
        home.names("past/other:1", &images.app)?;
        home.names("past/other:2", &images.app)
    });
    stage.step("berth", "ends tags by rules, after a look and with reasons", || {
        for tag in ["pr-1", "pr-2", "pr-3"] {
            home.push("app", &format!("past/builds:{tag}"))?;
        }
        home.berth.run(&["retention", "add", "past/*", "--tags", "pr-*", "--newest", "2"])?;
        home.berth.says(&["retention", "preview", "past/builds"], "1 tags would end and 2 stay")?;
        home.names("past/builds:pr-1", &images.app)?;
        home.berth.run(&["retention", "run", "past/builds"])?;
        home.is_gone("past/builds:pr-1")?;
        home.berth.says(&["why-deleted", "past/builds:pr-1"], "not among the newest 2")?;
        home.berth.says(&["why-kept", "past/builds:pr-2"], "number 2 of the newest 2")?;
        Ok(())
    });
}

fn moves(home: &Home<'_>) {
    let (stage, images) = (home.stage, &home.stage.images);
    stage.step("skopeo", "pulls all platforms of a promoted image", || {
        home.push("multi", "dev/app:1.4.7")?;
        home.berth.says(&["promote", "dev/app:1.4.7", "prod/app"], &images.multi)?;
        home.names("prod/app:1.4.7", &images.multi)?;
        let (from, to) = (format!("docker://{}", home.name("prod/app:1.4.7")), stage.home("life/pulled"));
        let to = format!("dir:{}", to.display());
        home.skopeo.run(&["copy", "--all", "--src-tls-verify=false", &from, &to])?;
        Ok(())
    });
    stage.step("skopeo", "pulls a renamed repository by its old name", || {
        home.berth.refuses(&["repo", "rename", "dev/app", "prod/app"], "already a repository")?;
        home.berth.run(&["repo", "rename", "dev/app", "dev/shop", "--redirect", "1h"])?;
        home.names("dev/app:1.4.7", &images.multi)?;
        home.names("dev/shop:1.4.7", &images.multi)?;
        let refused = home.push("app", "dev/app:2");
        ensure!(refused.is_err_and(|error| error.to_string().contains("denied")), "the old name took a push");
        Ok(())
    });
}

fn quotas(home: &Home<'_>) {
    home.stage.step("skopeo", "a push beyond the quota is refused and leaves nothing", || {
        home.push("multi", "small/app:1")?;
        home.berth.refuses(&["quota", "set", "small", "1KiB"], "below that")?;
        home.berth.run(&["quota", "set", "small", "2MiB"])?;
        let before = home.berth.reads(&["usage", "small/app", "--json"])?;
        let refused = home.push("unpushed", "small/app:2");
        ensure!(refused.is_err_and(|error| error.to_string().contains("denied")), "4 MiB went into 2 MiB");
        let after = home.berth.reads(&["usage", "small/app", "--json"])?;
        ensure!(before == after, "the refused push is counted: {}", String::from_utf8_lossy(&after));
        home.push("multi", "small/app:3")?;
        Ok(())
    });
}

fn space(home: &Home<'_>, data: &Path) {
    home.stage.step("berth", "frees the disk within the grace time and two cycles, while it serves", || {
        for rule in ["1", "2"] {
            home.berth.run(&["repo", "tag", "rules", "remove", rule])?;
        }
        let names =
            ["acme/app", "past/app", "past/other", "past/builds", "dev/shop", "prod/app", "small/app"];
        for name in names {
            home.berth.says(&["repo", "remove", name, "--dry-run"], "nothing was changed")?;
            home.berth.run(&["repo", "remove", name])?;
        }
        home.berth.run(&["repo", "restore", "past/other"])?;
        for name in names.iter().filter(|name| **name != "past/other") {
            home.berth.run(&["trash", "empty", name])?;
        }
        let emptied = Instant::now();
        // Two layers are still needed.
        while files(&data.join("blobs"))? > 2 {
            let left = files(&data.join("blobs"))?;
            ensure!(emptied.elapsed() < FREE_WITHIN, "{left} files are left after {:?}", emptied.elapsed());
            std::thread::sleep(Duration::from_millis(200));
        }
        home.names("past/other:1", &home.stage.images.app)?;
        let (from, to) = (format!("docker://{}", home.name("past/other:1")), home.stage.home("life/whole"));
        home.skopeo.run(&["copy", "--src-tls-verify=false", &from, &format!("dir:{}", to.display())])?;
        home.berth.says(&["clean", "--status"], "freed on the last 30 days")?;
        Ok(())
    });
}

/// Files below a folder.
fn files(folder: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { files(&entry.path())? } else { 1 };
    }
    Ok(count)
}
