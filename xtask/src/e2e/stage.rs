//! What all clients share: the registry, the wire before it, the images, and the count of steps.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;

use super::client;
use super::images::Images;
use super::wire::Wire;
use crate::folders;
use crate::server::{Kind, Launch, Program, Server};

/// A registry behind a wire, images to push, and the outcome so far.
pub(crate) struct Stage {
    pub(crate) program: Program,
    pub(crate) wire: Wire,
    pub(crate) images: Images,
    server: Option<Server>,
    launch: Launch,
    only: Option<String>,
    passed: Cell<usize>,
    failed: Cell<usize>,
    skipped: Cell<usize>,
    // Last: the folder goes when nothing uses it any more.
    scratch: tempfile::TempDir,
}

impl Stage {
    /// Starts the registry and makes the images.
    pub(crate) fn set(program: Program, only: Option<String>) -> anyhow::Result<Stage> {
        let scratch = folders::scratch("e2e")?;
        let launch = Launch {
            data: scratch.path().join("registry"),
            log: folders::kept("e2e")?.join("registry.log"),
            ..Launch::default()
        };
        let server = program.start(&launch)?;
        let wire = Wire::start(server.address())?;
        let images = Images::make(&scratch.path().join("images"))?;
        let [passed, failed, skipped] = [0; 3].map(Cell::new);
        Ok(Stage {
            program,
            wire,
            images,
            server: Some(server),
            launch,
            only,
            passed,
            failed,
            skipped,
            scratch,
        })
    }

    /// The registry's name in image references.
    pub(crate) fn registry(&self) -> String {
        self.wire.address().to_string()
    }

    /// The registry's URL for this path below `/v2/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/v2/{path}", self.wire.address())
    }

    /// A folder for one client.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Runs one step: it fails by its own judgement, or when the registry answered any request with a 5xx.
    pub(crate) fn step(&self, client: &str, name: &str, step: impl FnOnce() -> anyhow::Result<()>) {
        let title = format!("{client}: {name}");
        if self.only.as_ref().is_some_and(|only| !title.contains(only.as_str())) {
            return;
        }
        let started = Instant::now();
        self.wire.take();
        let outcome = step().and_then(|()| {
            let broken = self.wire.take().into_iter().find(|exchange| exchange.status >= 500);
            ensure!(broken.is_none(), "the registry failed: {broken:?}");
            Ok(())
        });
        let seconds = started.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => {
                add(&self.passed);
                println!("ok    {title} ({seconds:.1} s)");
            }
            Err(error) => {
                add(&self.failed);
                println!("FAIL  {title} ({seconds:.1} s)\n      {error:#}");
            }
        }
    }

    /// Whether the client's programs are here. A missing one is a failure in CI and a skip elsewhere.
    pub(crate) fn has(&self, client: &str, programs: &[&str]) -> bool {
        let missing: Vec<_> =
            programs.iter().copied().filter(|program| !client::is_installed(program)).collect();
        if !missing.is_empty() {
            self.absent(client, &format!("not installed: {}", missing.join(", ")));
        }
        missing.is_empty()
    }

    /// Notes that a client cannot be tested here: a failure in CI, a skip elsewhere.
    pub(crate) fn absent(&self, client: &str, reason: &str) {
        if std::env::var_os("CI").is_some() {
            add(&self.failed);
            println!("FAIL  {client}: {reason}");
        } else {
            add(&self.skipped);
            println!("skip  {client}: {reason}");
        }
    }

    /// Ends the registry as an administrator does; returns how many steps passed, failed and were skipped.
    pub(crate) fn finish(mut self) -> [usize; 3] {
        if let Some(server) = self.server.take() {
            self.step("registry", "ends by itself after SIGTERM", || server.stop());
        }
        if self.program.kind() == Kind::Berth && self.only.is_none() {
            self.step("registry", "logged one line for each request", || self.compare_log());
        }
        [self.passed.get(), self.failed.get(), self.skipped.get()]
    }

    /// Each answer on the wire has its line in the log, with what the wire saw.
    fn compare_log(&self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(&self.launch.log)?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["target"] == "berth::access").collect();
        let answered =
            lines.iter().filter(|line| line["status"].as_u64().is_some_and(|status| status >= 200)).count();
        // Beside the wire only the question at the start whether the registry is there. A connection that was cut
        // may have had an answer on one side only.
        let expected = self.wire.answers() + 1;
        ensure!(answered.abs_diff(expected) <= 4, "{answered} lines for {expected} answers");
        let mounted = |line: &&serde_json::Value| {
            line["status"] == 201 && line["query"].as_str().is_some_and(|query| query.contains("mount="))
        };
        ensure!(lines.iter().any(|line| mounted(&line)), "no line tells of a mount");
        Ok(())
    }
}

fn add(count: &Cell<usize>) {
    count.set(count.get() + 1);
}
