//! Joins the parts of a registry: database and blob store in the data folder, rules from the configuration.

use std::net::SocketAddr;

use berth_auth::{Accounts, AuthError};
use berth_blobs::{BlobStore, Options, StoreError};
use berth_db::{Db, DbError};
use berth_http::{AddressOptions, Api};
use berth_meta::{Meta, MetaError};
use berth_mirror::{Mirror, MirrorOptions, Sealer};
use berth_registry::{Authorizer, Policy, Registry, WithoutAccounts};

use crate::config::{Config, Sparse};
use crate::data_folder::DataFolder;
use berth_cli::failure::Failure;

/// The embedded database in the data folder.
const DATABASE: &str = "berth.db";

/// A registry and its accounts.
pub(crate) struct Joined {
    pub(crate) registry: Registry,
    pub(crate) accounts: Accounts,
    pub(crate) mirror: Mirror,
}

impl Joined {
    /// Opens what is in the data folder, makes what is missing, and brings the schema up to date.
    pub(crate) async fn open(
        config: &Config,
        folder: &DataFolder,
        without: WithoutAccounts,
    ) -> Result<Joined, Failure> {
        let db = open_database(config, folder).await?;
        let meta = Meta::open(db.clone()).await.map_err(unusable_schema)?;
        let accounts = Accounts::open(db).await.map_err(unusable_accounts)?;
        let options = Options { reserve: config.storage.reserve.0 };
        let blobs = BlobStore::open_with(folder.path(), options).await.map_err(unusable_blobs)?;
        let authorizer = Authorizer::new(accounts.clone(), meta.clone(), without);
        let program = std::env::current_exe()?;
        let registry = Registry::new(meta, blobs, authorizer, policy(config)).reading_layers_with(program);
        let mirror = open_mirror(config, folder, registry.clone()).await?;
        Ok(Joined { registry, accounts, mirror })
    }

    /// What answers requests. `entrances` are the addresses where this server is taken for Docker Hub.
    pub(crate) fn api(&self, config: &Config, entrances: Vec<SocketAddr>) -> Api {
        let addresses = AddressOptions {
            external_url: config.external_url.0.clone(),
            trusted_proxies: config.trusted_proxies.0.clone(),
        };
        Api::new(self.registry.clone())
            .with_accounts(self.accounts.clone(), addresses)
            .with_mirror(self.mirror.clone(), entrances)
    }
}

/// The key that seals the passwords of upstreams, where nothing else is said.
const SECRET_KEY: &str = "secret.key";

async fn open_mirror(config: &Config, folder: &DataFolder, registry: Registry) -> Result<Mirror, Failure> {
    let key = config.secret_key_file.clone().unwrap_or_else(|| folder.path().join(SECRET_KEY));
    let sealer = Sealer::open(&key).map_err(|error| {
        Failure::other(error).hint("secret_key_file names it; it belongs to the user who runs berth")
    })?;
    let options = MirrorOptions { configured: config.mirror.0.clone() };
    Mirror::open(registry, sealer, options).await.map_err(Failure::other)
}

async fn open_database(config: &Config, folder: &DataFolder) -> Result<Db, Failure> {
    match &config.database.url {
        Some(url) => Db::open_postgres(url.reveal()).await.map_err(|error| {
            Failure::other(error)
                .hint(format!("database.url is {url}; is that server there, and the database made?"))
        }),
        None => Db::open_sqlite(&folder.path().join(DATABASE)).await.map_err(|error| {
            Failure::other(error).hint(format!("the database is {}", folder.path().join(DATABASE).display()))
        }),
    }
}

fn unusable_schema(error: MetaError) -> Failure {
    let is_newer = matches!(error, MetaError::Db(DbError::NewerSchema { .. }));
    let failure = Failure::other(error);
    if is_newer {
        failure.hint("a later version of berth wrote this data: use that version, or a later one")
    } else {
        failure
    }
}

fn unusable_accounts(error: AuthError) -> Failure {
    match error {
        AuthError::Db(error) => unusable_schema(error.into()),
        other => Failure::other(other),
    }
}

fn unusable_blobs(error: StoreError) -> Failure {
    Failure::other(error)
        .hint("the data folder must belong to the user who runs berth, on a disk that can be written")
}

fn policy(config: &Config) -> Policy {
    Policy {
        delete: config.delete.enabled,
        sparse: match config.images.sparse {
            Sparse::Refuse => berth_meta::Sparse::Refuse,
            Sparse::Indexes => berth_meta::Sparse::Indexes,
            Sparse::All => berth_meta::Sparse::All,
        },
        upload_expiry: config.uploads.expire,
        uploads_at_once: config.uploads.at_once as usize,
        grace: config.clean.grace,
        trash: config.delete.trash,
        clean_every: config.clean.interval,
    }
}
