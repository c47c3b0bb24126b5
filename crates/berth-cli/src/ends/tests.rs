//! Copies into a layout that are cut, go on, and meet what should not be there.

use std::io;
use std::sync::Mutex;

use berth_client::{
    Content, Copied, CopyError, CopyOptions, EndError, FetchedManifest, Pieces, Source, copy,
};
use berth_images::Store;
use berth_oci::media_type::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use berth_oci::{Descriptor, Digest, Reference};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::json;

use super::{LocalImage, LocalStore};

const LAYER: usize = 1 << 20;
/// Where a cut source stops.
const CUT: usize = 300_000;

struct Folder {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Folder {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_layout(&folder.path().join("layout")).unwrap();
        Folder { store, _folder: folder }
    }

    /// A layout with an image of one layer.
    fn with_image() -> (Folder, Descriptor) {
        let folder = Folder::new();
        let transfer = folder.store.transfer().unwrap();
        let put = |media_type: &str, bytes: &[u8]| {
            let digest = Digest::sha256(bytes);
            transfer.put_bytes(&digest, bytes).unwrap();
            Descriptor::new(media_type, digest, bytes.len() as u64)
        };
        let layer = put(OCI_LAYER, &layer());
        let config = put(OCI_CONFIG, b"{}");
        let manifest =
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
        let top = put(OCI_MANIFEST, manifest.to_string().as_bytes());
        transfer.put_entry(Some("app"), &top).unwrap();
        (folder, top)
    }

    fn image(&self, top: &Descriptor) -> LocalImage {
        LocalImage::of_entry(self.store.reader().unwrap(), top.clone(), Vec::new()).unwrap()
    }

    fn is_whole(&self, top: &Descriptor) -> bool {
        self.store.reader().unwrap().is_whole(top).unwrap()
    }

    /// Takes an image in, as a command does.
    async fn take(&self, from: &impl Source, top: &Descriptor) -> Result<Copied, CopyError> {
        let sink = LocalStore::new(self.store.transfer().unwrap());
        let at = Reference::Digest(top.digest.clone());
        let copied = copy(from, &at, &sink, &at, &CopyOptions::default()).await?;
        sink.transfer.put_entry(None, top).unwrap();
        Ok(copied)
    }
}

fn layer() -> Vec<u8> {
    (0..LAYER).map(|place| u8::try_from(place % 251).unwrap()).collect()
}

/// What becomes of the bytes of a layer, and how they end.
type How = fn(Vec<u8>) -> (Vec<u8>, Option<io::Error>);

/// A source that spoils the layer, and remembers from where it was asked for it.
struct Spoilt {
    image: LocalImage,
    how: How,
    asked: std::sync::Arc<Mutex<Vec<u64>>>,
}

impl Spoilt {
    fn new(image: LocalImage, how: How) -> Spoilt {
        Spoilt { image, how, asked: std::sync::Arc::default() }
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }
}

impl Source for Spoilt {
    async fn manifest(&self, at: &Reference) -> Result<FetchedManifest, EndError> {
        self.image.manifest(at).await
    }

    fn blob(&self, blob: &Descriptor) -> Box<dyn Content> {
        match usize::try_from(blob.size).unwrap() {
            LAYER => Box::new(SpoiltLayer { how: self.how, asked: std::sync::Arc::clone(&self.asked) }),
            _ => self.image.blob(blob),
        }
    }

    async fn referrers(&self, _subject: &Digest) -> Result<Vec<Descriptor>, EndError> {
        Ok(Vec::new())
    }
}

struct SpoiltLayer {
    how: How,
    asked: std::sync::Arc<Mutex<Vec<u64>>>,
}

impl Content for SpoiltLayer {
    fn size(&self) -> u64 {
        LAYER as u64
    }

    fn read_from(&self, offset: u64) -> BoxFuture<'_, io::Result<Pieces>> {
        self.asked.lock().unwrap().push(offset);
        let (bytes, error) = (self.how)(layer());
        let rest = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let pieces: Vec<_> = rest.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        async move { Ok(stream::iter(pieces.into_iter().chain(error.map(Err))).boxed()) }.boxed()
    }
}

fn cut(mut bytes: Vec<u8>) -> (Vec<u8>, Option<io::Error>) {
    bytes.truncate(CUT);
    (bytes, Some(io::ErrorKind::ConnectionReset.into()))
}

fn untouched(bytes: Vec<u8>) -> (Vec<u8>, Option<io::Error>) {
    (bytes, None)
}

#[tokio::test]
async fn what_was_cut_goes_on_where_it_stopped() {
    let (from, top) = Folder::with_image();
    let to = Folder::new();
    let error = to.take(&Spoilt::new(from.image(&top), cut), &top).await.unwrap_err();
    assert!(matches!(error, CopyError::Source(_)), "{error}");
    assert!(to.store.entries().unwrap().is_empty() && !to.is_whole(&top));
    // The command that was cut has tidied up.
    to.store.tidy().unwrap();
    let again = Spoilt::new(from.image(&top), untouched);
    let copied = to.take(&again, &top).await.unwrap();
    assert_eq!((again.asked(), copied.digest.clone()), (vec![CUT as u64], top.digest.clone()));
    assert!(to.is_whole(&top));
    let third = Spoilt::new(from.image(&top), untouched);
    let copied = to.take(&third, &top).await.unwrap();
    assert_eq!((third.asked().len(), copied.tally.existed, copied.tally.sent), (0, 2, 0));
}

#[tokio::test]
async fn what_was_left_damaged_is_fetched_from_the_start() {
    fn damaged(mut bytes: Vec<u8>) -> (Vec<u8>, Option<io::Error>) {
        bytes[7] ^= 1;
        cut(bytes)
    }
    let (from, top) = Folder::with_image();
    let to = Folder::new();
    to.take(&Spoilt::new(from.image(&top), damaged), &top).await.unwrap_err();
    let again = Spoilt::new(from.image(&top), untouched);
    to.take(&again, &top).await.unwrap();
    assert_eq!(again.asked(), [CUT as u64, 0]);
    assert!(to.is_whole(&top));
}

#[tokio::test]
async fn what_is_not_what_was_promised_is_not_taken() {
    fn other(mut bytes: Vec<u8>) -> (Vec<u8>, Option<io::Error>) {
        bytes[LAYER / 2] ^= 1;
        (bytes, None)
    }
    fn longer(mut bytes: Vec<u8>) -> (Vec<u8>, Option<io::Error>) {
        bytes.push(0);
        (bytes, None)
    }
    fn shorter(mut bytes: Vec<u8>) -> (Vec<u8>, Option<io::Error>) {
        bytes.pop();
        (bytes, None)
    }
    for how in [other, longer, shorter] {
        let (from, top) = Folder::with_image();
        let to = Folder::new();
        let error = to.take(&Spoilt::new(from.image(&top), how), &top).await.unwrap_err();
        let error = crate::trouble::of_place("oci:from", error).to_string();
        assert!(error.contains("something else") || error.contains("should have"), "{error}");
        assert!(to.store.entries().unwrap().is_empty() && !to.is_whole(&top));
    }
}

#[tokio::test]
async fn what_is_missing_is_told_as_missing() {
    let (from, top) = Folder::with_image();
    let image = from.image(&top);
    let layer = from.store.folder().join("blobs/sha256").join(Digest::sha256(&layer()).hex());
    std::fs::remove_file(layer).unwrap();
    let error = Folder::new().take(&image, &top).await.unwrap_err();
    let failure = crate::trouble::of_place("oci:from", error);
    assert_eq!(failure.to_string(), "oci:from is not whole: something that the image needs is not there");
}
