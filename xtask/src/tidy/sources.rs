//! Rules for the text of the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::folders;

/// Starts of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 3] = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Source files that do not begin with `//!`.
pub(super) fn without_purpose() -> anyhow::Result<Vec<String>> {
    let begins = |text: &str| text.starts_with("//! ") || text.starts_with("#![doc");
    let files = rust_files()?.into_iter().filter(|file| !is_generated(file));
    Ok(files
        .filter(|file| fs::read_to_string(file).is_ok_and(|text| !begins(&text)))
        .map(|file| shown(&file))
        .collect())
}

/// Source files that no `mod` line names: they would be neither compiled nor run.
pub(super) fn forgotten() -> anyhow::Result<Vec<String>> {
    let files = rust_files()?;
    let mut forgotten = Vec::new();
    for file in files.iter().filter(|file| !is_root(file)) {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let (line, public) = (format!("mod {stem};"), format!(") mod {stem};"));
        let declares = |text: String| {
            text.lines()
                .map(str::trim_start)
                .any(|it| it == line || it == format!("pub {line}") || it.ends_with(&public))
        };
        let family = files.iter().filter(|other| top(other) == top(file) && other != &file);
        if !family.into_iter().any(|other| fs::read_to_string(other).is_ok_and(declares)) {
            forgotten.push(shown(file));
        }
    }
    Ok(forgotten)
}

/// Lines with a path that means something on one machine only.
pub(super) fn machine_paths() -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    collect(folders::root(), &mut files)?;
    let mut found = Vec::new();
    for file in files {
        // What is no text cannot be read, and holds no rule.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let lines =
            text.lines().enumerate().filter(|(_, line)| MACHINE_PATHS.iter().any(|path| line.contains(path)));
        found.extend(lines.map(|(number, line)| format!("{}:{}: {line}", shown(&file), number + 1)));
    }
    Ok(found)
}

/// Whether cargo finds this file without a `mod` line.
fn is_root(file: &Path) -> bool {
    let relative = file.strip_prefix(top(file)).unwrap_or(file);
    let name = file.file_name().unwrap_or_default();
    name == "main.rs" || name == "lib.rs" || name == "build.rs" || {
        let in_source = file.components().any(|part| part.as_os_str() == "src");
        !in_source && relative.components().count() == 1
    }
}

/// Fuzz targets and the like begin with attributes that their tools demand.
fn is_generated(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.starts_with("#![no_main]"))
}

/// The folder `src`, `tests`, `benches`, `examples` or `fuzz_targets` that a file belongs to.
fn top(file: &Path) -> &Path {
    const TOPS: [&str; 5] = ["src", "tests", "benches", "examples", "fuzz_targets"];
    let is_top = |folder: &&Path| {
        folder.file_name().is_some_and(|name| TOPS.iter().any(|top| name == *top))
            && folder.parent().is_some_and(|parent| parent.join("Cargo.toml").is_file())
    };
    file.ancestors().find(is_top).unwrap_or(file)
}

fn rust_files() -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(&folders::root().join(folder), &mut files)?;
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    // Data of tests may be Rust files that are compiled on purpose to fail.
    files.retain(|file| top(file) != file);
    files.retain(|file| !file.components().any(|part| part.as_os_str() == "compile_fail"));
    Ok(files)
}

/// Every file below `folder`, without what tools have made.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_symlink() || [".git", "target", "berth-data"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn shown(file: &Path) -> String {
    file.strip_prefix(folders::root())
        .map_or_else(|_| file.display().to_string(), |path| path.display().to_string())
}
