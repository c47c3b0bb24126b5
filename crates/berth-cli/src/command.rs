//! What can be written about images.

use clap::Subcommand;

use crate::commands;
use crate::environment::Environment;
use crate::failure::Failure;

/// The commands about images.
#[derive(Subcommand)]
pub enum ImageCommand {
    /// Copy an image from anywhere to anywhere
    #[command(after_help = commands::copy::EXAMPLES)]
    Copy(commands::copy::CopyArgs),
    /// Print the digest of an image, without pulling it
    #[command(after_help = commands::digest::EXAMPLES)]
    Digest(commands::digest::DigestArgs),
    /// Show how an image was built
    #[command(after_help = commands::history::EXAMPLES)]
    History(commands::history::HistoryArgs),
    /// List images
    #[command(after_help = commands::images::EXAMPLES)]
    Images(commands::images::ImagesArgs),
    /// Make an image of a file system
    #[command(after_help = commands::import::EXAMPLES)]
    Import(commands::import::ImportArgs),
    /// Show everything that an image says of itself
    #[command(after_help = commands::inspect::EXAMPLES)]
    Inspect(commands::inspect::InspectArgs),
    /// List the layers of an image
    Layers(commands::layers::LayersArgs),
    /// Load images from an archive
    #[command(after_help = commands::load::EXAMPLES)]
    Load(commands::load::LoadArgs),
    /// Sign in at a registry
    #[command(after_help = commands::login::EXAMPLES)]
    Login(commands::login::LoginArgs),
    /// Forget the sign-in at a registry
    Logout(commands::logout::LogoutArgs),
    /// List the repositories of a registry
    Ls(commands::ls::LsArgs),
    /// Print the manifest of an image, or its index
    #[command(after_help = commands::manifest::EXAMPLES)]
    Manifest(commands::manifest::ManifestArgs),
    /// Remove images without a tag, and what interrupted transfers have left
    #[command(after_help = commands::prune::EXAMPLES)]
    Prune(commands::prune::PruneArgs),
    /// Download an image from a registry
    #[command(after_help = commands::pull::EXAMPLES)]
    Pull(commands::pull::PullArgs),
    /// Upload an image to a registry
    #[command(after_help = commands::push::EXAMPLES)]
    Push(commands::push::PushArgs),
    /// List what refers to an image: signatures, attestations, bills of materials
    Referrers(commands::referrers::ReferrersArgs),
    /// Delete a tag or an image at a registry
    #[command(after_help = commands::rm::EXAMPLES)]
    Rm(commands::rm::RmArgs),
    /// Remove images
    #[command(after_help = commands::rmi::EXAMPLES)]
    Rmi(commands::rmi::RmiArgs),
    /// Save images into an archive
    #[command(after_help = commands::save::EXAMPLES)]
    Save(commands::save::SaveArgs),
    /// Search a registry
    #[command(after_help = commands::search::EXAMPLES)]
    Search(commands::search::SearchArgs),
    /// Give an image another name
    #[command(after_help = commands::tag::EXAMPLES)]
    Tag(commands::tag::TagArgs),
    /// List the tags of a repository
    Tags(commands::tags::TagsArgs),
}

impl ImageCommand {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// [`Failure`], which is to be told.
    pub fn run(&self, environment: &Environment) -> Result<(), Failure> {
        match self {
            ImageCommand::Copy(args) => commands::copy::run(args, environment),
            ImageCommand::Digest(args) => commands::digest::run(args, environment),
            ImageCommand::History(args) => commands::history::run(args, environment),
            ImageCommand::Images(args) => commands::images::run(args, environment),
            ImageCommand::Import(args) => commands::import::run(args, environment),
            ImageCommand::Inspect(args) => commands::inspect::run(args, environment),
            ImageCommand::Layers(args) => commands::layers::run(args, environment),
            ImageCommand::Load(args) => commands::load::run(args, environment),
            ImageCommand::Login(args) => commands::login::run(args, environment),
            ImageCommand::Logout(args) => commands::logout::run(args, environment),
            ImageCommand::Ls(args) => commands::ls::run(args, environment),
            ImageCommand::Manifest(args) => commands::manifest::run(args, environment),
            ImageCommand::Prune(args) => commands::prune::run(args, environment),
            ImageCommand::Pull(args) => commands::pull::run(args, environment),
            ImageCommand::Push(args) => commands::push::run(args, environment),
            ImageCommand::Referrers(args) => commands::referrers::run(args, environment),
            ImageCommand::Rm(args) => commands::rm::run(args, environment),
            ImageCommand::Rmi(args) => commands::rmi::run(args, environment),
            ImageCommand::Save(args) => commands::save::run(args, environment),
            ImageCommand::Search(args) => commands::search::run(args, environment),
            ImageCommand::Tag(args) => commands::tag::run(args, environment),
            ImageCommand::Tags(args) => commands::tags::run(args, environment),
        }
    }
}
