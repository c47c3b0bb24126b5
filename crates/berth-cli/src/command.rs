//! What can be written about images.

use clap::Subcommand;

use crate::commands;
use crate::environment::Environment;
use crate::failure::Failure;

/// The commands about images.
#[derive(Subcommand)]
pub enum ImageCommand {
    /// Print the digest of an image, without pulling it
    Digest(commands::digest::DigestArgs),
    /// Download an image from a registry
    #[command(after_help = commands::pull::EXAMPLES)]
    Pull(commands::pull::PullArgs),
    /// Upload an image to a registry
    #[command(after_help = commands::push::EXAMPLES)]
    Push(commands::push::PushArgs),
}

impl ImageCommand {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// [`Failure`], which is to be told.
    pub fn run(&self, environment: &Environment) -> Result<(), Failure> {
        match self {
            ImageCommand::Digest(args) => commands::digest::run(args, environment),
            ImageCommand::Pull(args) => commands::pull::run(args, environment),
            ImageCommand::Push(args) => commands::push::run(args, environment),
        }
    }
}
