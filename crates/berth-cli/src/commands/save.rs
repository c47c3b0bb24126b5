//! `berth save IMAGE…`.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use berth_images::{Error, Format, Store};
use clap::{Args, ValueEnum};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::trouble;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth save -o app.tar app:1.9
  berth save app:1.9 other:2 | gzip > both.tar.gz
  berth save app:1.9 | docker load
  berth save --format oci -o app.oci.tar app:1.9";

/// `berth save`
#[derive(Args)]
pub struct SaveArgs {
    /// The images: NAME[:TAG], or the beginning of an id
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the archive is like
    #[arg(long, value_enum, default_value = "docker")]
    format: Form,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// What docker writes: every docker, podman and skopeo reads it
    Docker,
    /// An image layout and nothing else (oci-archive)
    Oci,
}

/// Writes the images into an archive.
pub(crate) fn run(args: &SaveArgs, environment: &Environment) -> Result<(), Failure> {
    let store = environment.store()?;
    let images: Vec<_> = args.images.iter().map(String::as_str).collect();
    let format = match args.format {
        Form::Docker => Format::Docker,
        Form::Oci => Format::Oci,
    };
    if let Some(path) = &args.output {
        refuse_special(path)?;
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        return save_to(&store, &images, format, path, Path::new(&part)).map_err(trouble::of_store);
    }
    if io::stdout().is_terminal() {
        return Err(Failure::other("cowardly refusing to save to a terminal")
            .hint("-o FILE writes to a file, and '>' redirects"));
    }
    store.save(&images, format, io::stdout().lock()).map_err(trouble::of_store)
}

/// Refuses a path that no file can have: a folder, or a device, which a file would take the place of.
pub(crate) fn refuse_special(path: &Path) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let text = format!("invalid output path: {} is no regular file", path.display());
            Err(Failure::other(text)
                .hint("name a file; 'berth save IMAGE' without -o writes to standard output"))
        }
        _ => Ok(()),
    }
}

/// Writes a file by way of another on the same volume. It has its name only when it is whole.
pub(crate) fn save_to(
    store: &Store,
    images: &[&str],
    format: Format,
    path: &Path,
    part: &Path,
) -> Result<(), Error> {
    write_to(path, part, |out| store.save(images, format, out))
}

/// Writes a file by way of another on the same volume. It has its name only when it is whole.
pub(crate) fn write_to(
    path: &Path,
    part: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Error>,
) -> Result<(), Error> {
    // A link stays, and what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let saved = File::create(part).map_err(|source| Error::Output { source }).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write(&mut out)?;
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(|source| Error::Output { source })
    });
    let saved = saved.and_then(|()| fs::rename(part, path).map_err(|source| Error::Output { source }));
    if saved.is_err() {
        // What is left of it is of no use; that it cannot be removed changes nothing of why it failed.
        let _ = fs::remove_file(part);
    }
    saved
}
