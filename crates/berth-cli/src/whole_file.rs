//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::io::Errno;

use crate::failure::Failure;

/// What is in an archive may be secret.
const MODE: u32 = 0o600;

/// Refuses a folder, before anything is done for a file of its name.
///
/// # Errors
/// That it is one.
pub(crate) fn refuse_folder(path: &Path) -> Result<(), Failure> {
    match path.is_dir() {
        true => Err(Failure::other(format!("cannot write to a directory: {}", path.display()))
            .hint("name a file in it")),
        false => Ok(()),
    }
}

/// Has a file written. It has no name before it is whole and durable, so whatever ends the program leaves nothing of it,
/// and another file of this name stays until then. A device or a pipe is written to as it is.
///
/// # Errors
/// That there can be no file of this name, or the failure of `write`.
pub(crate) fn write(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), Failure>,
) -> Result<(), Failure> {
    refuse_folder(path)?;
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            let mut file =
                OpenOptions::new().write(true).open(path).map_err(|error| refused(path, &error))?;
            return write(&mut file);
        }
        _ => {}
    }
    // What a link leads to is replaced, and not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut unnamed = Unnamed::in_folder_of(&target).map_err(|error| refused(path, &error))?;
    write(&mut unnamed.file)?;
    unnamed.name(&target).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    Failure::other(format!("invalid output path: {}: {error}", path.display()))
        .hint("name a file in a folder that is there and can be written to")
}

/// A file without its name.
struct Unnamed {
    file: File,
    /// A name for the time being, next to its own; until then only some file systems need it.
    part: Option<PathBuf>,
}

impl Unnamed {
    fn in_folder_of(path: &Path) -> io::Result<Unnamed> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match openat(CWD, folder.unwrap_or(Path::new(".")), flags, Mode::from_raw_mode(MODE)) {
            Ok(file) if Path::new("/proc/self/fd").is_dir() => Ok(Unnamed { file: file.into(), part: None }),
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Unnamed::with_part(path),
            Err(error) => Err(error.into()),
        }
    }

    /// For file systems that have no files without names.
    fn with_part(path: &Path) -> io::Result<Unnamed> {
        let part = part_of(path);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&part)?;
        Ok(Unnamed { file, part: Some(part) })
    }

    /// Gives the file its name.
    fn name(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        if self.part.is_none() {
            // An unnamed file gets a name only where none is, and a rename takes the place of what is there.
            let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let part = part_of(path);
            linkat(CWD, own, CWD, &part, AtFlags::SYMLINK_FOLLOW)?;
            self.part = Some(part);
        }
        if let Some(part) = &self.part {
            fs::rename(part, path)?;
        }
        self.part = None;
        Ok(())
    }
}

/// What failed leaves nothing.
impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), Failure> {
        write(path, |file| Ok(file.write_all(text.as_bytes())?))
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        write(&path, |file| {
            file.write_all(b"half")?;
            assert_eq!(names(folder.path()), [""; 0], "whoever is killed now leaves nothing");
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "half");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        put(&path, "other").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap(), names(folder.path()).len()), ("other".into(), 1));
    }

    #[test]
    fn what_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let fail = |file: &mut File| {
            file.write_all(b"half")?;
            Err(Failure::other("the cable was pulled"))
        };
        assert!(write(&path, fail).is_err());
        assert_eq!(names(folder.path()), [""; 0]);
        put(&path, "whole").unwrap();
        assert!(write(&path, fail).is_err());
        assert_eq!((fs::read_to_string(&path).unwrap(), names(folder.path()).len()), ("whole".into(), 1));
    }

    #[test]
    fn where_files_need_names_the_part_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let mut part = Unnamed::with_part(&path).unwrap();
        part.file.write_all(b"whole").unwrap();
        part.name(&path).unwrap();
        drop(Unnamed::with_part(&path).unwrap());
        assert_eq!(names(folder.path()), ["a.tar"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
    }

    #[test]
    fn folders_are_refused_and_links_followed() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| put(path, "x").unwrap_err().to_string();
        assert!(told(folder.path()).starts_with("cannot write to a directory"));
        assert!(told(&folder.path().join("none/a.tar")).starts_with("invalid output path: "));
        let (file, link) = (folder.path().join("a.tar"), folder.path().join("link"));
        put(&file, "one").unwrap();
        symlink(&file, &link).unwrap();
        put(&link, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    /// Who may write to the folder of devices would have put a file in the place of `/dev/null`.
    #[test]
    fn a_pipe_is_written_to_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(MODE), 0).unwrap();
        let reader = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut text = String::new();
                File::open(path).unwrap().read_to_string(&mut text).unwrap();
                text
            }
        });
        put(&path, "bytes").unwrap();
        assert_eq!(reader.join().unwrap(), "bytes");
        assert!(!fs::metadata(&path).unwrap().is_file());
    }
}
