//! Push and pull beside skopeo, with the same servers and the same bytes; lists and starts.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Options;
use super::layout;
use super::page::{self, Measured};
use super::timed::{self, Timed};
use crate::e2e::client::Client;
use crate::random::Random;
use crate::server::{Launch, Program, Server, free_port};

/// Runs of what is over at once, of which the median counts.
const STARTS: usize = 31;
const REPOSITORY: &str = "bench/app:1";

/// Who moves the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mover {
    Berth,
    Skopeo,
}

/// Whereto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Push,
    Pull,
}

/// All runs of one kind.
#[derive(Debug)]
pub(super) struct Runs {
    pub(super) server: &'static str,
    pub(super) way: Way,
    pub(super) mover: Mover,
    pub(super) all: Vec<Timed>,
}

/// The image, the programs, and where the servers listen.
struct Measurement<'a> {
    options: &'a Options,
    folder: &'a Path,
    berth: Client,
    skopeo: Client,
    servers: [(&'static str, Program, u16); 2],
}

/// Measures everything; gives the page.
pub(super) fn run(options: &Options, program: &Program, folder: &Path) -> anyhow::Result<String> {
    let measurement = Measurement {
        options,
        folder,
        berth: Client::new(program.file(), &folder.join("home"))?,
        skopeo: Client::new("skopeo", &folder.join("home"))?,
        servers: [
            ("docker-registry", Program::docker_registry(), free_port()?),
            ("berth", program.clone(), free_port()?),
        ],
    };
    measurement.make()?;
    let mut runs = Vec::new();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for (number, (name, ..)) in measurement.servers.iter().enumerate() {
            // Who begins has the colder caches, so they take turns.
            let mut movers = [Mover::Berth, Mover::Skopeo];
            movers.rotate_left(round as usize % 2);
            for (way, mover) in movers
                .map(|mover| (Way::Push, mover))
                .into_iter()
                .chain(movers.map(|mover| (Way::Pull, mover)))
            {
                let timed = measurement.moved(number, way, mover)?;
                let fits = |runs: &&mut Runs| (runs.server, runs.way, runs.mover) == (*name, way, mover);
                match runs.iter_mut().find(fits) {
                    Some(runs) => runs.all.push(timed),
                    None => runs.push(Runs { server: name, way, mover, all: vec![timed] }),
                }
            }
        }
    }
    let lists = measurement.lists()?;
    Ok(page::write(options, &Measured { runs, lists }))
}

impl Measurement<'_> {
    fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    fn host(&self, server: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.servers[server].2))
    }

    /// The image in a local store, under its name at each server; skopeo reads it there, too.
    fn make(&self) -> anyhow::Result<()> {
        let (size, count) = (self.options.size, self.options.layers);
        let sizes: Vec<u32> =
            (0..count).map(|layer| size / count + u32::from(layer < size % count)).collect();
        let made = self.folder.join("made");
        layout::write(&made, "app", &sizes, &mut Random::new(1))?;
        let berth = self.berth.clone().env("BERTH_IMAGES", self.source());
        for server in 0..self.servers.len() {
            let target = format!("local:{}/{REPOSITORY}", self.host(server));
            berth.run(&["copy", &format!("oci:{}:app", made.display()), &target])?;
        }
        fs::remove_dir_all(made)?;
        Ok(())
    }

    /// Moves the image once, to where nothing of it is.
    fn moved(&self, server: usize, way: Way, mover: Mover) -> anyhow::Result<Timed> {
        let name = format!("{}/{REPOSITORY}", self.host(server));
        let running = match way {
            Way::Push => self.start(server, true)?,
            Way::Pull => self.start(server, false)?,
        };
        let target = self.folder.join("target");
        let images = if way == Way::Push { self.source() } else { target.clone() };
        let berth = self.berth.clone().env("BERTH_IMAGES", &images);
        let (local, remote) = (format!("oci:{}:{name}", images.display()), format!("docker://{name}"));
        let command = match (mover, way) {
            (Mover::Berth, Way::Push) => berth.bare(&["push", &name]),
            (Mover::Berth, Way::Pull) => berth.bare(&["pull", &name]),
            (Mover::Skopeo, Way::Push) => {
                self.skopeo.bare(&["copy", "--dest-tls-verify=false", &local, &remote])
            }
            (Mover::Skopeo, Way::Pull) => {
                self.skopeo.bare(&["copy", "--src-tls-verify=false", &remote, &local])
            }
        };
        // What was written before is no burden of this run.
        ensure!(Command::new("sync").status()?.success(), "sync failed");
        let timed = timed::watched(command).with_context(|| format!("{mover:?} {way:?} {name}"))?;
        if way == Way::Pull {
            let found = self.skopeo.run(&["inspect", "--raw", &local])?;
            let expected = self.skopeo.run(&["inspect", "--raw", "--tls-verify=false", &remote])?;
            ensure!(found == expected, "{mover:?} pulled another manifest");
            fs::remove_dir_all(target)?;
        }
        running.stop()?;
        Ok(timed)
    }

    /// Starts a server, empty or with what was pushed to it last.
    fn start(&self, server: usize, is_empty: bool) -> anyhow::Result<Server> {
        let (name, program, port) = &self.servers[server];
        let data = self.folder.join(format!("{name}-data"));
        if is_empty && data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let yaml = "log: {level: error, accesslog: {disabled: true}}\n".to_owned();
        let log = self.folder.join(format!("{name}.log"));
        program.start(&Launch { data, log, port: Some(*port), yaml, ..Launch::default() })
    }

    /// Starts of commands, and a list of many images.
    fn lists(&self) -> anyhow::Result<Vec<(String, Duration)>> {
        let (empty, full) = (self.folder.join("empty"), self.folder.join("full"));
        let berth = |images: &Path| self.berth.clone().env("BERTH_IMAGES", images);
        fs::write(self.folder.join("small.tar"), [0; 10240])?;
        let archive = self.folder.join("small.tar");
        for number in 0..self.options.images {
            let (label, name) =
                (format!("LABEL number={number}"), format!("many/app-{}:{number}", number % 100));
            berth(&full).run(&["import", "-c", &label, &archive.to_string_lossy(), &name])?;
        }
        let listed = berth(&full).run(&["images", "--quiet"])?.lines().count();
        ensure!(listed == self.options.images as usize, "{listed} images are listed");
        let mut all = Vec::new();
        for (title, images, words) in [
            ("`berth --version`".to_owned(), &empty, &["--version"][..]),
            ("`berth --help`".to_owned(), &empty, &["--help"]),
            ("`berth images`, no image".to_owned(), &empty, &["images"]),
            (format!("`berth images`, {} images", self.options.images), &full, &["images"]),
        ] {
            all.push((title, timed::started(STARTS, || berth(images).bare(words))?));
        }
        Ok(all)
    }
}
