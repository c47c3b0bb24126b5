//! Where a copy goes, one way for each sort of place.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use berth_client::{Copied, CopyError, CopyOptions, FetchedManifest, PlatformName, Source, copy};
use berth_images::{Entry, Error, Format, Image, Store, Transfer, Wanted};
use berth_oci::media_type::is_index;
use berth_oci::{Descriptor, Digest, ImageReference, Reference};
use tokio::task::spawn_blocking;

use super::opened::Opened;
use super::{Job, refuse_root};
use crate::commands::save::save_to;
use crate::ends::{Engine, LocalStore};
use crate::failure::Failure;
use crate::fetching;
use crate::names;
use crate::place::{Form, Place};
use crate::trouble::{self, Doing};
use crate::whole_file;

impl Job<'_> {
    pub(super) async fn run(&self, source: &Place, target: &Place) -> Result<(), Failure> {
        self.check(target)?;
        let opened = self.open(source).await?;
        let copied = self.to(&opened, target).await;
        match (copied, source) {
            (Err(failure), Place::Local(name)) => {
                let store = self.environment.store()?;
                match store.resolve(name) {
                    Ok(image) => Err(trouble::of_image(&store, &image, failure).await),
                    Err(_) => Err(failure),
                }
            }
            (copied, _) => copied,
        }
    }

    async fn to(&self, opened: &Opened, target: &Place) -> Result<(), Failure> {
        match target {
            Place::Registry(name) => self.to_registry(opened, name).await,
            Place::Local(name) => {
                let name = names::tagged(&names::image(name)?)?;
                self.to_local(opened, Some(name), self.environment.store()?).await
            }
            Place::Layout { folder, name } => self.to_layout(opened, target, folder, name.as_deref()).await,
            Place::Archive { form: Form::Oci, file, name } => {
                self.to_layout_archive(opened, target, file, name.as_deref()).await
            }
            Place::Archive { form: Form::Docker, file, name } => {
                self.to_docker_archive(opened, target, file, name.as_deref()).await
            }
            Place::Engine(name) => self.to_engine(opened, target, name).await,
        }
    }

    /// Refuses what cannot be done, before anything moves.
    pub(super) fn check(&self, target: &Place) -> Result<(), Failure> {
        let refuse_referrers = |why: &str| match self.referrers {
            false => Ok(()),
            true => Err(Failure::other(format!("--referrers: {why}")).hint(
                "registries and image layouts (oci:DIR, oci-archive:FILE) take signatures and the like; \
                 leave the option out otherwise",
            )),
        };
        match target {
            Place::Registry(name) => refuse_root(name, self.environment),
            Place::Local(_) => refuse_referrers("the images of this machine have none"),
            Place::Layout { .. } => Ok(()),
            Place::Archive { form, file, .. } => {
                whole_file::refuse_folder(file)?;
                match form {
                    Form::Oci => Ok(()),
                    Form::Docker => refuse_referrers("an archive of docker has no place for them"),
                }
            }
            Place::Engine(_) => refuse_referrers("docker's engine keeps none"),
        }
    }

    pub(super) fn options(&self) -> CopyOptions {
        CopyOptions {
            attachments: self.referrers,
            parallel: self.parallel,
            watch: self.progress.watch(),
            platform: None,
        }
    }

    async fn to_registry(&self, opened: &Opened, name: &ImageReference) -> Result<(), Failure> {
        let target = names::tagged(name)?;
        let repository = self.registries.repository(&target).await?;
        let root = self.root(opened, false).await?;
        if let Some(wanted) = target.digest().filter(|wanted| **wanted != root.digest) {
            return Err(Failure::other(format!("the image is {}, and should become {wanted}", root.digest))
                .hint("a digest says what an image is: name a tag, or nothing"));
        }
        let begun = fetching::begin(&opened.source, &root.digest, &self.progress).await;
        begun.map_err(|error| opened.trouble(error))?;
        if let Some(home) = opened.source.home() {
            self.progress.mounting_all(home.name());
        }
        let (from, at) = (Reference::Digest(root.digest), names::reference(&target));
        let copied = copy(&opened.source, &from, &repository, &at, &self.options()).await;
        let copied = copied.map_err(|error| match error {
            CopyError::Sink(_) => trouble::of_copy(Doing::Pushing, &target, error),
            error => opened.trouble(error),
        })?;
        self.progress.settle();
        self.finish(&copied.digest, &copied.tally, &target.to_string())
    }

    /// What is copied of a source: all of it, or of an index the platform that is wanted, or is there, or is usual where
    /// one alone has a place.
    async fn root(&self, opened: &Opened, takes_one: bool) -> Result<FetchedManifest, Failure> {
        let told = |error| opened.trouble(error);
        let manifest = async |at: &Reference| opened.source.manifest(at).await.map_err(CopyError::Source);
        let top = manifest(&opened.at).await.map_err(told)?;
        let part = match (self.platform, &opened.whole) {
            _ if !is_index(&top.media_type) => None,
            (Some(platform), _) => Some((platform.choose(&top).map_err(told)?, None)),
            _ if self.is_whole => None,
            (None, Some(whole)) => Some((whole.clone(), Some("not all platforms are there"))),
            (None, None) if takes_one => {
                let usual = PlatformName::of_this_machine().choose(&top).map_err(told)?;
                Some((usual, Some("one platform has a place there")))
            }
            (None, None) => None,
        };
        let Some((part, why)) = part else { return Ok(top) };
        if let Some(why) = why {
            self.progress.note(&format!("note: {why}, so one is copied alone: {} -> {part}", top.digest));
        }
        manifest(&Reference::Digest(part)).await.map_err(told)
    }

    /// Copies an image into the local store: an index stays as it is, also if one platform alone comes.
    pub(super) async fn to_local(
        &self,
        opened: &Opened,
        name: Option<ImageReference>,
        store: Store,
    ) -> Result<(), Failure> {
        let name = name.or_else(|| opened.name.clone());
        let sink = LocalStore::new(store.transfer().map_err(trouble::of_store)?);
        let usual = PlatformName::of_this_machine();
        let platform = self.platform.or_else(|| (!self.is_whole).then_some(&usual));
        let fetched =
            fetching::fetch(&opened.source, &opened.at, &sink, platform, self.options(), &self.progress)
                .await;
        let (top, copied) = fetched.map_err(|error| opened.trouble(error))?;
        let image = self.listed(&sink.transfer, &top, name.as_ref()).map_err(trouble::of_store)?;
        let shown = name.map_or_else(|| image.id.to_string(), |name| name.to_string());
        self.finish(&top.digest, &copied.tally, &shown)
    }

    fn listed(
        &self,
        transfer: &Transfer,
        top: &Descriptor,
        name: Option<&ImageReference>,
    ) -> Result<Image, Error> {
        let wanted = self.platform.map(PlatformName::platform);
        let host = berth_oci::Platform::of_this_machine();
        let wanted = wanted.as_ref().map_or(Wanted::Prefer(&host), Wanted::Only);
        transfer.put_image(name, top, wanted)
    }

    async fn to_layout(
        &self,
        opened: &Opened,
        target: &Place,
        folder: &Path,
        name: Option<&str>,
    ) -> Result<(), Failure> {
        // A folder is made only for what can be copied.
        let root = self.root(opened, false).await?;
        let store = Store::open_layout(folder).map_err(trouble::of_store)?;
        let laid = self.laid(opened, root, &store, name).await;
        // What cannot be tidied up is in nobody's way.
        let _ = store.tidy();
        let (copied, name) = laid?;
        let shown = target.with_name(name.as_deref());
        self.finish(&copied.digest, &copied.tally, &shown.to_string())
    }

    /// Copies an image into a layout, with what refers to it if that is wanted. Gives the word by which it is found: if
    /// others come with it, one without would not be found by who names none.
    async fn laid(
        &self,
        opened: &Opened,
        root: FetchedManifest,
        store: &Store,
        name: Option<&str>,
    ) -> Result<(Copied, Option<String>), Failure> {
        let sink = LocalStore::new(store.transfer().map_err(trouble::of_store)?);
        let (top, copied) = self.taken(opened, root, &sink).await?;
        let beside = sink.beside();
        let name = name.map(str::to_owned).or_else(|| opened.word.clone().filter(|_| !beside.is_empty()));
        sink.transfer.put_entry(name.as_deref(), &top).map_err(trouble::of_store)?;
        put_beside(&sink.transfer, &beside, Some(&top.digest))?;
        Ok((copied, name))
    }

    /// Copies what is wanted of an image into a store, where nothing lists it yet.
    async fn taken(
        &self,
        opened: &Opened,
        root: FetchedManifest,
        sink: &LocalStore,
    ) -> Result<(Descriptor, Copied), Failure> {
        let begun = fetching::begin_missing(&opened.source, &root.digest, sink, &self.progress).await;
        begun.map_err(|error| opened.trouble(error))?;
        let at = Reference::Digest(root.digest.clone());
        let copied = copy(&opened.source, &at, sink, &at, &self.options()).await;
        let copied = copied.map_err(|error| opened.trouble(error))?;
        Ok((Descriptor::new(root.media_type, root.digest, root.content.len() as u64), copied))
    }

    async fn to_layout_archive(
        &self,
        opened: &Opened,
        target: &Place,
        file: &Path,
        name: Option<&str>,
    ) -> Result<(), Failure> {
        let root = self.root(opened, false).await?;
        let folder = self.scratch.folder(Some(file))?;
        let store = Store::open_layout(&folder.join("layout")).map_err(trouble::of_store)?;
        let (copied, name) = self.laid(opened, root, &store, name).await?;
        self.pack(store, file).await?;
        let shown = target.with_name(name.as_deref());
        self.finish(&copied.digest, &copied.tally, &shown.to_string())
    }

    /// Writes a layout into an archive, which has its name only when it is whole.
    pub(super) async fn pack(&self, store: Store, file: &Path) -> Result<(), Failure> {
        let file = file.to_owned();
        let packed = spawn_blocking(move || {
            whole_file::write(&file, |file| {
                let mut out = BufWriter::with_capacity(1 << 20, file);
                store.pack(&mut out).map_err(trouble::of_store)?;
                Ok(out.flush()?)
            })
        });
        packed.await.map_err(Failure::other)?
    }

    async fn to_docker_archive(
        &self,
        opened: &Opened,
        target: &Place,
        file: &Path,
        name: Option<&str>,
    ) -> Result<(), Failure> {
        let folder = self.scratch.folder(Some(file))?;
        let name = match name {
            Some(name) => Some(names::tagged(&names::image(name)?)?),
            None => opened.name.clone(),
        };
        let (copied, _) = self.packed(opened, &folder, file.to_owned(), name.as_ref()).await?;
        let name = name.map(|name| name.familiar());
        self.finish(&copied.digest, &copied.tally, &target.with_name(name.as_deref()).to_string())
    }

    /// Writes an archive of docker with the image, by way of a store of its own.
    async fn packed(
        &self,
        opened: &Opened,
        folder: &Path,
        file: PathBuf,
        name: Option<&ImageReference>,
    ) -> Result<(Copied, Image), Failure> {
        let root = self.root(opened, true).await?;
        let store = Store::open(&folder.join("store")).map_err(trouble::of_store)?;
        let sink = LocalStore::new(store.transfer().map_err(trouble::of_store)?);
        let (top, copied) = self.taken(opened, root, &sink).await?;
        let image = self.listed(&sink.transfer, &top, name).map_err(trouble::of_store)?;
        let saved = name.map_or_else(|| image.id.to_string(), ImageReference::familiar);
        let written = spawn_blocking(move || save_to(&store, &[&saved], Format::Docker, &file));
        written.await.map_err(Failure::other)??;
        Ok((copied, image))
    }

    async fn to_engine(&self, opened: &Opened, target: &Place, name: &str) -> Result<(), Failure> {
        let name = names::tagged(&names::image(name)?)?;
        if name.digest().is_some() {
            return Err(Failure::other(format!("{target} has a digest, which no image can be given"))
                .hint("write docker-daemon:NAME:TAG"));
        }
        let engine = Engine::find(self.environment)?;
        engine.check().await?;
        let folder = self.scratch.folder(None)?;
        let file = folder.join("image.tar");
        let (copied, image) = self.packed(opened, &folder, file.clone(), Some(&name)).await?;
        engine.load(tokio::fs::File::open(&file).await?).await?;
        self.progress.note(&format!(
            "note: docker's engine may keep another digest; there the id of the image is {}",
            image.id
        ));
        self.finish(&copied.digest, &copied.tally, &format!("docker-daemon:{}", name.familiar()))
    }
}

/// Lists what came beside an image.
pub(super) fn put_beside(transfer: &Transfer, beside: &[Entry], but: Option<&Digest>) -> Result<(), Failure> {
    for Entry { name, descriptor } in beside {
        if Some(&descriptor.digest) != but {
            transfer.put_entry(name.as_deref(), descriptor).map_err(trouble::of_store)?;
        }
    }
    Ok(())
}
