//! Berth's own commands about images, beside docker, podman, buildah and skopeo: the same words, the same digests, images
//! that run.

use std::path::PathBuf;

use anyhow::ensure;

use super::client::Client;
use super::daemon::Engine;
use super::images::GREETING;
use super::podman::{self, Store};
use super::stage::Stage;
use crate::server::Kind;

mod cuts;
mod proxy;
mod registries;
mod templates;
mod words;
mod yard;

pub(crate) use yard::kill;

const NAME: &str = "commands";

/// A person with the commands, and what is used beside them.
struct Desk<'a> {
    stage: &'a Stage,
    /// The commands, with a store and sign-ins of their own.
    berth: Client,
    skopeo: Client,
    /// The folder of the local images.
    images: PathBuf,
}

/// Runs the steps of the commands.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if stage.program.kind() != Kind::Berth || !stage.has(NAME, &["skopeo"]) {
        return Ok(());
    }
    let desk = Desk::at(stage, "cli")?;
    desk.layouts();
    desk.archives();
    desk.podman()?;
    if stage.has(NAME, &["dockerd", "docker", "containerd", "runc"]) {
        match Engine::start(&stage.home("cli-docker")) {
            Ok(engine) => {
                let docker =
                    Client::new("docker", &stage.home("cli-docker-home"))?.env("DOCKER_HOST", engine.host());
                desk.docker(&docker, &engine);
                words::run(&desk, &docker)?;
                templates::run(&desk, &docker);
            }
            Err(error) => stage.absent(NAME, &format!("no private engine: {error:#}")),
        }
    }
    registries::run(&desk)?;
    cuts::run(&desk)?;
    yard::run(stage)
}

impl<'a> Desk<'a> {
    /// A desk with everything below a folder.
    fn at(stage: &'a Stage, name: &str) -> anyhow::Result<Desk<'a>> {
        let home = stage.home(name);
        let images = home.join("images");
        let berth = Client::new(stage.program.file(), &home)?.env("BERTH_IMAGES", &images);
        let skopeo = Client::new("skopeo", &stage.home(&format!("{name}-skopeo")))?;
        Ok(Desk { stage, berth, skopeo, images })
    }

    /// The layout's image of that tag.
    fn layout(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.stage.images.layout.display())
    }

    fn remote(&self, name: &str) -> String {
        format!("{}/{name}", self.stage.registry())
    }

    /// What skopeo says that the digest is.
    fn inspected(&self, place: &str) -> anyhow::Result<String> {
        let options = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", place];
        Ok(String::from_utf8(self.skopeo.reads(&options)?)?.trim().to_owned())
    }

    fn layouts(&self) {
        let Desk { stage, berth, .. } = self;
        stage.step(NAME, "what it copies and pushes has the digest that skopeo sees", || {
            let (app, pushed) = (&stage.images.app, self.remote("cli/app:1"));
            berth.says(&["copy", &self.layout("app"), &format!("local:{pushed}")], app)?;
            berth.says(&["push", &pushed], app)?;
            ensure!(self.inspected(&format!("docker://{pushed}"))? == *app, "another digest at the registry");
            let kept = format!("oci:{}:{pushed}", self.images.display());
            ensure!(self.inspected(&kept)? == *app, "another digest in the store");
            Ok(())
        });
        stage.step(NAME, "an index goes whole, and comes back the same", || {
            let (multi, name) = (&stage.images.multi, self.remote("cli/multi:1"));
            berth.says(&["copy", &self.layout("multi"), &name], multi)?;
            let raw = self.skopeo.reads(&[
                "inspect",
                "--raw",
                "--tls-verify=false",
                &format!("docker://{name}"),
            ])?;
            ensure!(format!("sha256:{}", super::images::hex(&raw)) == *multi, "the index is another");
            berth.says(&["pull", &name], multi)?;
            berth.refuses(&["push", &self.remote("cli/one:1")], "An image does not exist locally")?;
            berth.run(&["tag", &name, &self.remote("cli/one:1")])?;
            berth.says(&["push", &self.remote("cli/one:1")], "not all platforms of the image are here")?;
            berth.says(&["pull", "--all-platforms", &name], multi)?;
            berth.run(&["tag", &name, &self.remote("cli/all:1")])?;
            berth.says(&["push", &self.remote("cli/all:1")], multi)?;
            Ok(())
        });
        stage.step(NAME, "a layout that it writes has the blobs that skopeo writes", || {
            let name = self.remote("cli/multi:1");
            let (ours, theirs) = (stage.home("cli-ours"), stage.home("cli-theirs"));
            berth.run(&["copy", &name, &format!("oci:{}:multi", ours.display())])?;
            let target = format!("oci:{}:multi", theirs.display());
            self.skopeo.run(&[
                "copy",
                "--all",
                "--src-tls-verify=false",
                &format!("docker://{name}"),
                &target,
            ])?;
            let blobs = |folder: &PathBuf| -> anyhow::Result<Vec<_>> {
                let files = std::fs::read_dir(folder.join("blobs/sha256"))?;
                let mut names =
                    files.map(|file| Ok(file?.file_name())).collect::<Result<Vec<_>, std::io::Error>>()?;
                names.sort();
                Ok(names)
            };
            ensure!(blobs(&ours)? == blobs(&theirs)?, "other blobs");
            self.skopeo.run(&["copy", "--all", &format!("oci:{}:multi", ours.display()), "dir:again"])?;
            Ok(())
        });
    }

    fn archives(&self) {
        let Desk { stage, berth, .. } = self;
        stage.step(NAME, "archives are read by skopeo, and skopeo's are read", || {
            let name = self.remote("cli/app:1");
            for form in ["oci-archive", "docker-archive"] {
                let file = stage.home(&format!("cli-{form}.tar"));
                berth.run(&["copy", &name, &format!("{form}:{}", file.display())])?;
                self.skopeo.run(&["inspect", &format!("{form}:{}", file.display())])?;
                let theirs = stage.home(&format!("cli-theirs-{form}.tar"));
                let (from, to) =
                    (format!("docker://{name}"), format!("{form}:{}:back/app:{form}", theirs.display()));
                self.skopeo.run(&["copy", "--src-tls-verify=false", &from, &to])?;
                berth.says(&["load", "-i", &theirs.to_string_lossy()], "Loaded image: back/app:")?;
            }
            Ok(())
        });
    }

    fn podman(&self) -> anyhow::Result<()> {
        let Desk { stage, berth, .. } = self;
        if stage.has(NAME, &["podman", "runc"]) {
            let store = Store::new(stage, "cli-podman")?;
            let podman = store.client("podman")?;
            stage.step(NAME, "what it pushes is pulled and run by podman", || {
                let name = self.remote("cli/app:1");
                podman.run(&["pull", "--tls-verify=false", &name])?;
                podman.says(&[&podman::RUN[..], &[&name]].concat(), GREETING)?;
                Ok(())
            });
        }
        if stage.has(NAME, &["buildah"]) {
            let store = Store::new(stage, "cli-buildah")?;
            let buildah = store.client("buildah")?;
            stage.step(NAME, "what buildah pushes and saves is pulled and loaded", || {
                let (name, file) = (self.remote("cli/built:1"), stage.home("cli-built.tar"));
                let container = buildah.run(&["from", "scratch"])?;
                let container = container.trim();
                buildah.run(&["config", "--label", "built=yes", container])?;
                buildah.run(&["commit", container, &name])?;
                buildah.run(&["push", "--tls-verify=false", &name])?;
                buildah.run(&["push", &name, &format!("oci-archive:{}:built/app:2", file.display())])?;
                berth.run(&["pull", &name])?;
                berth.run(&["load", "-i", &file.to_string_lossy()])?;
                let label = ["inspect", "-f", "{{index .Config.Labels \"built\"}}"];
                berth.says(&[&label[..], &[&name]].concat(), "yes")?;
                berth.says(&[&label[..], &["built/app:2"]].concat(), "yes")?;
                Ok(())
            });
        }
        Ok(())
    }

    fn docker(&self, docker: &Client, engine: &Engine) {
        let Desk { stage, berth, .. } = self;
        let name = self.remote("cli/app:1");
        stage.step(NAME, "what it pushes is pulled and run by docker, with the same digest", || {
            docker.says(&["pull", &name], &stage.images.app)?;
            docker.says(&["run", "--rm", "--network=none", &name], GREETING)?;
            Ok(())
        });
        stage.step(NAME, "docker loads and runs what it saves", || {
            let file = stage.home("cli-saved.tar");
            berth.run(&["tag", &name, "saved/app:7"])?;
            berth.run(&["save", "-o", &file.to_string_lossy(), "saved/app:7"])?;
            docker.says(&["load", "-i", &file.to_string_lossy()], "Loaded image: saved/app:7")?;
            docker.says(&["run", "--rm", "--network=none", "saved/app:7"], GREETING)?;
            Ok(())
        });
        stage.step(NAME, "it loads what docker saves, and pushes it on", || {
            let file = stage.home("cli-docker.tar");
            docker.run(&["tag", "saved/app:7", "docker/app:8"])?;
            docker.run(&["save", "-o", &file.to_string_lossy(), "docker/app:8"])?;
            berth.says(&["load", "-i", &file.to_string_lossy()], "Loaded image: docker/app:8")?;
            let pushed = self.remote("cli/loaded:1");
            berth.run(&["tag", "docker/app:8", &pushed])?;
            berth.run(&["push", &pushed])?;
            docker.run(&["image", "rm", "-f", "docker/app:8", "saved/app:7", &name])?;
            docker.run(&["pull", &pushed])?;
            docker.says(&["run", "--rm", "--network=none", &pushed], GREETING)?;
            Ok(())
        });
        stage.step(NAME, "the engine itself is a source and a target", || {
            let berth = berth.clone().env("DOCKER_HOST", engine.host());
            berth.run(&["copy", &name, "docker-daemon:engine/app:3"])?;
            docker.says(&["run", "--rm", "--network=none", "engine/app:3"], GREETING)?;
            let pushed = self.remote("cli/engine:1");
            berth.run(&["copy", "docker-daemon:engine/app:3", &pushed])?;
            berth.says(&["pull", "docker-daemon:engine/app:3"], "docker.io/engine/app:3")?;
            docker.run(&["pull", &pushed])?;
            docker.says(&["run", "--rm", "--network=none", &pushed], GREETING)?;
            berth.refuses(&["copy", "docker-daemon:engine/none", &pushed], "No such image")?;
            Ok(())
        });
    }
}
