//! `berth pull IMAGE`.

use berth_client::{CopyError, CopyOptions, Patience, PlatformName, Repository, Source};
use berth_images::{Store, Transfer, Wanted};
use berth_oci::{Descriptor, Digest, ImageReference, Reference};
use clap::Args;
use serde_json::json;

use crate::commands::copy;
use crate::ends::{LocalStore, Remembered};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::fetching;
use crate::names;
use crate::output;
use crate::place::Place;
use crate::progress::{PULL, Progress, ProgressArgs};
use crate::registries::{Registries, RegistryArgs, Route};
use crate::trouble::{self, Doing};

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth pull alpine                      docker.io/library/alpine:latest, for this machine
  berth pull localhost:5000/app:1.9
  berth pull --platform linux/arm64 alpine:3
  berth pull --all-platforms quay.io/prometheus/busybox
  berth pull -q alpine@sha256:…          prints the name alone

What is here is not fetched again, and what was cut goes on where it stopped.";

/// `berth pull`
#[derive(Args)]
pub struct PullArgs {
    /// The image: NAME[:TAG] or NAME@DIGEST; or oci:DIR, docker-daemon:NAME and others, as for copy
    pub(crate) image: String,
    /// Pull all tags of the repository
    #[arg(long, short)]
    all_tags: bool,
    /// Of an image for several platforms, pull this one [default: that of this machine]
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<PlatformName>,
    /// Pull all platforms of the image
    #[arg(long, conflicts_with = "platform")]
    pub(crate) all_platforms: bool,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Pulls the image.
pub(crate) fn run(args: &PullArgs, environment: &Environment) -> Result<(), Failure> {
    if Place::is_transport(&args.image) {
        return copy::into_store(args, environment);
    }
    let image = names::image(&args.image)?;
    let registries = Registries::of(environment, &args.registry)?;
    let platform = match args.all_platforms {
        true => None,
        false => Some(args.platform.clone().unwrap_or_else(PlatformName::of_this_machine)),
    };
    let pull = Pull { environment, args, registries, platform, store: environment.store()? };
    environment.wait_for(async {
        if !args.all_tags {
            return pull.one(&image, true).await.map(drop);
        }
        if image.tag().is_some() || image.digest().is_some() {
            return Err(
                Failure::other("tag can't be used with --all-tags/-a").hint("name the repository alone")
            );
        }
        pull.all(&image).await
    })
}

/// What docker says at the beginning.
fn begun(image: &ImageReference, at: &Reference) -> String {
    let what = at.tag().map_or_else(|| image.to_string(), ToString::to_string);
    format!("{what}: Pulling from {}", image.repository())
}

/// What docker says at the end.
fn status(is_new: bool, name: &str) -> String {
    match is_new {
        true => format!("Status: Downloaded newer image for {name}"),
        false => format!("Status: Image is up to date for {name}"),
    }
}

struct Pull<'a> {
    environment: &'a Environment,
    args: &'a PullArgs,
    registries: Registries,
    /// All of them, if it is none.
    platform: Option<PlatformName>,
    store: Store,
}

impl Pull<'_> {
    async fn tags(&self, image: &ImageReference) -> Result<Vec<String>, Failure> {
        let repository = self.registries.repository(image).await?;
        let told = |error| trouble::trouble(Doing::Pulling, image, error);
        repository.client().all_tags(repository.name()).map_err(told)?.all().await.map_err(told)
    }

    /// Pulls all tags of a repository, of which docker tells the end once.
    async fn all(&self, image: &ImageReference) -> Result<(), Failure> {
        let mut is_new = false;
        for tag in self.tags(image).await? {
            is_new |= self.one(&names::with_tag(image, &tag)?, false).await?;
        }
        if !self.args.progress.json {
            let progress = Progress::new(self.environment, self.args.progress, PULL);
            progress.line(&status(is_new, &names::repository(image)));
            output::line(&format!("{}/{}", image.registry(), image.repository()))?;
        }
        Ok(())
    }

    /// Pulls one image, and tells it in docker's words. Whether it was fetched.
    async fn one(&self, image: &ImageReference, is_alone: bool) -> Result<bool, Failure> {
        let progress = Progress::new(self.environment, self.args.progress, PULL);
        if is_alone && image.tag().is_none() && image.digest().is_none() {
            progress.line("Using default tag: latest");
        }
        let image = names::tagged(image)?;
        let at = names::reference(&image);
        let transfer = self.store.transfer().map_err(Failure::other)?;
        let known = self.known(&image);
        let fetched = self.fetch(&image, &at, &transfer, &progress, known.as_ref()).await?;
        let wanted = self.platform.as_ref().map(PlatformName::platform);
        let host = berth_oci::Platform::of_this_machine();
        let wanted = wanted.as_ref().map_or(Wanted::Prefer(&host), Wanted::Only);
        let listed = transfer.put_image(Some(&image), &fetched.top, wanted).map_err(Failure::other)?;
        let digest = &fetched.top.digest;
        progress.line(&format!("Digest: {digest}"));
        let result = json!({
            "image": image.to_string(),
            "id": listed.id.to_string(),
            "digest": digest.to_string(),
            "size": listed.size,
            "new": fetched.is_new,
        });
        if is_alone || self.args.progress.json {
            progress.line(&status(fetched.is_new, &image.familiar()));
            progress.finish(&result, &image.to_string())?;
        }
        Ok(fetched.is_new)
    }

    /// What the name stands for in the store now.
    fn known(&self, image: &ImageReference) -> Option<Descriptor> {
        let listed = self.store.list().ok()?;
        let named = listed.into_iter().find(|listed| match image.digest() {
            Some(digest) => listed.image.descriptor.digest == *digest,
            None => listed.name.as_ref() == Some(image),
        });
        Some(named?.image.descriptor)
    }

    /// Fetches what is missing of an image, from the first place that has it.
    async fn fetch(
        &self,
        image: &ImageReference,
        at: &Reference,
        transfer: &Transfer,
        progress: &Progress,
        known: Option<&Descriptor>,
    ) -> Result<Fetched, Failure> {
        let mut routes = self.registries.routes(image)?.into_iter().peekable();
        while let Some(route) = routes.next() {
            let tried = self.fetch_from(&route, image, at, transfer, progress, known).await;
            match tried {
                Err(failure) if routes.peek().is_some() => {
                    tracing::debug!(target: "berth_egress::requests", "mirror {}: {failure}", route.host);
                }
                tried => return tried,
            }
        }
        Err(Failure::other(format!("{} has no place", image.familiar())))
    }

    async fn fetch_from(
        &self,
        route: &Route,
        image: &ImageReference,
        at: &Reference,
        transfer: &Transfer,
        progress: &Progress,
        known: Option<&Descriptor>,
    ) -> Result<Fetched, Failure> {
        let repository = self.registries.at(route).await?;
        if let Some(known) = known
            && self.is_whole(transfer, known)
            && names(&repository, at, &known.digest).await
        {
            progress.line(&begun(image, at));
            return Ok(Fetched { top: known.clone(), is_new: false });
        }
        let source = Remembered::new(repository);
        let told = |error| trouble::of_copy(Doing::Pulling, image, error);
        // It is remembered; of what is not there, docker does not say that it pulls it.
        source.manifest(at).await.map_err(|error| told(CopyError::Source(error)))?;
        progress.line(&begun(image, at));
        let sink = LocalStore::new(transfer.clone());
        let fetched =
            fetching::fetch(&source, at, &sink, self.platform.as_ref(), CopyOptions::default(), progress)
                .await;
        let (top, _) = fetched.map_err(told)?;
        let is_new = known.is_none_or(|known| known.digest != top.digest);
        Ok(Fetched { top, is_new })
    }

    /// Whether everything that is wanted of an image is here.
    fn is_whole(&self, transfer: &Transfer, known: &Descriptor) -> bool {
        let wanted = self.platform.as_ref().map(PlatformName::platform);
        wanted.is_some_and(|wanted| transfer.has_image(known, Wanted::Only(&wanted)).unwrap_or_default())
    }
}

/// What was fetched, or was here.
struct Fetched {
    top: Descriptor,
    /// Whether the name stood for something else before.
    is_new: bool,
}

/// Whether a reference still names what is here. Registries do not count that as a pull.
async fn names(repository: &Repository, at: &Reference, digest: &Digest) -> bool {
    let head = repository.client().head_manifest(repository.name(), at, Patience::Long).await;
    head.is_ok_and(|head| head.digest.as_ref() == Some(digest))
}
