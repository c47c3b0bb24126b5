//! `berth load`.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::line;
use crate::progress::Stream;
use crate::trouble;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth load -i app.tar
  docker save app:1.9 | berth load
  buildah push app oci-archive:app.tar && berth load -i app.tar

Archives of docker and podman and OCI archives, plain or packed with gzip or Zstandard.";

/// `berth load`
#[derive(Args)]
pub struct LoadArgs {
    /// Read a file instead of standard input
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print nothing but what was loaded
    #[arg(long, short)]
    quiet: bool,
}

/// Loads the images of an archive.
pub(crate) fn run(args: &LoadArgs, environment: &Environment) -> Result<(), Failure> {
    let (input, size): (Box<dyn Read>, _) = match &args.input {
        Some(path) => with_size(opened(path)?),
        None if io::stdin().is_terminal() => {
            return Err(Failure::other("requested load from stdin, but stdin is empty")
                .hint("-i FILE reads a file, and '<' redirects"));
        }
        None => (Box::new(io::stdin().lock()), None),
    };
    let bar = Stream::new(environment, args.quiet, size);
    let loaded = environment
        .store()?
        .load(bar.read(input), &berth_oci::Platform::of_this_machine())
        .map_err(trouble::of_store)?;
    drop(bar);
    for loaded in loaded {
        if loaded.names.is_empty() {
            line(&format!("Loaded image ID: {}", loaded.image.id))?;
        }
        for name in loaded.names {
            line(&format!("Loaded image: {}", name.familiar()))?;
        }
    }
    Ok(())
}

/// Opens a file that somebody named.
///
/// # Errors
/// That it is not there, cannot be read or is a folder.
pub(crate) fn opened(path: &Path) -> Result<File, Failure> {
    let told = |error: io::Error| {
        let why = match error.kind() {
            ErrorKind::NotFound => "no such file or directory".to_owned(),
            ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        Failure::other(format!("open {}: {why}", path.display()))
    };
    let file = File::open(path).map_err(told)?;
    match file.metadata().map_err(told)?.is_dir() {
        true => Err(Failure::other(format!("read {}: is a directory", path.display()))
            .hint("'berth copy oci:DIR local:NAME' reads the folder of an image layout")),
        false => Ok(file),
    }
}

/// The file, and its length in bytes unless it is a pipe.
pub(crate) fn with_size(file: File) -> (Box<dyn Read>, Option<u64>) {
    let size = file.metadata().ok().filter(Metadata::is_file).map(|there| there.len());
    (Box::new(file), size)
}
