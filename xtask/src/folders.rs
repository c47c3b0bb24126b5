//! Where the commands find the workspace and keep what they make.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// `target/xtask/NAME`, made when it is missing; kept between runs.
pub(crate) fn kept(name: &str) -> anyhow::Result<PathBuf> {
    let folder = target().join("xtask").join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A new folder on the disk of the target folder, removed when it is dropped.
///
/// Not in `/tmp`: image stores need a real disk, and `/tmp` often is memory.
pub(crate) fn scratch(name: &str) -> anyhow::Result<tempfile::TempDir> {
    let parent = kept("scratch")?;
    let prefix = format!("{name}-");
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))
}
