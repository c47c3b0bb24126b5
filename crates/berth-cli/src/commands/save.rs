//! `berth save IMAGE…`.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use berth_images::{Error, Format};
use clap::{Args, ValueEnum};
use tokio::task::spawn_blocking;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::scratch::Scratch;
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
    let format = match args.format {
        Form::Docker => Format::Docker,
        Form::Oci => Format::Oci,
    };
    if let Some(path) = &args.output {
        refuse_special(path)?;
        let (scratch, images) = (Scratch::default(), args.images.clone());
        let part = scratch.folder(Some(path))?.join("archive");
        return environment.wait_unless_stopped(async {
            let save = move |out: &mut BufWriter<File>| {
                let images: Vec<_> = images.iter().map(String::as_str).collect();
                store.save(&images, format, out)
            };
            write_part(part.clone(), save).await?;
            name_part(&part, path)
        });
    }
    if io::stdout().is_terminal() {
        return Err(Failure::other("cowardly refusing to save to a terminal")
            .hint("-o FILE writes to a file, and '>' redirects"));
    }
    let images: Vec<_> = args.images.iter().map(String::as_str).collect();
    store.save(&images, format, io::stdout().lock()).map_err(trouble::of_store)
}

/// Refuses a path that no file can have: a folder, or a device, which a file would take the place of.
pub(crate) fn refuse_special(path: &Path) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let text = format!("invalid output path: {} is no regular file", path.display());
            Err(Failure::other(text).hint("name a file"))
        }
        _ => Ok(()),
    }
}

/// Writes a file that has no name yet, where threads may wait.
pub(crate) async fn write_part(
    part: PathBuf,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Error> + Send + 'static,
) -> Result<(), Failure> {
    let written = spawn_blocking(move || {
        let file = File::create(part).map_err(|source| Error::Output { source })?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write(&mut out)?;
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(|source| Error::Output { source })
    });
    written.await.map_err(Failure::other)?.map_err(trouble::of_store)
}

/// Gives a file that is whole its name. It lies on the same volume.
pub(crate) fn name_part(part: &Path, path: &Path) -> Result<(), Failure> {
    // A link stays, and what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    fs::rename(part, path).map_err(|source| trouble::of_store(Error::Output { source }))
}
