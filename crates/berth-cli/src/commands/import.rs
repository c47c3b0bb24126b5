//! `berth import FILE|- [NAME[:TAG]]`.

use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use berth_client::PlatformName;
use berth_images::Import;
use clap::Args;

use crate::commands::load::{opened, with_size};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::line;
use crate::progress::Stream;
use crate::{names, trouble};

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth import rootfs.tar.gz app:1.9
  tar -C rootfs -c . | berth import -c 'CMD [\"/bin/sh\"]' -c 'ENV A=b' - app
  docker export CONTAINER | berth import - app:exported";

/// `berth import`
#[derive(Args)]
pub struct ImportArgs {
    /// A tar archive of a file system, plain or packed; '-' is standard input
    #[arg(value_name = "FILE|-")]
    file: String,
    /// What the image is called
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
    /// An instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// What the history says
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// What the image runs on [default: as this machine]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<PlatformName>,
}

/// Makes an image of a file system, and prints its id.
pub(crate) fn run(args: &ImportArgs, environment: &Environment) -> Result<(), Failure> {
    if args.file.contains("://") {
        return Err(Failure::other(format!("{} is an address, and import reads files", args.file))
            .hint(format!("curl -fL {} | berth import - NAME", args.file)));
    }
    let name = args.name.as_deref().map(|name| names::tagged(&names::image(name)?)).transpose()?;
    let (input, size): (Box<dyn Read>, _) = match args.file.as_str() {
        "-" => (Box::new(io::stdin().lock()), None),
        file => with_size(opened(Path::new(file))?),
    };
    let changes: Vec<_> = args.change.iter().map(String::as_str).collect();
    let platform =
        args.platform.as_ref().map_or_else(berth_oci::Platform::of_this_machine, PlatformName::platform);
    let import = Import {
        name: name.as_ref(),
        // Docker's words for files as well: the client hands them on.
        message: args.message.as_deref().unwrap_or("Imported from -"),
        changes: &changes,
        platform: &platform,
        created: SystemTime::now(),
    };
    let bar = Stream::new(environment, false, size);
    let image = environment.store()?.import(bar.read(input), &import).map_err(trouble::of_store)?;
    drop(bar);
    line(&image.id.to_string())
}
