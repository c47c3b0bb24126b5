//! Copies of images, from anywhere to anywhere, byte for byte.
//!
//! [`copy`] goes from a [`Source`] to a [`Sink`], and [`copy_all`] does so for several images. A [`Repository`] of a registry is both; others may be as well. Content
//! goes before what names it, so a copy that breaks off leaves no image with holes, and the next one goes on with what
//! is missing. Nothing runs on when the future is dropped.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use berth_oci::media_type::is_index;
use berth_oci::{Descriptor, Digest, Manifest, ManifestKind, Reference, Role};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::{OnceCell, Semaphore};

use crate::{FetchedManifest, Uploaded};

mod attachments;
mod ends;
mod error;
mod platform;
mod repository;

pub use ends::{Sink, Source};
pub use error::{CopyError, EndError};
pub use platform::{PlatformError, PlatformName};
pub use repository::Repository;

/// Indexes within indexes that are followed.
const DEEPEST: u32 = 4;
/// Images of one index that are copied at the same time.
const IMAGES: usize = 4;
/// Blobs that wait for their turn beside those that move: each asks at least whether it is there.
const WAITING: usize = 16;

/// What becomes of one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many of its bytes are out. The number goes back when some have to be sent again.
    Moved(u64),
    /// It is there.
    Done(Uploaded),
}

/// Told of each step of each blob.
pub type Watch = Arc<dyn Fn(&Descriptor, Step) + Send + Sync>;

/// What is copied, and how.
#[derive(Clone)]
pub struct CopyOptions {
    /// Of an index, the image for this platform alone; everything if there is none.
    pub platform: Option<PlatformName>,
    /// Whether what refers to the image comes along: signatures, attestations, bills of materials.
    pub attachments: bool,
    /// Blobs that move at the same time. Each takes a few hundred kilobytes of memory, whatever its size.
    pub parallel: usize,
    /// Who is told how it goes.
    pub watch: Option<Watch>,
}

impl Default for CopyOptions {
    /// Everything, without attachments, four blobs at a time.
    fn default() -> CopyOptions {
        CopyOptions { platform: None, attachments: false, parallel: 4, watch: None }
    }
}

impl fmt::Debug for CopyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOptions")
            .field("platform", &self.platform)
            .field("attachments", &self.attachments)
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The digest of the image, which is the same at both ends.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// What was done for it.
    pub tally: Tally,
}

/// What was done for an image, or for several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Blobs that were sent.
    pub sent: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Blobs that the registry took from another repository.
    pub mounted: u64,
    /// Blobs that were there.
    pub existed: u64,
    /// Manifests that were sent.
    pub manifests: u64,
}

/// Copies the image at `at`, and puts it at `to_at`: a tag, or its digest.
///
/// # Errors
/// [`CopyError`], which says at which end it failed.
pub async fn copy<S: Source, D: Sink>(
    from: &S,
    at: &Reference,
    to: &D,
    to_at: &Reference,
    options: &CopyOptions,
) -> Result<Copied, CopyError> {
    let job = Job::new(from, to, options);
    let root = job.root(at, to_at).await?;
    if options.attachments {
        job.attachments().await?;
    }
    let FetchedManifest { digest, media_type, .. } = root;
    Ok(Copied { digest, media_type, tally: job.tally() })
}

/// Copies several images between the same two ends, each from its first place to its second. A blob that more of them
/// have goes once. Each is told of when it is there, or when it cannot be copied; the others go on.
///
/// # Errors
/// [`CopyError`], if no other image would fare better, or if what refers to the images cannot be copied.
pub async fn copy_all<S: Source, D: Sink>(
    from: &S,
    images: impl IntoIterator<Item = (Reference, Reference)> + Send,
    to: &D,
    options: &CopyOptions,
    told: impl Fn(&Reference, Result<&Digest, CopyError>) + Sync,
) -> Result<Tally, CopyError> {
    let job = Job::new(from, to, options);
    let images: Vec<_> = images.into_iter().collect();
    let copied = stream::iter(&images).map(|(at, to_at)| {
        let (job, told) = (&job, &told);
        async move {
            match job.root(at, to_at).await {
                Err(error) if error.is_of_all() => return Err(error),
                Err(error) => told(at, Err(error)),
                Ok(root) => told(at, Ok(&root.digest)),
            }
            Ok(())
        }
    });
    copied.buffer_unordered(IMAGES).try_collect::<()>().await?;
    if options.attachments {
        job.attachments().await?;
    }
    Ok(job.tally())
}

fn read(manifest: &FetchedManifest) -> Result<Manifest, CopyError> {
    Manifest::read(&manifest.media_type, &manifest.content)
        .map_err(|source| CopyError::Manifest { digest: manifest.digest.clone(), source })
}

/// A copy under way.
struct Job<'a, S, D> {
    from: &'a S,
    to: &'a D,
    options: &'a CopyOptions,
    turns: Semaphore,
    /// Every blob that was met: who meets it again waits for the first.
    blobs: Mutex<HashMap<Digest, Arc<OnceCell<()>>>>,
    /// Manifests that are there, in the order in which they came to be.
    images: Mutex<Vec<Digest>>,
    tally: Mutex<Tally>,
}

impl<'a, S: Source, D: Sink> Job<'a, S, D> {
    fn new(from: &'a S, to: &'a D, options: &'a CopyOptions) -> Job<'a, S, D> {
        Job {
            from,
            to,
            options,
            turns: Semaphore::new(options.parallel.max(1)),
            blobs: Mutex::default(),
            images: Mutex::default(),
            tally: Mutex::default(),
        }
    }

    /// Copies an image, or of an index the one that is wanted.
    async fn root(&self, at: &Reference, to_at: &Reference) -> Result<FetchedManifest, CopyError> {
        let mut root = self.from.manifest(at).await.map_err(CopyError::Source)?;
        if let Some(wanted) = self.options.platform.as_ref().filter(|_| is_index(&root.media_type)) {
            let child = platform::choose(wanted, &read(&root)?)?;
            root = self.from.manifest(&Reference::Digest(child)).await.map_err(CopyError::Source)?;
        }
        self.image(root.clone(), to_at, 0).await?;
        Ok(root)
    }

    fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what a manifest needs, and then the manifest.
    fn image<'s>(
        &'s self,
        manifest: FetchedManifest,
        at: &'s Reference,
        depth: u32,
    ) -> BoxFuture<'s, Result<(), CopyError>> {
        Box::pin(async move {
            if depth > DEEPEST {
                return Err(CopyError::TooDeep { digest: manifest.digest });
            }
            let parsed = read(&manifest)?;
            let is_there = self.to.has_manifest(at, &manifest.digest).await.map_err(CopyError::Sink)?;
            // An image that is there is whole. An index may lack platforms that somebody left out.
            if !is_there || parsed.kind != ManifestKind::Image {
                self.content(parsed, depth).await?;
            }
            if !is_there {
                self.to.put_manifest(at, &manifest).await.map_err(CopyError::Sink)?;
                self.count(|tally| tally.manifests += 1);
            }
            let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
            if !images.contains(&manifest.digest) {
                images.push(manifest.digest);
            }
            Ok(())
        })
    }

    /// Copies everything that a manifest names.
    async fn content(&self, manifest: Manifest, depth: u32) -> Result<(), CopyError> {
        let references = manifest.references.into_iter().filter(|reference| !reference.is_foreign());
        let (children, blobs): (Vec<_>, Vec<_>) =
            references.partition(|reference| reference.role == Role::Child);
        let blobs = blobs.into_iter().map(|blob| (blob.role, blob.descriptor));
        let moved = stream::iter(blobs).map(|(role, blob)| async move {
            match self.blob(&blob).await {
                // Only mentioned: nobody promised that it is there.
                Err(error) if role == Role::Mention && error.is_not_found() => Ok(()),
                moved => moved,
            }
        });
        moved.buffer_unordered(self.options.parallel.max(1) + WAITING).try_collect::<()>().await?;
        let at_once = if depth == 0 { IMAGES } else { 1 };
        let children = children.into_iter().map(|child| child.descriptor);
        let copied = stream::iter(children).map(|child| async move { self.child(&child, depth + 1).await });
        copied.buffer_unordered(at_once).try_collect::<()>().await
    }

    /// Copies an entry of an index: a manifest, or a blob as in the caches of old builders.
    async fn child(&self, child: &Descriptor, depth: u32) -> Result<(), CopyError> {
        if !berth_oci::media_type::is_manifest(&child.media_type) {
            match self.blob(child).await {
                Err(error) if error.is_not_found() => (),
                copied => return copied,
            }
        }
        let at = Reference::Digest(child.digest.clone());
        let manifest = self.from.manifest(&at).await.map_err(CopyError::Source)?;
        self.image(manifest, &at, depth).await
    }

    /// Copies a blob, once.
    async fn blob(&self, blob: &Descriptor) -> Result<(), CopyError> {
        let place = {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(blobs.entry(blob.digest.clone()).or_default())
        };
        place.get_or_try_init(|| self.moved(blob)).await.copied()
    }

    async fn moved(&self, blob: &Descriptor) -> Result<(), CopyError> {
        let Ok(_turn) = self.turns.acquire().await else { unreachable!("nobody closes the turns") };
        let content = self.from.blob(blob);
        let watch = self.options.watch.clone();
        let told = watch.clone().map(|watch| {
            let blob = blob.clone();
            Arc::new(move |at| watch(&blob, Step::Moved(at))) as crate::Progress
        });
        let home = self.from.home();
        let put = self.to.put_blob(blob, &*content, home, told).await;
        let how = put.map_err(CopyError::of_sink)?;
        self.count(|tally| match how {
            Uploaded::Existed => tally.existed += 1,
            Uploaded::Mounted => tally.mounted += 1,
            Uploaded::Sent => {
                tally.sent += 1;
                tally.sent_bytes += blob.size;
            }
        });
        if let Some(watch) = watch {
            watch(blob, Step::Done(how));
        }
        Ok(())
    }

    fn count(&self, counted: impl FnOnce(&mut Tally)) {
        counted(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
