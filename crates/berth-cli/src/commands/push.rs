//! `berth push IMAGE`.

use std::collections::HashMap;

use berth_client::{CopyOptions, PlatformName, Repository, Source, copy};
use berth_engine_config::{SignIn, sign_in};
use berth_images::{Image, Listed, Store, Transfer};
use berth_oci::media_type::is_index;
use berth_oci::{DOCKER_HUB, Digest, ImageReference, Manifest, Reference, Role, Tag};
use clap::Args;
use serde_json::json;

use crate::ends::{LocalImage, Pushed};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::progress::{PUSH, Progress, ProgressArgs};
use crate::registries::{Registries, RegistryArgs};
use crate::trouble::{self, Doing};

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth push localhost:5000/app:1.9
  berth push ann/app                     to docker.io, after 'berth login'
  berth push --all-tags localhost:5000/app

Layers that the registry has are not sent; those of its other repositories are mounted from there.";

/// Layers that are sent at the same time, as docker does it.
const AT_ONCE: usize = 5;
/// Images in which is looked where a registry may have a layer already.
const LOOKED_AT: usize = 200;

/// `berth push`
#[derive(Args)]
pub struct PushArgs {
    /// The image: NAME[:TAG]
    image: String,
    /// Push all tags of the repository that are here
    #[arg(long, short)]
    all_tags: bool,
    /// Of an image for several platforms, push this one alone
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<PlatformName>,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Pushes the image.
pub(crate) fn run(args: &PushArgs, environment: &Environment) -> Result<(), Failure> {
    let name = names::image(&args.image)?;
    if name.digest().is_some() {
        return Err(Failure::other("cannot push a digest reference").hint("push a tag: NAME:TAG"));
    }
    if args.all_tags && name.tag().is_some() {
        return Err(Failure::other("tag can't be used with --all-tags/-a").hint("name the repository alone"));
    }
    refuse_root(&name, environment, |short, user| {
        format!(
            "berth tag {short} {user}/{short} && berth push {user}/{short}; \
             for another registry its name stands in front: localhost:5000/{short}"
        )
    })?;
    let registries = Registries::of(environment, &args.registry)?;
    let push = Push { args, environment, store: environment.store()? };
    environment.wait_for(push.all(&name, &registries))
}

/// Names of one part at Docker Hub are those of its official images. `hint` gets the name and the user who may be meant.
pub(crate) fn refuse_root(
    name: &ImageReference,
    environment: &Environment,
    hint: impl FnOnce(&str, &str) -> String,
) -> Result<(), Failure> {
    let Some(short) = name.repository().as_str().strip_prefix("library/") else { return Ok(()) };
    if name.registry() != DOCKER_HUB {
        return Ok(());
    }
    let text = format!(
        "You cannot push a \"root\" repository. Please rename your repository to docker.io/<user>/{short} \
         (ex: docker.io/user/{short})"
    );
    // A file that cannot be read is told of when it is needed.
    let user = match sign_in::find(&environment.folders, DOCKER_HUB) {
        Ok(Some((SignIn::Password { user, .. } | SignIn::IdentityToken { user, .. }, _)))
            if !user.is_empty() =>
        {
            user
        }
        _ => "USER".to_owned(),
    };
    let tag = name.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
    Err(Failure::other(text).hint(hint(&format!("{short}{tag}"), &user)))
}

struct Push<'a> {
    args: &'a PushArgs,
    environment: &'a Environment,
    store: Store,
}

impl Push<'_> {
    async fn all(&self, name: &ImageReference, registries: &Registries) -> Result<(), Failure> {
        let listed = self.store.list().map_err(Failure::other)?;
        let progress = Progress::new(self.environment, self.args.progress, PUSH);
        if name.tag().is_none() && !self.args.all_tags {
            progress.line("Using default tag: latest");
        }
        progress.line(&format!("The push refers to repository [{}/{}]", name.registry(), name.repository()));
        drop(progress);
        let wanted = self.wanted(name, &listed)?;
        let repository = registries.repository(name).await?;
        let transfer = self.store.transfer().map_err(Failure::other)?;
        let elsewhere = elsewhere(&transfer, name, &listed);
        for (tag, image) in wanted {
            self.one(name, &tag, &image, &transfer, &repository, &elsewhere).await?;
        }
        Ok(())
    }

    /// The images to be pushed, with their tags.
    fn wanted(&self, name: &ImageReference, listed: &[Listed]) -> Result<Vec<(Tag, Image)>, Failure> {
        let tags = listed.iter().filter_map(|listed| {
            let own = listed.name.as_ref()?;
            let is_same = own.registry() == name.registry() && own.repository() == name.repository();
            Some((own.tag().filter(|_| is_same)?.clone(), listed.image.clone()))
        });
        let mut tags: Vec<_> = tags.collect();
        tags.sort_by(|(one, _), (other, _)| one.cmp(other));
        let familiar = names::repository(name);
        if tags.is_empty() {
            return Err(Failure::other(format!("An image does not exist locally with the tag: {familiar}"))
                .hint(format!(
                    "'berth images' lists what is here; 'berth tag IMAGE {familiar}' gives an image this name"
                )));
        }
        if !self.args.all_tags {
            let tag = name.tag().cloned().unwrap_or_else(names::latest);
            let there: Vec<_> = tags.iter().map(|(tag, _)| tag.to_string()).collect();
            tags.retain(|(known, _)| *known == tag);
            if tags.is_empty() {
                return Err(Failure::other(format!("tag does not exist: {familiar}:{tag}"))
                    .hint(format!("tags of {familiar} that are here: {}", there.join(", "))));
            }
        }
        Ok(tags)
    }

    async fn one(
        &self,
        name: &ImageReference,
        tag: &Tag,
        image: &Image,
        transfer: &Transfer,
        repository: &Repository,
        elsewhere: &HashMap<Digest, String>,
    ) -> Result<(), Failure> {
        let progress = Progress::new(self.environment, self.args.progress, PUSH);
        let name = names::with_tag(name, tag.as_str())?;
        let source = LocalImage::new(transfer, image).map_err(Failure::other)?;
        let told = |error| trouble::of_copy(Doing::Pushing, &name, error);
        let root = self.root(image, transfer, &source, &progress).await?;
        let at = Reference::Digest(root.clone());
        let manifest =
            source.manifest(&at).await.map_err(|error| told(berth_client::CopyError::Source(error)))?;
        if let Ok(read) = Manifest::read(&manifest.media_type, &manifest.content) {
            let layers = read.references.iter().filter(|reference| reference.role == Role::Layer);
            // Docker has them the other way round.
            let layers: Vec<_> = layers.map(|layer| &layer.descriptor).collect();
            progress.begin(layers.into_iter().rev());
        }
        let sink = Pushed {
            repository: repository.clone(),
            elsewhere: elsewhere.clone(),
            progress: progress.clone(),
        };
        let options = CopyOptions { watch: progress.watch(), parallel: AT_ONCE, ..CopyOptions::default() };
        let copied = match copy(&source, &at, &sink, &Reference::Tag(tag.clone()), &options).await {
            Err(error) if trouble::is_suspect(&error) => {
                return Err(trouble::of_image(&self.store, image, told(error)).await);
            }
            copied => copied.map_err(told)?,
        };
        progress.settle();
        let (digest, size) = (&copied.digest, manifest.content.len());
        let result = json!({
            "image": name.to_string(),
            "digest": digest.to_string(),
            "size": size,
            "sent": copied.tally.sent,
            "sent_bytes": copied.tally.sent_bytes,
            "mounted": copied.tally.mounted,
            "existed": copied.tally.existed,
        });
        let text = match self.args.progress.quiet {
            true => name.to_string(),
            false => format!("{tag}: digest: {digest} size: {size}"),
        };
        progress.finish(&result, &text)
    }

    /// What is pushed of an image: all of it, or the one platform that is here or wanted.
    async fn root(
        &self,
        image: &Image,
        transfer: &Transfer,
        source: &LocalImage,
        progress: &Progress,
    ) -> Result<Digest, Failure> {
        let top = &image.descriptor;
        if !is_index(&top.media_type) {
            return Ok(top.digest.clone());
        }
        if let Some(platform) = &self.args.platform {
            let index =
                source.manifest(&Reference::Digest(top.digest.clone())).await.map_err(Failure::other)?;
            return platform.choose(&index).map_err(Failure::other);
        }
        if transfer.has_all(image).map_err(Failure::other)? {
            return Ok(top.digest.clone());
        }
        progress.note(&format!(
            "note: not all platforms of the image are here, so the one that is goes alone: {} -> {}",
            top.digest, image.manifest
        ));
        Ok(image.manifest.clone())
    }
}

/// Repositories of the same registry whose images, as they are here, have a layer: the registry may have it there.
fn elsewhere(transfer: &Transfer, name: &ImageReference, listed: &[Listed]) -> HashMap<Digest, String> {
    let others = listed.iter().rev().filter_map(|listed| {
        let own = listed.name.as_ref()?;
        let is_other = own.registry() == name.registry() && own.repository() != name.repository();
        is_other.then_some((own.repository().as_str(), &listed.image))
    });
    let mut found = HashMap::new();
    for (repository, image) in others.take(LOOKED_AT) {
        // One that cannot be read is of no help, and no hindrance.
        let Ok(layers) = transfer.layers(image) else { continue };
        for layer in layers {
            found.entry(layer.digest).or_insert_with(|| repository.to_owned());
        }
    }
    found
}
