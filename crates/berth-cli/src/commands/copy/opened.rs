//! The source of a copy, as it is written, opened.

use std::path::Path;

use berth_images::{Image, Store, host_platform};
use berth_oci::{ImageReference, Reference};
use tokio::task::spawn_blocking;

use super::Job;
use crate::commands::load;
use crate::ends::{AnySource, Engine, LocalImage, Remembered};
use crate::failure::Failure;
use crate::names;
use crate::place::Place;
use crate::trouble;

/// A source that was opened.
pub(super) struct Opened {
    pub(super) source: Remembered<AnySource>,
    pub(super) at: Reference,
    /// What it is called there, if that is a name.
    pub(super) name: Option<ImageReference>,
    /// What it is called in errors.
    pub(super) shown: ImageReference,
    /// The image of this machine that it is, if it is one.
    pub(super) local: Option<(Store, Image)>,
    /// Holds the files of an archive, which are gone with it.
    _unpacked: Option<tempfile::TempDir>,
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
                let at = names::reference(name);
                let (source, named) = (Remembered::new(source), Some(names::tagged(name)?));
                Ok(Opened { source, at, name: named, shown: name.clone(), local: None, _unpacked: None })
            }
            Place::Local(name) => {
                let store = self.environment.store()?;
                let image = store.resolve(name).map_err(trouble::of_store)?;
                opened_image(&store, &image, names::image(name).ok(), None)
            }
            Place::Layout { folder, name } => opened_layout(folder, name.as_deref()),
            Place::Archive { file, name, .. } => {
                let file = load::opened(file)?;
                unpacked(file, name.as_deref()).await
            }
            Place::Engine(name) => {
                let archive = Engine::find()?.save(name).await?;
                self.progress.note(
                    "note: the engine gives layers without their compression, so digests are not those of a registry",
                );
                let image = names::tagged(&names::image(name)?)?;
                let mut opened = unpacked(archive, None).await?;
                opened.name = Some(image);
                Ok(opened)
            }
        }
    }
}

fn opened_image(
    store: &Store,
    image: &Image,
    name: Option<ImageReference>,
    unpacked: Option<tempfile::TempDir>,
) -> Result<Opened, Failure> {
    let transfer = store.transfer().map_err(Failure::other)?;
    // An index of which images are missing is no source for others.
    let is_whole = transfer.has_all(image).map_err(Failure::other)?;
    let digest = if is_whole { image.descriptor.digest.clone() } else { image.manifest.clone() };
    let source = LocalImage::new(transfer, image).map_err(Failure::other)?;
    let shown = name.clone().map_or_else(|| anonymous(&digest.hex()), Ok)?;
    let source = Remembered::new(AnySource::Local(Box::new(source)));
    Ok(Opened {
        source,
        at: Reference::Digest(digest),
        name,
        shown,
        local: Some((store.clone(), image.clone())),
        _unpacked: unpacked,
    })
}

/// What an image without a name is called in errors.
fn anonymous(hex: &str) -> Result<ImageReference, Failure> {
    names::image(&format!("localhost/image-{}", &hex[..12.min(hex.len())]))
}

fn opened_layout(folder: &Path, name: Option<&str>) -> Result<Opened, Failure> {
    if !folder.join("oci-layout").is_file() {
        return Err(Failure::other(format!(
            "{} is no image layout: it has no file oci-layout",
            folder.display()
        ))
        .hint("an archive is named oci-archive:FILE or docker-archive:FILE"));
    }
    let store = Store::open(folder).map_err(trouble::of_store)?;
    let entries = store.entries().map_err(trouble::of_store)?;
    let found: Vec<_> =
        entries.iter().filter(|entry| name.is_none() || entry.name.as_deref() == name).collect();
    let [found] = found[..] else {
        let names: Vec<_> = entries.iter().filter_map(|entry| entry.name.as_deref()).collect();
        let what = if found.is_empty() { "has no such image" } else { "has several images" };
        return Err(Failure::other(format!("{} {what}", folder.display())).hint(format!(
            "write oci:{}:NAME with one of {}",
            folder.display(),
            names.join(", ")
        )));
    };
    let digest = found.descriptor.digest.clone();
    let named = found
        .name
        .as_deref()
        .filter(|name| name.contains(['/', ':']))
        .and_then(|name| names::image(name).ok());
    let transfer = store.transfer().map_err(Failure::other)?;
    let shown = anonymous(&digest.hex())?;
    let source = LocalImage::of_layout(transfer, found.descriptor.clone(), entries.clone());
    let source = Remembered::new(AnySource::Local(Box::new(source)));
    Ok(Opened { source, at: Reference::Digest(digest), name: named, shown, local: None, _unpacked: None })
}

/// Unpacks an archive into a store of its own, and opens the image of that name, or the only one.
async fn unpacked(
    archive: impl std::io::Read + Send + 'static,
    name: Option<&str>,
) -> Result<Opened, Failure> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path()).map_err(trouble::of_store)?;
    let loading = store.clone();
    let loaded = spawn_blocking(move || loading.load(archive, &host_platform())).await;
    let loaded = loaded.map_err(Failure::other)?.map_err(trouble::of_store)?;
    let wanted = name.map(|name| names::tagged(&names::image(name)?)).transpose()?;
    let fits = |names: &[ImageReference]| wanted.as_ref().is_none_or(|wanted| names.contains(wanted));
    let found: Vec<_> = loaded.iter().filter(|loaded| fits(&loaded.names)).collect();
    let [found] = found[..] else {
        let names: Vec<_> =
            loaded.iter().flat_map(|loaded| &loaded.names).map(ImageReference::familiar).collect();
        let what = if found.is_empty() { "has no such image" } else { "has several images" };
        return Err(Failure::other(format!("the archive {what}"))
            .hint(format!("write its name behind the file: one of {}", names.join(", "))));
    };
    let name = wanted.or_else(|| found.names.first().cloned());
    opened_image(&store, &found.image, name, Some(folder))
}
