//! `berth rmi IMAGE…`.

use berth_images::{Removal, Removed};
use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::line;
use crate::trouble;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth rmi localhost:5000/app:1.9       the name, and with the last name the image
  berth rmi -f 4f53cda18c2b              the image with all its names
  berth rmi $(berth images -q)           everything

This removes images of this machine. 'berth rm' removes them at a registry.";

/// `berth rmi`
#[derive(Args)]
pub struct RmiArgs {
    /// The images: NAME[:TAG], NAME@DIGEST, or the beginning of an id
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Remove an image with all its names, whatever they are
    #[arg(long, short)]
    force: bool,
    /// Nothing: images of builds in between are not kept here
    #[arg(long, hide = true)]
    no_prune: bool,
}

/// Removes the images; one that cannot be removed does not keep the others.
pub(crate) fn run(args: &RmiArgs, environment: &Environment) -> Result<(), Failure> {
    let store = environment.store()?;
    let mut failures = Vec::new();
    for image in &args.images {
        match store.remove(image, args.force) {
            Ok(removed) => print(&removed, "Untagged", "Deleted")?,
            Err(error) => failures.push(trouble::of_store(error)),
        }
    }
    Failure::of_several(failures)
}

/// Prints what was removed, in these words.
pub(crate) fn print(removed: &Removed, untagged: &str, deleted: &str) -> Result<(), Failure> {
    removed.steps.iter().try_for_each(|step| match step {
        Removal::Untagged(name) => line(&format!("{untagged}: {name}")),
        Removal::Deleted(digest) => line(&format!("{deleted}: {digest}")),
    })
}
