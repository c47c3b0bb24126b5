//! Rules for the text of the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::folders;

/// Starts of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 3] = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
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
