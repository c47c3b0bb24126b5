//! `berth save IMAGE…`.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use berth_images::{Error, Format, Store};
use clap::{Args, ValueEnum};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::Stream;
use crate::{trouble, whole_file};

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
    let images: Vec<_> = args.images.iter().map(String::as_str).collect();
    let format = match args.format {
        Form::Docker => Format::Docker,
        Form::Oci => Format::Oci,
    };
    let store = environment.store()?;
    let bar = Stream::new(environment, false, None);
    if let Some(path) = &args.output {
        return whole_file::write(path, |file| save(&store, &images, format, bar.write(file), Some(path)));
    }
    if io::stdout().is_terminal() {
        return Err(Failure::other("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
    }
    save(&store, &images, format, bar.write(io::stdout().lock()), None)
}

/// Writes a file. It has its name only when it is whole.
///
/// # Errors
/// That there can be no such file, or an image is not here.
pub(crate) fn save_to(store: &Store, images: &[&str], format: Format, path: &Path) -> Result<(), Failure> {
    whole_file::write(path, |file| save(store, images, format, file, Some(path)))
}

fn save(
    store: &Store,
    images: &[&str],
    format: Format,
    out: impl Write,
    path: Option<&Path>,
) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let saved = store.save(images, format, &mut out);
    match (saved.and_then(|()| out.flush().map_err(|source| Error::Output { source })), path) {
        (Ok(()), _) => Ok(()),
        (Err(Error::Output { source }), Some(path)) => {
            let failure = Failure::other(format!("could not write {}: {source}", path.display()));
            Err(match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    failure.hint("free space there, or write to another disk")
                }
                _ => failure,
            })
        }
        (Err(error), _) => Err(trouble::of_store(error)),
    }
}
