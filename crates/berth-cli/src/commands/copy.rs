//! `berth copy SOURCE TARGET`.

use berth_client::{CopyOptions, PlatformName, Tally};
use berth_oci::{Digest, ImageReference};
use clap::Args;
use serde_json::json;

use crate::commands::pull::PullArgs;
use crate::commands::push;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::place::Place;
use crate::progress::{COPY, PULL, Progress, ProgressArgs, Words};
use crate::registries::{Registries, RegistryArgs};
use crate::scratch::Scratch;
use crate::units;

mod all_tags;
mod opened;
mod targets;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mPlaces:\x1b[0m
  NAME[:TAG|@DIGEST]         at a registry, as docker reads names; docker://NAME is the same
  local:NAME                 among the images of this machine
  oci:DIR[:NAME]             an image layout in a folder
  oci-archive:FILE[:NAME]    an image layout in an archive
  docker-archive:FILE[:NAME] an archive as of 'docker save'
  docker-daemon:NAME         docker's engine

\x1b[1;32mExamples:\x1b[0m
  berth copy alpine:3 localhost:5000/alpine:3
  berth copy --referrers quay.io/org/app:1.9 localhost:5000/app:1.9
  berth copy --all-tags quay.io/org/app oci:./app
  berth copy --platform linux/arm64 alpine:3 oci-archive:alpine.tar
  berth copy docker-daemon:app:1 localhost:5000/app:1

All platforms are copied, so that the digest stays; archives of docker, its engine and the images of
this machine get one. What is there is not sent again, and what was cut goes on where it stopped.";

/// `berth copy`
#[derive(Args)]
pub struct CopyArgs {
    /// Where the image is
    source: String,
    /// Where it goes
    target: String,
    /// Of an image for several platforms, copy this one alone
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<PlatformName>,
    /// Copy all platforms, also to where one is usual
    #[arg(long, conflicts_with = "platform")]
    all_platforms: bool,
    /// Copy what refers to the image as well: signatures, attestations, bills of materials
    #[arg(long)]
    referrers: bool,
    /// Copy every tag of a repository or an image layout
    #[arg(long, conflicts_with_all = ["platform", "all_platforms"])]
    all_tags: bool,
    /// Blobs that move at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    parallel: u8,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Copies the image.
pub(crate) fn run(args: &CopyArgs, environment: &Environment) -> Result<(), Failure> {
    let (source, target) = (Place::read(&args.source)?, Place::read(&args.target)?);
    let registries = Registries::of(environment, &args.registry)?;
    let scratch = Scratch::default();
    let job = Job {
        platform: args.platform.as_ref(),
        is_whole: args.all_platforms,
        referrers: args.referrers,
        parallel: usize::from(args.parallel),
        ..Job::new(environment, &registries, &scratch, args.progress, COPY)
    };
    let done = environment.wait_unless_stopped(async {
        match args.all_tags {
            true => job.run_all(&source, &target).await,
            false => job.run(&source, &target).await,
        }
    });
    done.map_err(|failure| scratch.explained(failure))
}

/// Copies an image into the local store under the name that it has where it is.
pub(crate) fn into_store(args: &PullArgs, environment: &Environment) -> Result<(), Failure> {
    let source = Place::read(&args.image)?;
    let registries = Registries::of(environment, &args.registry)?;
    let scratch = Scratch::default();
    let job = Job {
        platform: args.platform.as_ref(),
        is_whole: args.all_platforms,
        ..Job::new(environment, &registries, &scratch, args.progress, PULL)
    };
    let done = environment.wait_unless_stopped(async {
        let opened = job.open(&source).await?;
        job.to_local(&opened, None, environment.store()?).await
    });
    done.map_err(|failure| scratch.explained(failure))
}

/// A copy to be done.
struct Job<'a> {
    environment: &'a Environment,
    registries: &'a Registries,
    scratch: &'a Scratch,
    platform: Option<&'a PlatformName>,
    /// Whether all platforms are copied to where one is usual.
    is_whole: bool,
    referrers: bool,
    parallel: usize,
    progress: Progress,
}

impl<'a> Job<'a> {
    /// A copy of what is usual.
    fn new(
        environment: &'a Environment,
        registries: &'a Registries,
        scratch: &'a Scratch,
        progress: ProgressArgs,
        words: Words,
    ) -> Job<'a> {
        Job {
            environment,
            registries,
            scratch,
            platform: None,
            is_whole: false,
            referrers: false,
            parallel: CopyOptions::default().parallel,
            progress: Progress::new(environment, progress, words),
        }
    }

    /// Tells what was done for one image.
    fn finish(&self, digest: &Digest, tally: &Tally, target: &str) -> Result<(), Failure> {
        self.progress.line(&format!("Digest: {digest}"));
        self.count(tally);
        let result = json!({
            "target": target,
            "digest": digest.to_string(),
            "sent": tally.sent,
            "sent_bytes": tally.sent_bytes,
            "mounted": tally.mounted,
            "existed": tally.existed,
        });
        self.progress.finish(&result, target)
    }

    /// Tells what was done for several.
    fn finish_all(&self, tags: usize, tally: &Tally, target: &str) -> Result<(), Failure> {
        self.count(tally);
        let result = json!({
            "target": target,
            "tags": tags,
            "sent": tally.sent,
            "sent_bytes": tally.sent_bytes,
            "mounted": tally.mounted,
            "existed": tally.existed,
        });
        self.progress.finish(&result, target)
    }

    fn count(&self, tally: &Tally) {
        let size = units::size(tally.sent_bytes);
        self.progress.line(&format!(
            "Blobs: {} copied ({size}), {} mounted, {} there already",
            tally.sent, tally.mounted, tally.existed
        ));
    }
}

/// That a place has no tags of its own.
fn not_for_all() -> Failure {
    Failure::other("--all-tags copies between repositories of registries and image layouts")
        .hint("name a repository, oci:DIR or oci-archive:FILE on either side")
}

/// Refuses a name that nobody but Docker Hub itself may push.
fn refuse_root(name: &ImageReference, environment: &Environment) -> Result<(), Failure> {
    push::refuse_root(name, environment, |short, user| {
        format!("write {user}/{short}, or the name of another registry in front: localhost:5000/{short}")
    })
}
