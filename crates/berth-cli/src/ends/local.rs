//! A local store as either end of a copy. It works with files, so that each piece of its work is done where threads may
//! wait; what goes between is a few pieces at a time.

use std::io;
use std::sync::{Mutex, PoisonError};

use berth_client::{
    Content, EndError, FetchedManifest, FileContent, Pieces, Progress, Repository, Sink, Source, Uploaded,
};
use berth_images::{Entry, Error, Image, Incoming, Reader, Transfer};
use berth_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use berth_oci::{Descriptor, Digest, Manifest, Reference, Tag};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// Pieces of a blob that wait to be written.
const WAITING: usize = 4;

/// An image of a local store, to be read.
pub(crate) struct LocalImage {
    reader: Reader,
    top: Descriptor,
    /// What else lies there under a name: signatures and such.
    others: Vec<Entry>,
}

impl LocalImage {
    /// The image, of which nothing is taken away meanwhile.
    ///
    /// # Errors
    /// The error of the disk.
    pub(crate) fn new(transfer: &Transfer, image: &Image) -> Result<LocalImage, Error> {
        LocalImage::of_entry(transfer.reader(), image.descriptor.clone(), Vec::new())
    }

    /// An entry of a layout, beside others. Nothing of the entry is taken away meanwhile.
    ///
    /// # Errors
    /// The error of the disk.
    pub(crate) fn of_entry(reader: Reader, top: Descriptor, others: Vec<Entry>) -> Result<LocalImage, Error> {
        reader.keep(&top)?;
        Ok(LocalImage { reader, top, others })
    }
}

impl Source for LocalImage {
    async fn manifest(&self, at: &Reference) -> Result<FetchedManifest, EndError> {
        let named = |tag: &Tag| self.others.iter().find(|entry| entry.name.as_deref() == Some(tag.as_str()));
        let digest = match at {
            Reference::Digest(digest) => digest.clone(),
            Reference::Tag(tag) => named(tag).ok_or(EndError::NotFound)?.descriptor.digest.clone(),
        };
        let (reader, wanted) = (self.reader.clone(), digest.clone());
        let content = waiting(move || reader.read_document(&wanted)).await?;
        let media_type = match digest == self.top.digest {
            true => self.top.media_type.clone(),
            false => media_type(&content),
        };
        Ok(FetchedManifest { digest, media_type, content: content.into() })
    }

    fn blob(&self, blob: &Descriptor) -> Box<dyn Content> {
        let Descriptor { digest, size, .. } = blob.clone();
        Box::new(LocalBlob { reader: self.reader.clone(), digest, size })
    }

    /// Entries that name it as their subject. The images of this machine have none.
    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, EndError> {
        let mut found = Vec::new();
        for Entry { descriptor, .. } in &self.others {
            let (reader, digest) = (self.reader.clone(), descriptor.digest.clone());
            let content = waiting(move || reader.read_document(&digest)).await?;
            let read = Manifest::read(&descriptor.media_type, &content);
            if read.is_ok_and(|read| read.subject.is_some_and(|of| of.digest == *subject)) {
                found.push(descriptor.clone());
            }
        }
        Ok(found)
    }
}

/// What a manifest says that it is; by what is in it, if it says nothing.
fn media_type(manifest: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
    match (document["mediaType"].as_str(), &document["manifests"]) {
        (Some(media_type), _) => media_type.to_owned(),
        (None, serde_json::Value::Array(_)) => OCI_INDEX.to_owned(),
        (None, _) => OCI_MANIFEST.to_owned(),
    }
}

/// A blob of a local store.
struct LocalBlob {
    reader: Reader,
    digest: Digest,
    size: u64,
}

impl Content for LocalBlob {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_from(&self, offset: u64) -> BoxFuture<'_, io::Result<Pieces>> {
        async move {
            let path = self.reader.blob_path(&self.digest).map_err(io::Error::other)?;
            let missing = |error: io::Error| match error.kind() {
                io::ErrorKind::NotFound => {
                    io::Error::new(error.kind(), Error::Missing { digest: self.digest.clone() })
                }
                _ => error,
            };
            FileContent::new(&path).await.map_err(missing)?.read_from(offset).await
        }
        .boxed()
    }
}

/// A local store that takes content in. Nothing of it is listed before somebody says under which name.
pub(crate) struct LocalStore {
    pub(crate) transfer: Transfer,
    /// What came beside the image: signatures under their tags, and what names it as its subject.
    beside: Mutex<Vec<Entry>>,
}

impl LocalStore {
    pub(crate) fn new(transfer: Transfer) -> LocalStore {
        LocalStore { transfer, beside: Mutex::default() }
    }

    /// Whether a blob is here, where it stays.
    pub(crate) async fn has(&self, blob: &Descriptor) -> Result<bool, EndError> {
        let (transfer, digest, size) = (self.transfer.clone(), blob.digest.clone(), blob.size);
        waiting(move || transfer.has(&digest, size)).await
    }

    /// What came under a tag, or names a subject.
    pub(crate) fn beside(&self) -> Vec<Entry> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for LocalStore {
    /// Never: whether something of an image is missing is found out blob by blob, which costs nothing here.
    async fn has_manifest(&self, _at: &Reference, _digest: &Digest) -> Result<bool, EndError> {
        Ok(false)
    }

    async fn put_blob(
        &self,
        blob: &Descriptor,
        content: &dyn Content,
        _home: Option<&Repository>,
        progress: Option<Progress>,
    ) -> Result<Uploaded, EndError> {
        match self.fetch(blob, content, progress.as_ref()).await {
            // What an earlier try has left was damaged, and is gone now.
            Err(Unfetched::Damaged { .. }) => Ok(self.fetch(blob, content, progress.as_ref()).await?),
            fetched => Ok(fetched?),
        }
    }

    async fn put_manifest(&self, at: &Reference, manifest: &FetchedManifest) -> Result<(), EndError> {
        let (transfer, manifest) = (self.transfer.clone(), manifest.clone());
        let name = at.tag().map(ToString::to_string);
        let read = Manifest::read(&manifest.media_type, &manifest.content).ok();
        if name.is_some() || read.as_ref().is_some_and(|read| read.subject.is_some()) {
            let size = manifest.content.len() as u64;
            let mut descriptor = Descriptor::new(manifest.media_type.clone(), manifest.digest.clone(), size);
            descriptor.artifact_type = read.and_then(|read| read.artifact_type);
            let entry = Entry { name, descriptor };
            self.beside.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        }
        waiting(move || transfer.put_bytes(&manifest.digest, &manifest.content)).await
    }
}

impl LocalStore {
    /// Takes a blob in, from where an earlier try has stopped.
    async fn fetch(
        &self,
        blob: &Descriptor,
        content: &dyn Content,
        progress: Option<&Progress>,
    ) -> Result<Uploaded, Unfetched> {
        let (transfer, digest, size) = (self.transfer.clone(), blob.digest.clone(), blob.size);
        let Some(incoming) = waiting(move || transfer.begin(&digest, size)).await? else {
            return Ok(Uploaded::Existed);
        };
        let begun = incoming.written();
        let mut incoming = incoming;
        if begun < size {
            let pieces = content.read_from(begun).await.map_err(EndError::Content)?;
            incoming = written(incoming, pieces, progress).await?;
        }
        match spawn_blocking(move || incoming.finish()).await {
            Ok(Ok(())) => Ok(Uploaded::Sent),
            Ok(Err(error @ Error::Mismatch { .. })) if begun > 0 => Err(Unfetched::Damaged { error }),
            Ok(Err(error)) => Err(Unfetched::Failed(other(error))),
            Err(error) => Err(Unfetched::Failed(other(error))),
        }
    }
}

/// Writes what comes. When it breaks off, what has come is kept for the next try.
async fn written(
    mut incoming: Incoming,
    mut pieces: Pieces,
    progress: Option<&Progress>,
) -> Result<Incoming, EndError> {
    let mut arrived = incoming.written();
    let (sender, mut receiver) = mpsc::channel::<Bytes>(WAITING);
    let writer = spawn_blocking(move || {
        while let Some(piece) = receiver.blocking_recv() {
            incoming.write(&piece)?;
        }
        Ok(incoming)
    });
    let mut broken = None;
    while let Some(piece) = pieces.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                broken = Some(EndError::Content(error));
                break;
            }
        };
        arrived += piece.len() as u64;
        if sender.send(piece).await.is_err() {
            // The writer has failed, and says why below.
            break;
        }
        if let Some(progress) = progress {
            progress(arrived);
        }
    }
    drop(sender);
    let incoming = writer.await.map_err(other)?.map_err(|error: Error| other(error))?;
    broken.map_or(Ok(incoming), Err)
}

/// Why a blob did not come in.
enum Unfetched {
    /// What was there of an earlier try, and had been gone on with, is not what it should be.
    Damaged {
        error: Error,
    },
    Failed(EndError),
}

impl From<EndError> for Unfetched {
    fn from(error: EndError) -> Unfetched {
        Unfetched::Failed(error)
    }
}

impl From<Unfetched> for EndError {
    fn from(unfetched: Unfetched) -> EndError {
        match unfetched {
            Unfetched::Damaged { error } => other(error),
            Unfetched::Failed(error) => error,
        }
    }
}

/// Does what waits for the disk.
async fn waiting<T: Send + 'static>(
    doing: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, EndError> {
    match spawn_blocking(doing).await.map_err(other)? {
        Err(Error::Missing { .. }) => Err(EndError::NotFound),
        done => done.map_err(other),
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> EndError {
    EndError::Other(Box::new(error))
}
