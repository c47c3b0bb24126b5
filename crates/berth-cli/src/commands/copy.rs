//! `berth copy SOURCE TARGET`.

use std::path::{Path, PathBuf};

use berth_client::{Copied, CopyOptions, PlatformName, Source, copy};
use berth_images::{Entry, Format, Image, Store, Wanted, host_platform};
use berth_oci::{Descriptor, ImageReference, Reference};
use clap::Args;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::commands::pull::PullArgs;
use crate::commands::save::save_to;
use crate::ends::{Engine, LocalStore};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::fetching;
use crate::names;
use crate::place::{Form, Place};
use crate::progress::{COPY, PULL, Progress, ProgressArgs};
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;
use crate::trouble::{self, Doing};
use crate::units;

mod opened;

use opened::Opened;

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
  berth copy --all-tags quay.io/org/app localhost:5000/app
  berth copy --platform linux/arm64 alpine:3 oci-archive:alpine.tar
  berth copy docker-daemon:app:1 localhost:5000/app:1

All platforms are copied, so that the digest stays; archives of docker, its engine and the images of
this machine get one.";

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
    /// Copy every tag of a repository to another repository
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
    if args.all_tags {
        return environment.wait_for(all_tags(args, environment, &registries, &source, &target));
    }
    let job = Job {
        environment,
        registries: &registries,
        platform: args.platform.as_ref(),
        is_whole: args.all_platforms,
        referrers: args.referrers,
        parallel: usize::from(args.parallel),
        progress: Progress::new(environment, args.progress, COPY),
    };
    environment.wait_for(job.run(&source, &target))
}

/// Copies an image into the local store under the name that it has where it is.
pub(crate) fn into_store(args: &PullArgs, environment: &Environment) -> Result<(), Failure> {
    let source = Place::read(&args.image)?;
    let registries = Registries::of(environment, &args.registry)?;
    let job = Job {
        environment,
        registries: &registries,
        platform: args.platform.as_ref(),
        is_whole: args.all_platforms,
        referrers: false,
        parallel: CopyOptions::default().parallel,
        progress: Progress::new(environment, args.progress, PULL),
    };
    environment.wait_for(async {
        let opened = job.open(&source).await?;
        job.to_local(&opened, None, environment.store()?).await
    })
}

async fn all_tags(
    args: &CopyArgs,
    environment: &Environment,
    registries: &Registries,
    source: &Place,
    target: &Place,
) -> Result<(), Failure> {
    let (Place::Registry(from), Place::Registry(to)) = (source, target) else {
        return Err(Failure::other("--all-tags copies between repositories of registries")
            .hint("name both without transport, tag and digest"));
    };
    if [from, to].iter().any(|name| name.tag().is_some() || name.digest().is_some()) {
        return Err(Failure::other("tag can't be used with --all-tags").hint("name the repositories alone"));
    }
    let remote = Remote::named(&from.to_string(), registries).await?;
    let mut tags = Vec::new();
    remote
        .each_tag(|page| {
            tags.extend(page);
            Ok(())
        })
        .await?;
    let mut failures = Vec::new();
    for tag in tags {
        let job = Job {
            environment,
            registries,
            platform: None,
            is_whole: true,
            referrers: args.referrers,
            parallel: usize::from(args.parallel),
            progress: Progress::new(environment, args.progress, COPY),
        };
        let (from, to) = (names::with_tag(from, &tag)?, names::with_tag(to, &tag)?);
        failures.extend(job.run(&Place::Registry(from), &Place::Registry(to)).await.err());
    }
    Failure::of_several(failures)
}

/// A copy to be done.
struct Job<'a> {
    environment: &'a Environment,
    registries: &'a Registries,
    platform: Option<&'a PlatformName>,
    /// Whether all platforms are copied to where one is usual.
    is_whole: bool,
    referrers: bool,
    parallel: usize,
    progress: Progress,
}

impl Job<'_> {
    async fn run(&self, source: &Place, target: &Place) -> Result<(), Failure> {
        let opened = self.open(source).await?;
        match (self.copied(&opened, target).await, &opened.local) {
            (Err(failure), Some((store, image))) => Err(trouble::of_image(store, image, failure).await),
            (done, _) => done,
        }
    }

    async fn copied(&self, opened: &Opened, target: &Place) -> Result<(), Failure> {
        match target {
            Place::Registry(name) => self.to_registry(opened, name).await,
            Place::Local(name) => {
                let name = names::tagged(&names::image(name)?)?;
                self.to_local(opened, Some(name), self.environment.store()?).await
            }
            Place::Layout { folder, name } => self.to_layout(opened, folder, name.as_deref()).await,
            Place::Archive { form, file, name } => {
                self.to_archive(opened, *form, file, name.as_deref()).await
            }
            Place::Engine(name) => self.to_engine(opened, name).await,
        }
    }

    fn options(&self) -> CopyOptions {
        CopyOptions { attachments: self.referrers, parallel: self.parallel, ..CopyOptions::default() }
    }

    async fn to_registry(&self, opened: &Opened, name: &ImageReference) -> Result<(), Failure> {
        let target = names::tagged(name)?;
        let repository = self.registries.repository(&target).await?;
        let top = self.told(
            opened,
            opened.source.manifest(&opened.at).await.map_err(berth_client::CopyError::Source),
        )?;
        if let Some(wanted) = target.digest().filter(|wanted| **wanted != top.digest) {
            return Err(Failure::other(format!("the image is {}, and should become {wanted}", top.digest))
                .hint("a digest says what an image is: name a tag, or nothing"));
        }
        let root = match self.platform {
            Some(platform) if berth_oci::media_type::is_index(&top.media_type) => platform
                .choose(&top)
                .map_err(|error| trouble::of_copy(Doing::Pulling, &opened.shown, error))?,
            _ => top.digest,
        };
        self.told(opened, fetching::begin(&opened.source, &root, &self.progress).await)?;
        if let Some(home) = opened.source.home() {
            self.progress.mounting_all(home.name());
        }
        let options = CopyOptions { watch: self.progress.watch(), ..self.options() };
        let at = names::reference(&target);
        let copied = copy(&opened.source, &Reference::Digest(root), &repository, &at, &options).await;
        let copied = copied.map_err(|error| match error {
            error @ berth_client::CopyError::Source(_) => {
                trouble::of_copy(Doing::Pulling, &opened.shown, error)
            }
            error => trouble::of_copy(Doing::Pushing, &target, error),
        })?;
        self.progress.settle();
        self.finish(&copied, &target.to_string())
    }

    /// Fetches the image into a store, of one platform unless all are wanted.
    async fn fetched(
        &self,
        opened: &Opened,
        sink: &LocalStore,
        is_whole: bool,
    ) -> Result<(Descriptor, Copied), Failure> {
        let usual = PlatformName::of_this_machine();
        let platform = self.platform.or_else(|| (!is_whole).then_some(&usual));
        let fetched =
            fetching::fetch(&opened.source, &opened.at, sink, platform, self.options(), &self.progress).await;
        self.told(opened, fetched)
    }

    fn told<T>(&self, opened: &Opened, done: Result<T, berth_client::CopyError>) -> Result<T, Failure> {
        done.map_err(|error| trouble::of_copy(Doing::Pulling, &opened.shown, error))
    }

    async fn to_local(
        &self,
        opened: &Opened,
        name: Option<ImageReference>,
        store: Store,
    ) -> Result<(), Failure> {
        self.refuse_referrers("the images of this machine have none")?;
        let name = name.or_else(|| opened.name.clone());
        let sink = LocalStore::new(store.transfer().map_err(Failure::other)?);
        let (top, copied) = self.fetched(opened, &sink, self.is_whole).await?;
        let image = self.listed(&sink, &top, name.as_ref())?;
        self.finish(&copied, &name.map_or_else(|| image.id.to_string(), |name| name.to_string()))
    }

    fn listed(
        &self,
        sink: &LocalStore,
        top: &Descriptor,
        name: Option<&ImageReference>,
    ) -> Result<Image, Failure> {
        let wanted = self.platform.map(PlatformName::platform);
        let host = host_platform();
        let wanted = wanted.as_ref().map_or(Wanted::Prefer(&host), Wanted::Only);
        sink.transfer.put_image(name, top, wanted).map_err(trouble::of_store)
    }

    async fn to_layout(&self, opened: &Opened, folder: &Path, name: Option<&str>) -> Result<(), Failure> {
        let store = Store::open(folder).map_err(trouble::of_store)?;
        let sink = LocalStore::new(store.transfer().map_err(Failure::other)?);
        // A layout with an index of which images are missing is of no use to others: the platform's image goes alone.
        let (top, copied) = match self.platform {
            None => self.fetched(opened, &sink, true).await?,
            Some(platform) => {
                let top = self.told(
                    opened,
                    opened.source.manifest(&opened.at).await.map_err(berth_client::CopyError::Source),
                )?;
                let is_index = berth_oci::media_type::is_index(&top.media_type);
                let root = if is_index { self.told(opened, platform.choose(&top))? } else { top.digest };
                let at = Reference::Digest(root);
                let fetched =
                    fetching::fetch(&opened.source, &at, &sink, None, self.options(), &self.progress).await;
                self.told(opened, fetched)?
            }
        };
        sink.transfer.put_entry(name, &top).map_err(trouble::of_store)?;
        for Entry { name, descriptor } in sink.beside() {
            if descriptor.digest != top.digest {
                sink.transfer.put_entry(name.as_deref(), &descriptor).map_err(trouble::of_store)?;
            }
        }
        let name = name.map(|name| format!(":{name}")).unwrap_or_default();
        self.finish(&copied, &format!("oci:{}{name}", folder.display()))
    }

    async fn to_archive(
        &self,
        opened: &Opened,
        form: Form,
        file: &Path,
        name: Option<&str>,
    ) -> Result<(), Failure> {
        let (form, is_whole, transport) = match form {
            Form::Oci => (Format::Oci, true, "oci-archive"),
            Form::Docker => (Format::Docker, self.is_whole, "docker-archive"),
        };
        let (copied, _) = self.packed(opened, form, file.to_owned(), name, is_whole).await?;
        self.finish(&copied, &format!("{transport}:{}", file.display()))
    }

    async fn to_engine(&self, opened: &Opened, name: &str) -> Result<(), Failure> {
        let engine = Engine::find()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("image.tar");
        let (copied, name) = self.packed(opened, Format::Docker, file.clone(), Some(name), false).await?;
        engine.load(tokio::fs::File::open(&file).await?).await?;
        self.finish(&copied, &format!("docker-daemon:{name}"))
    }

    /// Writes an archive with the image, by way of a store of its own.
    async fn packed(
        &self,
        opened: &Opened,
        form: Format,
        file: PathBuf,
        name: Option<&str>,
        is_whole: bool,
    ) -> Result<(Copied, String), Failure> {
        self.refuse_referrers("an archive has no place for them")?;
        let name = match name {
            Some(name) => Some(names::tagged(&names::image(name)?)?),
            None => opened.name.clone(),
        };
        let folder = tempfile::tempdir()?;
        let store = Store::open(folder.path()).map_err(trouble::of_store)?;
        let sink = LocalStore::new(store.transfer().map_err(Failure::other)?);
        let (top, copied) = self.fetched(opened, &sink, is_whole).await?;
        let image = self.listed(&sink, &top, name.as_ref())?;
        let text = name.map_or_else(|| image.id.to_string(), |name| name.familiar());
        let saved = text.clone();
        let written = spawn_blocking(move || save_to(&store, &[&saved], form, &file)).await;
        written.map_err(Failure::other)?.map_err(trouble::of_store)?;
        Ok((copied, text))
    }

    fn refuse_referrers(&self, why: &str) -> Result<(), Failure> {
        match self.referrers {
            false => Ok(()),
            true => Err(Failure::other(format!("--referrers: {why}"))
                .hint("registries and layouts (oci:DIR) take signatures and the like; leave the option out otherwise")),
        }
    }

    fn finish(&self, copied: &Copied, target: &str) -> Result<(), Failure> {
        self.progress.line(&format!("Digest: {}", copied.digest));
        let size = units::size(copied.tally.sent_bytes);
        self.progress.line(&format!(
            "Blobs: {} copied ({size}), {} mounted, {} there already",
            copied.tally.sent, copied.tally.mounted, copied.tally.existed
        ));
        let result = json!({
            "target": target,
            "digest": copied.digest.to_string(),
            "sent": copied.tally.sent,
            "sent_bytes": copied.tally.sent_bytes,
            "mounted": copied.tally.mounted,
            "existed": copied.tally.existed,
        });
        self.progress.finish(&result, target)
    }
}
