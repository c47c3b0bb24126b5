//! The source of a copy, as it is written, opened.

use std::collections::HashSet;
use std::path::Path;

use berth_client::CopyError;
use berth_images::{Entry, Error, Loaded, Reader, Store, Wanted};
use berth_oci::{Descriptor, Digest, ImageReference, Manifest, Reference};
use tokio::task::spawn_blocking;

use super::Job;
use crate::commands::load;
use crate::ends::{AnySource, Engine, LocalImage, Remembered};
use crate::failure::Failure;
use crate::names;
use crate::place::{Form, Place};
use crate::trouble::{self, Doing};

/// A source that was opened.
pub(super) struct Opened {
    pub(super) source: Remembered<AnySource>,
    pub(super) at: Reference,
    /// The name of an image that it has there, if it has one.
    pub(super) name: Option<ImageReference>,
    /// The tag, or the word in a layout, by which it was found.
    pub(super) word: Option<String>,
    /// Of an index of which not all is there, the image that is.
    pub(super) whole: Option<Digest>,
    shown: Shown,
}

/// What a source is called in errors.
pub(super) enum Shown {
    Registry(ImageReference),
    Place(String),
}

impl Opened {
    /// What is told when it cannot be read, or is not what somebody wants.
    pub(super) fn trouble(&self, error: CopyError) -> Failure {
        self.shown.trouble(error)
    }
}

impl Shown {
    pub(super) fn trouble(&self, error: CopyError) -> Failure {
        match self {
            Shown::Registry(image) => trouble::of_copy(Doing::Pulling, image, error),
            Shown::Place(place) => trouble::of_place(place, error),
        }
    }
}

/// All of a repository or of a layout. Manifests are not remembered: there may be many.
pub(super) struct Collection {
    pub(super) source: AnySource,
    pub(super) tags: Vec<String>,
    pub(super) shown: Shown,
    pub(super) place: String,
}

impl Job<'_> {
    /// Opens what is at a place.
    ///
    /// # Errors
    /// That there is no image, or several.
    pub(super) async fn open(&self, place: &Place) -> Result<Opened, Failure> {
        match place {
            Place::Registry(name) => {
                let source = AnySource::Registry(self.registries.repository(name).await?);
                let (at, named) = (names::reference(name), names::tagged(name)?);
                Ok(Opened {
                    source: Remembered::new(source),
                    word: named.tag().map(ToString::to_string),
                    whole: None,
                    shown: Shown::Registry(named.clone()),
                    name: Some(named),
                    at,
                })
            }
            Place::Local(text) => {
                let store = self.environment.store()?;
                let image = store.resolve(text).map_err(trouble::of_store)?;
                let name = known_as(&store, text, &image.descriptor.digest)?;
                // Other commands take images away there.
                let reader = store.transfer().map_err(trouble::of_store)?.reader();
                opened(reader, place, &image.descriptor, Vec::new(), name)
            }
            Place::Layout { folder, name } => {
                let store = layout(folder)?;
                opened_entry(&store, place, name.as_deref())
            }
            Place::Archive { form: Form::Oci, file, name } => {
                let store = self.unpacked(file).await?;
                opened_entry(&store, place, name.as_deref())
            }
            Place::Archive { form: Form::Docker, file, name } => {
                let file = load::opened(file)?;
                self.loaded(file, place, name.as_deref()).await
            }
            Place::Engine(name) => {
                let archive = Engine::find(self.environment)?.save(&in_engine(name)?).await?;
                let mut opened = self.loaded(archive, place, None).await?;
                opened.name = if is_id(name) { None } else { Some(names::tagged(&names::image(name)?)?) };
                Ok(opened)
            }
        }
    }

    /// Opens all that is at a place: the tags of a repository, or what has such names in a layout.
    ///
    /// # Errors
    /// That there is no such thing, or that it has no tags.
    pub(super) async fn open_all(&self, place: &Place) -> Result<Collection, Failure> {
        let store = match place {
            Place::Registry(name) => {
                let remote = crate::remote::Remote::named(&name.to_string(), self.registries).await?;
                let mut tags = Vec::new();
                remote
                    .each_tag(|page| {
                        tags.extend(page);
                        Ok(())
                    })
                    .await?;
                let source = AnySource::Registry(remote.repository);
                let (shown, place) = (Shown::Registry(remote.image), place.to_string());
                return Ok(Collection { source, tags, shown, place });
            }
            Place::Layout { folder, .. } => layout(folder)?,
            Place::Archive { form: Form::Oci, file, .. } => self.unpacked(file).await?,
            _ => return Err(super::not_for_all()),
        };
        let entries = store.entries().map_err(trouble::of_store)?;
        let tags = entries.iter().filter_map(|entry| entry.name.clone());
        let tags = tags.filter(|name| name.parse::<berth_oci::Tag>().is_ok()).collect();
        let Some(first) = entries.first().map(|entry| entry.descriptor.clone()) else {
            return Err(Failure::other(format!("{place} has no images")));
        };
        let reader = store.reader().map_err(trouble::of_store)?;
        let source = LocalImage::of_entry(reader, first, entries).map_err(trouble::of_store)?;
        let source = AnySource::Local(Box::new(source));
        let place = place.to_string();
        Ok(Collection { source, tags, shown: Shown::Place(place.clone()), place })
    }

    /// Unpacks an archive into a layout of its own, which is gone with the command.
    async fn unpacked(&self, file: &Path) -> Result<Store, Failure> {
        let archive = load::opened(file)?;
        let store = Store::open_layout(&self.scratch.folder(None)?).map_err(trouble::of_store)?;
        let unpacking = store.clone();
        let unpacked = spawn_blocking(move || unpacking.unpack(archive)).await.map_err(Failure::other)?;
        unpacked.map_err(|error| match error {
            error @ Error::Archive { .. } => {
                trouble::of_store(error).hint("docker-archive:FILE reads what docker saves")
            }
            error => trouble::of_store(error),
        })?;
        Ok(store)
    }

    /// Loads an archive of docker into a store of its own, and opens the image of that name, or the only one.
    async fn loaded(
        &self,
        archive: impl std::io::Read + Send + 'static,
        place: &Place,
        name: Option<&str>,
    ) -> Result<Opened, Failure> {
        let store = Store::open(&self.scratch.folder(None)?).map_err(trouble::of_store)?;
        let loading = store.clone();
        let loaded =
            spawn_blocking(move || loading.load(archive, &berth_oci::Platform::of_this_machine())).await;
        let loaded = loaded.map_err(Failure::other)?.map_err(trouble::of_store)?;
        let (found, name) = chosen(&loaded, place, name)?;
        if found.is_made {
            self.progress.note(&format!(
                "note: {place} holds no manifest: the digest is that of one made for it, and no registry's"
            ));
        }
        let reader = store.reader().map_err(trouble::of_store)?;
        opened(reader, place, &found.image.descriptor, Vec::new(), name)
    }
}

/// Opens the entry of a layout that has a name, or the only image.
fn opened_entry(store: &Store, place: &Place, name: Option<&str>) -> Result<Opened, Failure> {
    let entries = store.entries().map_err(trouble::of_store)?;
    let fits = |entry: &&Entry| match name.map(|name| (name, name.strip_prefix('@'))) {
        None => true,
        Some((_, Some(digest))) => entry.descriptor.digest.to_string() == digest,
        Some((name, None)) => entry.name.as_deref() == Some(name),
    };
    let mut found: Vec<_> = entries.iter().filter(fits).collect();
    if several(&found) {
        found.retain(|entry| !is_attachment(store, entry));
    }
    let entry = match found.first() {
        Some(entry) if !several(&found) => *entry,
        first => {
            let what = if first.is_none() { "has no such image" } else { "has several images" };
            let there: Vec<_> =
                entries.iter().filter(|entry| !is_attachment(store, entry)).map(by_name).collect();
            return Err(several_or_none(place, what, &there));
        }
    };
    let named = entry.name.as_deref().filter(|name| name.contains(['/', ':']));
    let named = named.and_then(|name| names::image(name).ok());
    let (descriptor, word) = (entry.descriptor.clone(), entry.name.clone());
    let reader = store.reader().map_err(trouble::of_store)?;
    let mut opened = opened(reader, place, &descriptor, entries, named)?;
    opened.word = word;
    Ok(opened)
}

/// A source that is here, of which nothing is taken away meanwhile.
fn opened(
    reader: Reader,
    place: &Place,
    top: &Descriptor,
    others: Vec<Entry>,
    name: Option<ImageReference>,
) -> Result<Opened, Failure> {
    let whole = match reader.is_whole(top).map_err(trouble::of_store)? {
        true => None,
        false => Some(part(&reader, place, top)?),
    };
    let source = LocalImage::of_entry(reader, top.clone(), others).map_err(trouble::of_store)?;
    Ok(Opened {
        source: Remembered::new(AnySource::Local(Box::new(source))),
        at: Reference::Digest(top.digest.clone()),
        word: name.as_ref().and_then(|name| name.tag()).map(ToString::to_string),
        name,
        whole,
        shown: Shown::Place(place.to_string()),
    })
}

/// The image of an index of which not all is there.
fn part(reader: &Reader, place: &Place, top: &Descriptor) -> Result<Digest, Failure> {
    let host = berth_oci::Platform::of_this_machine();
    reader.choose(top, Wanted::Prefer(&host)).map_err(|error| match error {
        Error::Missing { digest } => Failure::other(format!("{place} is not whole: {digest} is not there"))
            .hint("bring it there again, from where it came"),
        error => trouble::of_store(error),
    })
}

/// An image layout that is there: a copy from nowhere makes no folder.
fn layout(folder: &Path) -> Result<Store, Failure> {
    if !folder.join("oci-layout").is_file() {
        let text = format!("{} is no image layout: it has no file oci-layout", folder.display());
        return Err(Failure::other(text).hint("an archive is named oci-archive:FILE or docker-archive:FILE"));
    }
    Store::open_layout(folder).map_err(trouble::of_store)
}

/// The name that was written, if it is one that the image has, or else its first with a tag.
fn known_as(store: &Store, text: &str, top: &Digest) -> Result<Option<ImageReference>, Failure> {
    let written = names::image(text).and_then(|name| names::tagged(&name)).ok();
    let listed = store.list().map_err(trouble::of_store)?.into_iter();
    let own = listed.filter(|listed| listed.image.descriptor.digest == *top).filter_map(|listed| listed.name);
    let own: Vec<_> = own.filter(|name| name.tag().is_some()).collect();
    Ok(written.filter(|name| own.contains(name)).or_else(|| own.into_iter().next()))
}

/// The image of an archive with a name or a place in it (`@0`), or the only one; and the name that it goes by.
fn chosen<'a>(
    loaded: &'a [Loaded],
    place: &Place,
    name: Option<&str>,
) -> Result<(&'a Loaded, Option<ImageReference>), Failure> {
    let at = name.and_then(|name| name.strip_prefix('@'));
    let wanted = match (name, at) {
        (Some(name), None) => Some(names::tagged(&names::image(name)?)?),
        _ => None,
    };
    let found: Vec<_> = match (at, &wanted) {
        (Some(at), _) => at.parse().ok().and_then(|at: usize| loaded.get(at)).into_iter().collect(),
        (None, Some(wanted)) => loaded.iter().filter(|loaded| loaded.names.contains(wanted)).collect(),
        (None, None) => loaded.iter().collect(),
    };
    let [found] = found[..] else {
        let there = loaded.iter().enumerate().map(|(number, loaded)| match loaded.names.first() {
            Some(name) => name.familiar(),
            None => format!("@{number}"),
        });
        let what = if found.is_empty() { "has no such image" } else { "has several images" };
        return Err(several_or_none(place, what, &there.collect::<Vec<_>>()));
    };
    Ok((found, wanted.or_else(|| found.names.first().cloned())))
}

fn several_or_none(place: &Place, what: &str, there: &[String]) -> Failure {
    let bare = place.without_name();
    let failure = Failure::other(format!("{bare} {what}"));
    match there {
        [] => failure.hint("there is none in it"),
        [one] => failure.hint(format!("write {bare}:{one}")),
        there => failure.hint(format!("write {bare}:NAME with one of {}", there.join(", "))),
    }
}

/// How an entry is told from others.
fn by_name(entry: &Entry) -> String {
    entry.name.clone().unwrap_or_else(|| format!("@{}", entry.descriptor.digest))
}

/// Whether entries stand for more than one thing.
fn several(entries: &[&Entry]) -> bool {
    entries.iter().map(|entry| &entry.descriptor.digest).collect::<HashSet<_>>().len() > 1
}

/// Whether an entry is there because of another: a signature under its tag, or what names a subject.
fn is_attachment(store: &Store, entry: &Entry) -> bool {
    if let Some(name) = &entry.name {
        let digest = name.split_once('.').map_or(name.as_str(), |(digest, _)| digest).replacen('-', ":", 1);
        return digest.parse::<Digest>().is_ok();
    }
    let Entry { descriptor, .. } = entry;
    let content = store.read_document(&descriptor.digest);
    let read = content.ok().and_then(|content| Manifest::read(&descriptor.media_type, &content).ok());
    read.is_some_and(|read| read.subject.is_some())
}

/// What the engine is asked for: a name with its tag, since one without means all tags, or an id.
fn in_engine(name: &str) -> Result<String, Failure> {
    match is_id(name) {
        true => Ok(name.to_owned()),
        false => Ok(names::tagged(&names::image(name)?)?.familiar()),
    }
}

fn is_id(name: &str) -> bool {
    name.parse::<Digest>().is_ok()
}
