//! `berth rmi IMAGE…`.

use std::collections::HashSet;

use berth_images::{Error, Removal};
use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::line;
use crate::trouble;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth rmi localhost:5000/app:1.9       the name, and with the last name the image
  berth rmi -f 4f53cda18c2b              the image with all its names
  berth rmi -f $(berth images -q)        everything

This removes images of this machine. 'berth rm' removes them at a registry.";

/// `berth rmi`
#[derive(Args)]
pub struct RmiArgs {
    /// The images: NAME[:TAG], NAME@DIGEST, or the beginning of an id
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Remove an image with all its names, whatever they are; one that is not there is no failure
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
    // `berth images -q` tells an image as often as it has names.
    let mut seen = HashSet::new();
    for image in args.images.iter().filter(|image| seen.insert(*image)) {
        match store.remove(image, args.force) {
            Ok(removed) => removed.steps.iter().try_for_each(|step| line(&told(step)))?,
            Err(error @ Error::NoSuchImage { .. }) if args.force => {
                trouble::of_store(error).tell();
            }
            Err(error) => failures.push(trouble::of_store(error)),
        }
    }
    Failure::of_several(failures)
}

/// A step of a removal in docker's words.
pub(crate) fn told(step: &Removal) -> String {
    match step {
        Removal::Untagged(name) => format!("Untagged: {name}"),
        Removal::Deleted(digest) => format!("Deleted: {digest}"),
    }
}
