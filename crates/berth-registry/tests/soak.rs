//! Pushes, deletions and mounts at full speed while the cleaning runs ten times a second with next to no grace: nothing
//! that an image needs is ever cleaned, and no push is refused for a blob that was acknowledged within its promise.
//!
//! `BERTH_SOAK_OPERATIONS` says how many operations; the usual number takes some seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use berth_db::Db;
use berth_oci::{Digest, ErrorCode, Reference};
use berth_registry::{
    Access, Authorizer, BlobBody, BlobStore, BodyError, Caller, Delete, Meta, Mode, Policy, Pull, Push,
    PutManifest, Registry, RegistryError, Right,
};
use bytes::Bytes;
use futures_util::stream;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// How long an acknowledgement holds. A push here takes a few milliseconds.
const GRACE: Duration = Duration::from_secs(2);
const PUSHERS: usize = 32;
/// Blobs that many images share.
const POPULAR: u64 = 24;

#[derive(Default)]
struct Tally {
    operations: AtomicU64,
    pushes: AtomicU64,
    deletions: AtomicU64,
    mounts: AtomicU64,
    promises: AtomicU64,
    /// Pushes that took longer than the promise held.
    late: AtomicU64,
}

impl Tally {
    fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
        self.operations.fetch_add(1, Ordering::Relaxed);
    }
}

/// A blob that one is sure of, until when.
struct Acknowledged {
    digest: Digest,
    size: usize,
    until: Instant,
}

struct Pusher {
    registry: Registry,
    tally: Arc<Tally>,
    name: String,
    random: StdRng,
    /// The tags that there are, with the blobs of their images.
    tags: Vec<(String, Vec<Digest>)>,
    n_pushed: u64,
}

async fn may<R: Right>(registry: &Registry, name: &str) -> Access<R> {
    registry.authorizer().authorize(&Caller::anonymous(None), &name.parse().unwrap()).await.unwrap()
}

/// The bytes number `n`; one in eight is a file.
fn content(n: u64) -> Bytes {
    let length = if n.is_multiple_of(8) { 66_000 } else { 40 };
    let mut bytes = vec![(n % 251) as u8; length];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    bytes.into()
}

impl Pusher {
    async fn work(mut self, operations: u64) {
        while self.tally.operations.load(Ordering::Relaxed) < operations {
            match self.random.random_range(0..10) {
                0..6 => self.push().await,
                6..8 => self.delete().await,
                _ => self.look().await,
            }
            while self.tags.len() > 12 {
                self.delete().await;
            }
        }
        // What is still there is whole.
        for (tag, _) in std::mem::take(&mut self.tags) {
            self.read(&tag).await;
        }
    }

    /// Uploads, promises and mounts some blobs, then the manifest that needs them.
    async fn push(&mut self) {
        let mut blobs = Vec::new();
        for _ in 0..self.random.random_range(1..4) {
            blobs.push(self.blob().await);
        }
        let describe = |media_type: &str, blob: &Acknowledged| serde_json::json!({ "mediaType": media_type, "digest": blob.digest.to_string(), "size": blob.size });
        let document = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": describe("application/vnd.oci.image.config.v1+json", &blobs[0]),
            "layers": blobs[1..].iter().map(|blob| describe("application/vnd.oci.image.layer.v1.tar", blob)).collect::<Vec<_>>(),
            "annotations": { "n": self.n_pushed.to_string() },
        });
        self.n_pushed += 1;
        let tag = format!("t{}", self.random.random_range(0..16));
        let put = PutManifest {
            reference: Reference::Tag(tag.parse().unwrap()),
            media_type: IMAGE.to_owned(),
            content: document.to_string().into(),
            tags: Vec::new(),
        };
        let began = Instant::now();
        let told = self.registry.put_manifest(&may::<Push>(&self.registry, &self.name).await, put).await;
        match told {
            Ok(_) => {
                self.tags.retain(|(known, _)| *known != tag);
                self.tags.push((tag, blobs.into_iter().map(|blob| blob.digest).collect()));
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::ManifestBlobUnknown, "{error}");
                let held = blobs.iter().all(|blob| Instant::now() < blob.until);
                assert!(!held, "a blob was gone within its promise: {error:?}, {:?}", began.elapsed());
                self.tally.late.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.tally.count(&self.tally.pushes);
    }

    /// Makes sure of a blob as clients do: asks for it, mounts it, or uploads it.
    async fn blob(&mut self) -> Acknowledged {
        let n = if self.random.random_bool(0.3) {
            self.random.random_range(0..POPULAR)
        } else {
            self.random.random_range(POPULAR..50_000)
        };
        let content = content(n);
        let (digest, size) = (Digest::sha256(&content), content.len());
        // The promise of a look is at least half as long.
        let (full, half) = (Instant::now() + GRACE, Instant::now() + GRACE / 2);
        let pull = may::<Pull>(&self.registry, &self.name).await;
        if self.registry.stat_blob(&pull, &digest).await.is_ok() {
            self.tally.count(&self.tally.promises);
            return Acknowledged { digest, size, until: half };
        }
        let push = may::<Push>(&self.registry, &self.name).await;
        if self.registry.mount_blob(&push, &digest, None).await.unwrap().is_some() {
            self.tally.count(&self.tally.mounts);
            return Acknowledged { digest, size, until: full };
        }
        let parts: Vec<Result<Bytes, BodyError>> = vec![Ok(content)];
        self.registry.put_blob(&push, stream::iter(parts), &digest).await.unwrap();
        self.tally.count(&self.tally.pushes);
        Acknowledged { digest, size, until: full }
    }

    async fn delete(&mut self) {
        if self.tags.is_empty() {
            return;
        }
        let at = self.random.random_range(0..self.tags.len());
        let (tag, _) = self.tags.swap_remove(at);
        let access = may::<Delete>(&self.registry, &self.name).await;
        let reference = if self.random.random_bool(0.5) {
            let pull = may::<Pull>(&self.registry, &self.name).await;
            let at = Reference::Tag(tag.parse().unwrap());
            let digest = self.registry.stat_manifest(&pull, &at).await.unwrap().digest;
            Reference::Digest(digest)
        } else {
            Reference::Tag(tag.parse().unwrap())
        };
        self.registry.delete_manifest(&access, &reference, Mode::Real).await.unwrap();
        // By digest, other tags of it go too.
        let pull = may::<Pull>(&self.registry, &self.name).await;
        let left = self.registry.list_tags(&pull, None, 100).await.unwrap().items;
        self.tags.retain(|(tag, _)| left.contains(tag));
        self.tally.count(&self.tally.deletions);
    }

    async fn look(&mut self) {
        let Some((tag, _)) = self.tags.choose(&mut self.random).cloned() else { return };
        self.read(&tag).await;
    }

    /// An image that has a tag can be read, with all that it needs.
    async fn read(&mut self, tag: &str) {
        let access = may::<Pull>(&self.registry, &self.name).await;
        let at = Reference::Tag(tag.parse().unwrap());
        self.registry.get_manifest(&access, &at).await.unwrap();
        let blobs = self.tags.iter().find(|(known, _)| known == tag).map(|(_, blobs)| blobs.clone());
        for digest in blobs.unwrap_or_default() {
            let blob = self.registry.open_blob(&access, &digest).await;
            let blob =
                blob.unwrap_or_else(|error| panic!("{digest} of {}:{tag} is gone: {error}", self.name));
            let bytes = match blob.body {
                BlobBody::Inline(bytes) => bytes,
                BlobBody::File(file) => {
                    let size = usize::try_from(file.size()).unwrap();
                    tokio::task::spawn_blocking(move || file.read_at(0, size)).await.unwrap().unwrap()
                }
                BlobBody::Growing(_) => panic!("pushed blobs are whole"),
            };
            assert_eq!(Digest::sha256(&bytes), digest, "wrong bytes");
        }
    }
}

fn operations() -> u64 {
    std::env::var("BERTH_SOAK_OPERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(12_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_is_needed_is_ever_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open_sqlite(&folder.path().join("berth.db")).await.unwrap();
    let blobs = BlobStore::open(folder.path()).await.unwrap();
    let policy = Policy { grace: GRACE, trash: Duration::ZERO, ..Policy::default() };
    let registry = Registry::new(Meta::open(db).await.unwrap(), blobs, Authorizer::open(), policy);
    let cleaner = registry.clone();
    let cleaning = tokio::spawn(async move {
        let mut longest = 0;
        loop {
            match cleaner.clean().await {
                Ok(cycle) => longest = longest.max(cycle.longest_step),
                Err(error) => panic!("{error}"),
            }
            println!("longest step until now: {longest} us");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let tally = Arc::new(Tally::default());
    let mut pushers = tokio::task::JoinSet::new();
    for n in 0..PUSHERS {
        let pusher = Pusher {
            registry: registry.clone(),
            tally: Arc::clone(&tally),
            name: format!("n{}/r{n}", n % 4),
            random: StdRng::seed_from_u64(n as u64),
            tags: Vec::new(),
            n_pushed: 0,
        };
        pushers.spawn(pusher.work(operations()));
    }
    while let Some(done) = pushers.join_next().await {
        done.unwrap();
    }
    assert!(!cleaning.is_finished(), "the cleaning failed");
    let [_, failures, manifests, freed, bytes] = registry.freed().read();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} operations: {} pushes, {} deletions, {} mounts, {} promises; {} pushes slower than their promise; \
         cleaned {manifests} manifests, {freed} blobs, {bytes} bytes",
        count(&tally.operations),
        count(&tally.pushes),
        count(&tally.deletions),
        count(&tally.mounts),
        count(&tally.promises),
        count(&tally.late),
    );
    assert_eq!(failures, 0);
    assert!(manifests > 0, "nothing was cleaned, so nothing is proved");
    cleaning.abort();
    // When all is deleted, all is free within the grace time and two cycles.
    for n in 0..PUSHERS {
        let access = may::<Delete>(&registry, &format!("n{}/r{n}", n % 4)).await;
        let pull = may::<Pull>(&registry, &format!("n{}/r{n}", n % 4)).await;
        for tag in registry.list_tags(&pull, None, 100).await.unwrap().items {
            let at = Reference::Tag(tag.parse().unwrap());
            match registry.delete_manifest(&access, &at, Mode::Real).await {
                Ok(_) | Err(RegistryError::ManifestUnknown { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    tokio::time::sleep(GRACE).await;
    registry.clean().await.unwrap();
    registry.clean().await.unwrap();
    let mut files = 0;
    for folder in std::fs::read_dir(folder.path().join("blobs/sha256")).unwrap() {
        files += std::fs::read_dir(folder.unwrap().path()).unwrap().count();
    }
    assert_eq!(files, 0, "files are left");
    let server = registry.authorizer().administers(&Caller::anonymous(None)).unwrap();
    assert_eq!(registry.total_usage(&server).await.unwrap(), 0, "bytes are left");
}
