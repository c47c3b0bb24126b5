//! An image into a local store: what it needs first, and what names it last.

use berth_client::{Copied, CopyError, CopyOptions, PlatformName, Sink, Source, copy};
use berth_oci::media_type::is_index;
use berth_oci::{Descriptor, Digest, Manifest, ManifestReference, Reference, Role};

use crate::ends::{LocalStore, Remembered};
use crate::progress::Progress;

/// Fetches what is missing of an image. Of an index with a wanted platform, that one's image comes, and the index as it
/// is, so that the digest stays.
pub(crate) async fn fetch<S: Source>(
    source: &Remembered<S>,
    at: &Reference,
    sink: &LocalStore,
    platform: Option<&PlatformName>,
    options: CopyOptions,
    progress: &Progress,
) -> Result<(Descriptor, Copied), CopyError> {
    let top = source.manifest(at).await.map_err(CopyError::Source)?;
    let mut root = top.digest.clone();
    if let Some(platform) = platform.filter(|_| is_index(&top.media_type)) {
        root = platform.choose(&top)?;
    }
    begin_missing(source, &root, sink, progress).await?;
    let options = CopyOptions { watch: progress.watch(), ..options };
    let root = Reference::Digest(root);
    let copied = copy(source, &root, sink, &root, &options).await?;
    sink.put_manifest(at, &top).await.map_err(CopyError::Sink)?;
    Ok((Descriptor::new(top.media_type, top.digest, top.content.len() as u64), copied))
}

/// Tells which layers an image has. Of several images each tells when it begins.
pub(crate) async fn begin(source: &impl Source, root: &Digest, progress: &Progress) -> Result<(), CopyError> {
    let parts = parts(source, root).await?;
    let layers = parts.iter().filter(|part| part.role == Role::Layer);
    progress.begin(layers.map(|layer| &layer.descriptor));
    Ok(())
}

/// The same for a store that may have some of them, in docker's way: nothing is said of an image that is here under
/// another name.
pub(crate) async fn begin_missing(
    source: &impl Source,
    root: &Digest,
    sink: &LocalStore,
    progress: &Progress,
) -> Result<(), CopyError> {
    let parts = parts(source, root).await?;
    let mut here = Vec::with_capacity(parts.len());
    for part in &parts {
        here.push(sink.has(&part.descriptor).await.map_err(CopyError::Sink)?);
    }
    let is_new = here.contains(&false);
    for (part, is_here) in parts.iter().zip(here).filter(|(part, _)| part.role == Role::Layer) {
        match is_here {
            true => progress.existed(&part.descriptor, is_new),
            false => progress.begin(std::iter::once(&part.descriptor)),
        }
    }
    Ok(())
}

/// What a manifest names.
async fn parts(source: &impl Source, root: &Digest) -> Result<Vec<ManifestReference>, CopyError> {
    let manifest = source.manifest(&Reference::Digest(root.clone())).await.map_err(CopyError::Source)?;
    let read = Manifest::read(&manifest.media_type, &manifest.content);
    // What cannot be read is told of when it is copied.
    Ok(read.map(|read| read.references).unwrap_or_default())
}
