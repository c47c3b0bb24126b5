//! Two registries, and all programs that people use beside the commands: what one makes the other takes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::{Client, Engine, NAME, Stage, Store};
use crate::upstream::Upstream;

mod crossing;
mod here;
mod kills;
mod sign_in;
mod trouble;

pub(crate) use kills::kill;

/// Runs the steps.
pub(super) fn run(stage: &Stage) -> anyhow::Result<()> {
    let programs =
        ["docker-registry", "openssl", "dockerd", "docker", "containerd", "podman", "buildah", "runc"];
    if !stage.has(NAME, &programs) {
        return Ok(());
    }
    let yard = match Yard::open(stage) {
        Ok(yard) => yard,
        Err(error) => {
            stage.absent(NAME, &format!("no place to work: {error:#}"));
            return Ok(());
        }
    };
    for registry in yard.registries() {
        crossing::run(&yard, &registry)?;
    }
    here::run(&yard)?;
    sign_in::run(&yard)?;
    trouble::run(&yard)?;
    kills::run(stage)
}

/// Two registries without accounts, and the programs that use them.
struct Yard<'a> {
    stage: &'a Stage,
    /// Debian's `docker-registry`.
    other: Upstream,
    /// Where the engine is.
    host: String,
    docker: Client,
    podman: Client,
    buildah: Client,
    skopeo: Client,
    berth: Client,
    // What the clients above use.
    _stores: [Store; 2],
    _engine: Engine,
}

/// A registry, and what it is called in titles.
struct Registry {
    title: &'static str,
    host: String,
}

impl Yard<'_> {
    fn open(stage: &Stage) -> anyhow::Result<Yard<'_>> {
        let home = |name: &str| stage.home(&format!("yard/{name}"));
        fs::create_dir_all(home(""))?;
        let engine = Engine::start(&home("engine"))?;
        let stores = [Store::new(stage, "yard/podman")?, Store::new(stage, "yard/buildah")?];
        Ok(Yard {
            stage,
            other: Upstream::open(&home("docker-registry"))?,
            host: engine.host(),
            docker: Client::new("docker", &home("docker"))?
                .env("DOCKER_HOST", engine.host())
                .env("DOCKER_BUILDKIT", "0"),
            podman: stores[0].client("podman")?,
            buildah: stores[1].client("buildah")?,
            skopeo: Client::new("skopeo", &home("skopeo"))?,
            berth: desk(stage, "berth")?.env("DOCKER_HOST", engine.host()),
            _stores: stores,
            _engine: engine,
        })
    }

    /// The registries that everything is done with.
    fn registries(&self) -> [Registry; 2] {
        [
            Registry { title: "Berth", host: self.stage.registry() },
            Registry { title: "docker-registry", host: self.other.server.address().to_string() },
        ]
    }

    fn step(&self, name: &str, step: impl FnOnce() -> anyhow::Result<()>) {
        self.stage.step(NAME, name, step);
    }

    /// A file or folder that nobody else uses.
    fn place(&self, name: &str) -> PathBuf {
        self.stage.home("yard").join(name)
    }

    /// The images of [`Yard::berth`].
    fn images(&self) -> PathBuf {
        self.place("berth/images")
    }

    /// Forgets all images of [`Yard::berth`].
    fn clear(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(self.images()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// What `skopeo inspect` says of an image, in JSON.
    fn inspected(&self, name: &str) -> anyhow::Result<serde_json::Value> {
        let said = self.skopeo.reads(&["inspect", "--tls-verify=false", name])?;
        Ok(serde_json::from_slice(&said)?)
    }
}

/// The program's commands with a home and images of their own, below `yard/NAME`.
fn desk(stage: &Stage, name: &str) -> anyhow::Result<Client> {
    desk_in(stage.program.file(), &stage.home(&format!("yard/{name}")))
}

fn desk_in(program: &Path, home: &Path) -> anyhow::Result<Client> {
    let berth = Client::new(program, home)?;
    Ok(berth.env("BERTH_IMAGES", home.join("images")).env("XDG_RUNTIME_DIR", home.join("run")))
}

/// What stands behind `Digest: ` or `digest: `.
fn digest(said: &str) -> anyhow::Result<String> {
    let found = crate::e2e::docker::digest(said)?;
    ensure!(found.starts_with("sha256:") && found.len() == 71, "no digest in {said}");
    Ok(found)
}

/// The digest of a layout's only image of that name.
fn named_in(layout: &Path, name: &str) -> anyhow::Result<String> {
    let index: serde_json::Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let entries = index["manifests"].as_array().context("no entries")?;
    let is_named =
        |entry: &&serde_json::Value| entry["annotations"]["org.opencontainers.image.ref.name"] == name;
    let found = entries.iter().find(is_named).with_context(|| format!("no {name} in {index}"))?;
    Ok(found["digest"].as_str().context("no digest")?.to_owned())
}
