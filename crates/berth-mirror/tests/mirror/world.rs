//! A registry in a temporary folder with a mirror before it.

use berth_auth::{Accounts, NewUser, Secret};
use berth_blobs::{BlobStore, Options};
use berth_client::Secret as Password;
use berth_meta::Meta;
use berth_mirror::{
    Change, Mirror, MirrorError, MirrorOptions, MirroredBlob, MirroredManifest, Sealer, Settings,
};
use berth_oci::{Digest, RepositoryName};
use berth_registry::{
    Access, Authorizer, BlobBody, Caller, Policy, Pull, Registry, ServerAccess, WithoutAccounts,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use crate::fake::Fake;

pub(crate) struct World {
    pub(crate) mirror: Mirror,
    pub(crate) registry: Registry,
    pub(crate) accounts: Accounts,
    pub(crate) blobs: BlobStore,
    folder: tempfile::TempDir,
}

/// The name of the upstream in most tests.
pub(crate) const UP: &str = "up.test";

impl World {
    pub(crate) async fn new() -> World {
        World::with(Options { reserve: 0 }).await
    }

    pub(crate) async fn with(options: Options) -> World {
        World::open(tempfile::tempdir().unwrap(), options).await
    }

    async fn open(folder: tempfile::TempDir, options: Options) -> World {
        let db = berth_db::Db::open_sqlite(&folder.path().join("test.db")).await.unwrap();
        let meta = Meta::open(db.clone()).await.unwrap();
        let accounts = Accounts::open(db).await.unwrap();
        let blobs = BlobStore::open_with(folder.path(), options).await.unwrap();
        let authorizer = Authorizer::new(accounts.clone(), meta.clone(), WithoutAccounts::Open);
        let registry = Registry::new(meta, blobs.clone(), authorizer, Policy::default());
        let sealer = Sealer::open(&folder.path().join("secret.key")).unwrap();
        let mirror = Mirror::open(registry.clone(), sealer, MirrorOptions::default()).await.unwrap();
        World { mirror, registry, accounts, blobs, folder }
    }

    /// The same after the program ended and began again.
    pub(crate) async fn restart(self) -> World {
        self.mirror.write().await.unwrap();
        let World { mirror, registry, accounts, blobs, folder } = self;
        drop((mirror, registry, accounts, blobs));
        World::open(folder, Options { reserve: 0 }).await
    }

    pub(crate) fn owner(&self) -> ServerAccess {
        self.registry.authorizer().administers(&Caller::folder_owner()).unwrap()
    }

    /// Sets [`UP`] up: asked each time, on loopback, as the test changes it.
    pub(crate) async fn add(&self, fake: &Fake, change: impl FnOnce(&mut Settings)) {
        self.add_as(UP, fake, change).await;
    }

    pub(crate) async fn add_as(&self, name: &str, fake: &Fake, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings { url: fake.url(), private: true, fresh: 0, ..Settings::default() };
        change(&mut settings);
        let password = settings.user.as_ref().map(|_| Password::new("geheim"));
        self.mirror.set_upstream(&self.owner(), name, Change { settings, password }).await.unwrap();
    }

    /// The right to pull from a repository, for whoever may.
    pub(crate) async fn access(&self, name: &str) -> Access<Pull> {
        let name: RepositoryName = name.parse().unwrap();
        self.registry.authorizer().authorize(&Caller::anonymous(None), &name).await.unwrap()
    }

    pub(crate) async fn get(&self, name: &str, at: &str) -> Result<MirroredManifest, MirrorError> {
        self.mirror.get_manifest(&self.access(name).await, &at.parse().unwrap()).await
    }

    pub(crate) async fn head(&self, name: &str, at: &str) -> Result<MirroredManifest, MirrorError> {
        self.mirror.stat_manifest(&self.access(name).await, &at.parse().unwrap()).await
    }

    /// A blob as a client gets it: all bytes, or the error that cut it.
    pub(crate) async fn blob(&self, name: &str, digest: &Digest) -> Result<Bytes, String> {
        let opened = self.mirror.open_blob(&self.access(name).await, digest).await;
        read(opened.map_err(|error| error.to_string())?).await
    }

    /// A blob, when it is stored: it can be read to its end a moment before.
    pub(crate) async fn blob_kept(&self, name: &str, digest: &Digest) -> Bytes {
        let content = self.blob(name, digest).await.unwrap();
        self.landed().await;
        content
    }

    /// Waits until no download is under way: who reads hears of its end a moment before all is said and done.
    pub(crate) async fn landed(&self) {
        while self.mirror.downloads() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Whether a blob is stored for a repository, whatever its upstream has.
    pub(crate) async fn is_stored(&self, name: &str, digest: &Digest) -> bool {
        self.registry.stat_blob(&self.access(name).await, digest).await.is_ok()
    }

    /// An account, which also switches accounts on.
    pub(crate) async fn user(&self, name: &str) -> Caller {
        let root = NewUser { name: "root".parse().unwrap(), password: None, admin: true };
        if !self.accounts.any() {
            self.accounts.add_user(root, &Caller::folder_owner()).await.unwrap();
        }
        let user = NewUser {
            name: name.parse().unwrap(),
            password: Some(Secret::new("a long password")),
            admin: false,
        };
        self.accounts.add_user(user, &Caller::folder_owner()).await.unwrap();
        let credentials =
            berth_auth::Credentials::Basic { user: name.into(), secret: Secret::new("a long password") };
        self.accounts.identify(&credentials, None).await.unwrap()
    }
}

/// All bytes of a blob, or why there are not all.
pub(crate) async fn read(blob: MirroredBlob) -> Result<Bytes, String> {
    let pieces: Vec<Bytes> = match blob {
        MirroredBlob::Passing(direct) => {
            direct.pieces().try_collect().await.map_err(|error| error.to_string())?
        }
        MirroredBlob::Here(content) => match content.body {
            BlobBody::Inline(bytes) => vec![bytes],
            BlobBody::File(file) => {
                vec![file.read_at(0, content.size as usize).map_err(|error| error.to_string())?]
            }
            BlobBody::Growing(following) => {
                let pieces: Vec<_> = following.read(0..u64::MAX).collect().await;
                pieces.into_iter().collect::<Result<_, _>>().map_err(|error| error.to_string())?
            }
        },
    };
    Ok(pieces.concat().into())
}
