//! `berth tag SOURCE TARGET`.

use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::{names, trouble};

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth tag app localhost:5000/app:1.9
  berth tag 4f53cda18c2b ann/app         by the beginning of its id

Nothing moves: it is the same image with one more name. Tags at a server are changed by a push.";

/// `berth tag`
#[derive(Args)]
pub struct TagArgs {
    /// The image: NAME[:TAG], or the beginning of its id
    source: String,
    /// Its new name: NAME[:TAG]
    target: String,
}

/// Gives the image another name.
pub(crate) fn run(args: &TagArgs, environment: &Environment) -> Result<(), Failure> {
    let target = names::image(&args.target)?;
    environment.store()?.tag(&args.source, &target).map_err(trouble::of_store)
}
