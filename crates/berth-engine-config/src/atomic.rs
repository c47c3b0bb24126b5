//! Files that are replaced as a whole: whoever reads sees the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Writes a file that only its owner can read. A link stays one, and what it leads to is replaced.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        real => real?,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let (mut file, new) = fresh(&path)?;
    let written =
        file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, &path));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// A new file beside `path`, of a name that nobody else has.
fn fresh(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for nth in 0_u32.. {
        let new = path.with_file_name(format!(".{name}.{}.{nth}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && nth < 100 => (),
            file => return Ok((file?, new)),
        }
    }
    unreachable!("the hundredth name returns")
}
