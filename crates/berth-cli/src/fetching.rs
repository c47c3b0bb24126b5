//! An image into a local store: what it needs first, and what names it last.

use berth_client::{Copied, CopyError, CopyOptions, PlatformName, Sink, Source, copy};
use berth_oci::media_type::is_index;
use berth_oci::{Descriptor, Digest, Manifest, Reference, Role};

use crate::ends::Remembered;
use crate::progress::Progress;

/// Fetches what is missing of an image. Of an index with a wanted platform, that one's image comes, and the index as it
/// is, so that the digest stays.
pub(crate) async fn fetch<S: Source, D: Sink>(
    source: &Remembered<S>,
    at: &Reference,
    sink: &D,
    platform: Option<&PlatformName>,
    options: CopyOptions,
    progress: &Progress,
) -> Result<(Descriptor, Copied), CopyError> {
    let top = source.manifest(at).await.map_err(CopyError::Source)?;
    let mut root = top.digest.clone();
    if let Some(platform) = platform.filter(|_| is_index(&top.media_type)) {
        root = platform.choose(&top)?;
    }
    begin(source, &root, progress).await?;
    let options = CopyOptions { watch: progress.watch(), ..options };
    let root = Reference::Digest(root);
    let copied = copy(source, &root, sink, &root, &options).await?;
    sink.put_manifest(at, &top).await.map_err(CopyError::Sink)?;
    Ok((Descriptor::new(top.media_type, top.digest, top.content.len() as u64), copied))
}

/// Tells which layers an image has. Of several images each tells when it begins.
pub(crate) async fn begin(source: &impl Source, root: &Digest, progress: &Progress) -> Result<(), CopyError> {
    let manifest = source.manifest(&Reference::Digest(root.clone())).await.map_err(CopyError::Source)?;
    if let Ok(read) = Manifest::read(&manifest.media_type, &manifest.content) {
        let layers = read.references.iter().filter(|reference| reference.role == Role::Layer);
        progress.begin(layers.map(|layer| &layer.descriptor));
    }
    Ok(())
}
