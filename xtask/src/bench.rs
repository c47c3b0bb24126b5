//! Berth beside Debian's docker-registry and nginx on this machine: the same load on each in turn, and ratios.

mod contender;
mod facts;
mod goals;
mod page;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use berth_bench::{Outcome, Report};
use clap::ValueEnum as _;

use crate::folders;
use contender::{Contender, Running};
use facts::Facts;
use table::Table;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// One short round with few entries: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Only these scenarios of `berth bench`, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Rounds; of each scenario the median round counts.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=25))]
    rounds: u32,
    /// Longest measured time of one scenario in a round, in seconds.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Where the servers keep their data, on a real disk. Without it: below Cargo's target folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Measure this berth instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Also measure a clean release build, in a folder of its own (minutes).
    #[arg(long)]
    clean_build: bool,
    /// Write the page here. Without it: docs/benchmarks.md after a full run, nowhere after a partial one.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// What compares the three, in the order of the run.
const COMPARED: [&str; 10] = [
    "push-large",
    "push-small",
    "pull-large",
    "pull-small",
    "manifest-get",
    "manifest-head",
    "manifest-put",
    "mount",
    "image-push",
    "idle",
];
/// What compares Berth with itself, on a server that is empty before.
const PAGES: [&str; 2] = ["tags-page", "catalog-page"];

/// Runs everything, prints the tables, and writes the page and the numbers.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let bench = Bench::prepare(options)?;
    let mut table = Table::default();
    for round in 1..=options.rounds() {
        eprintln!("round {round} of {}", options.rounds());
        bench.compare(&mut table)?;
    }
    bench.pages(&mut table)?;
    let facts = bench.facts()?;
    let goals = goals::judge(&table, &facts);
    let page = page::write(options, &table, &facts, &goals);
    println!("{page}");
    let numbers = folders::kept("bench")?.join("latest.json");
    let json = serde_json::json!({ "outcomes": &table, "facts": &facts, "goals": &goals });
    fs::write(&numbers, serde_json::to_string_pretty(&json)? + "\n")?;
    println!("numbers: {}", numbers.display());
    if let Some(file) = options.page_file() {
        fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
        println!("page: {}", file.display());
    }
    Ok(())
}

impl Options {
    fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    fn seconds(&self) -> u32 {
        if self.quick { 1 } else { self.seconds }
    }

    fn entries(&self) -> u32 {
        if self.quick { 5_000 } else { 100_000 }
    }

    fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == scenario)
    }

    fn page_file(&self) -> Option<PathBuf> {
        let full = !self.quick && self.only.is_empty();
        self.page.clone().or_else(|| full.then(|| folders::root().join("docs/benchmarks.md")))
    }
}

/// A berth program, and a folder for the data of everything that is started.
struct Bench<'a> {
    options: &'a Options,
    berth: PathBuf,
    scratch: tempfile::TempDir,
}

impl Bench<'_> {
    fn prepare(options: &Options) -> anyhow::Result<Bench<'_>> {
        for name in &options.only {
            ensure!(berth_bench::Scenario::from_str(name, false).is_ok(), "there is no scenario {name}");
        }
        let berth = options.binary.clone().map_or_else(build, Ok)?;
        let scratch = match &options.data {
            Some(folder) => tempfile::Builder::new().prefix("bench-").tempdir_in(folder)?,
            None => folders::scratch("bench")?,
        };
        Ok(Bench { options, berth, scratch })
    }

    /// One round: each scenario on each contender, one after the other.
    fn compare(&self, table: &mut Table) -> anyhow::Result<()> {
        let servers = Contender::ALL.map(|contender| self.start(contender));
        let servers: Vec<Running> = servers.into_iter().collect::<Result<_, _>>()?;
        for scenario in COMPARED.into_iter().filter(|scenario| self.options.wants(scenario)) {
            for server in servers.iter().filter(|server| server.contender.can(scenario)) {
                for outcome in self.load(server, scenario)? {
                    table.add(server.contender, outcome);
                }
            }
        }
        servers.into_iter().try_for_each(Running::stop)
    }

    /// The long lists, each on a server of its own, since a catalog of 100 needs an empty registry.
    fn pages(&self, table: &mut Table) -> anyhow::Result<()> {
        for scenario in PAGES.into_iter().filter(|scenario| self.options.wants(scenario)) {
            let server = self.start(Contender::Berth)?;
            for outcome in self.load(&server, scenario)? {
                table.add(Contender::Berth, outcome);
            }
            server.stop()?;
        }
        Ok(())
    }

    fn facts(&self) -> anyhow::Result<Facts> {
        let mut facts = Facts::of_machine(self.scratch.path(), &self.berth)?;
        let server = self.start(Contender::Berth)?;
        facts.idle_mib = server.resident_mib()?;
        if self.options.wants("fill") {
            self.load(&server, "fill")?;
            let data = server.stop_and_keep()?;
            facts.starts(self.options.entries(), || Running::start(Contender::Berth, &self.berth, &data))?;
            fs::remove_dir_all(data)?;
        } else {
            server.stop()?;
        }
        if self.options.clean_build {
            facts.clean_build(self.scratch.path())?;
        }
        Ok(facts)
    }

    fn start(&self, contender: Contender) -> anyhow::Result<Running> {
        let data = tempfile::Builder::new().prefix(contender.name()).tempdir_in(self.scratch.path())?.keep();
        Running::start(contender, &self.berth, &data)
    }

    /// Runs `berth bench` with one scenario.
    fn load(&self, server: &Running, scenario: &str) -> anyhow::Result<Vec<Outcome>> {
        eprintln!("  {scenario} on {}", server.contender.name());
        // What the last one left to be written is not to be paid by the next one.
        rustix::fs::sync();
        let json = self.scratch.path().join("outcome.json");
        let mut command = Command::new(&self.berth);
        command.args(["bench", "--target", &server.url(), "--pid", &server.pid().to_string()]);
        command.args(["--scenario", scenario, "--seconds", &self.options.seconds().to_string()]);
        command.args(["--entries", &self.options.entries().to_string(), "--json"]).arg(&json);
        if let Some(root) = server.static_root() {
            command.arg("--static-root").arg(root);
        }
        let output = command.output().context("cannot start berth bench")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{scenario} on {}: {}", server.contender.name(), said.trim());
        let report: Report = serde_json::from_slice(&fs::read(&json)?)?;
        Ok(report.outcomes)
    }
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--package", "berth"]).current_dir(folders::root());
    cargo
}

fn build() -> anyhow::Result<PathBuf> {
    ensure!(cargo().status()?.success(), "berth does not build");
    Ok(folders::target().join("release/berth"))
}

/// The size of a file in MiB.
fn mib(file: &Path) -> anyhow::Result<f64> {
    let meta = fs::metadata(file).with_context(|| format!("there is no {}", file.display()))?;
    Ok(meta.len() as f64 / 1024.0 / 1024.0)
}
