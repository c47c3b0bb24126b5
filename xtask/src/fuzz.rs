//! The fuzz targets of `fuzz/`, built with the stable compiler and run one after another.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::folders;

/// The platform that is built for. Naming it keeps the flags below away from build scripts and procedural macros.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Coverage for libFuzzer, as `cargo fuzz` sets it, without a sanitizer: those need a nightly compiler.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Ccodegen-units=1",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Options of this command.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only these targets.
    targets: Vec<String>,
    /// How long each target runs, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

/// Runs the command. The seeds in `fuzz/corpus` are read only; what is found on the way is kept in the target folder.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let known = targets()?;
    if let Some(unknown) = options.targets.iter().find(|target| !known.contains(target)) {
        bail!("no fuzz target {unknown:?}; there are {}", known.join(", "));
    }
    let chosen = if options.targets.is_empty() { known } else { options.targets.clone() };
    let programs = build()?;
    for target in chosen {
        fuzz(&programs, &target, options.seconds)?;
    }
    Ok(())
}

/// The names of the files in `fuzz/fuzz_targets`, sorted.
fn targets() -> anyhow::Result<Vec<String>> {
    let folder = folders::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds all targets and returns the folder of their programs.
fn build() -> anyhow::Result<PathBuf> {
    let target_dir = folders::target().join("fuzz");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--target", PLATFORM])
        .arg("--manifest-path")
        .arg(folders::root().join("fuzz/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the fuzz targets do not build");
    Ok(target_dir.join(PLATFORM).join("release"))
}

/// Runs one target. An input that takes a second or half a gigabyte is a finding, like a panic.
fn fuzz(programs: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let found = folders::kept("fuzz")?.join(target);
    std::fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let mut artifacts = folders::kept("fuzz-findings")?.into_os_string();
    artifacts.push(format!("/{target}-"));
    let mut prefix = std::ffi::OsString::from("-artifact_prefix=");
    prefix.push(&artifacts);
    println!("fuzz: {target}, {seconds} s");
    let output = Command::new(programs.join(target))
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=1", "-rss_limit_mb=512", "-max_len=16384", "-print_final_stats=1"])
        .arg(prefix)
        .arg(&found)
        .arg(folders::root().join("fuzz/corpus").join(target))
        .output()
        .with_context(|| format!("cannot start the fuzz target {target}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!(
            "the fuzz target {target} found something; the input is {}*\n{}",
            Path::new(&artifacts).display(),
            last_lines(&log, 40)
        );
    }
    if let Some(done) = log.lines().find(|line| line.starts_with("Done ")) {
        println!("fuzz: {target}: {done}");
    }
    Ok(())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use crate::folders;

    #[test]
    fn every_target_is_declared_and_has_seeds() {
        let manifest = std::fs::read_to_string(folders::root().join("fuzz/Cargo.toml")).unwrap();
        let targets = super::targets().unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            let seeds = folders::root().join("fuzz/corpus").join(&target);
            assert!(seeds.read_dir().is_ok_and(|mut files| files.next().is_some()), "{target}");
        }
    }
}
