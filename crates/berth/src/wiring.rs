//! Joins the parts of a registry: database and blob store in the data folder, rules from the configuration.

use berth_blobs::{BlobStore, Options, StoreError};
use berth_db::{Db, DbError};
use berth_meta::{Meta, MetaError};
use berth_registry::{Authorizer, Policy, Registry};

use crate::config::{Config, Sparse};
use crate::data_folder::DataFolder;
use crate::failure::Failure;

/// The embedded database in the data folder.
const DATABASE: &str = "berth.db";

/// Opens what is in the data folder, makes what is missing, and brings the schema up to date.
pub(crate) async fn open_registry(config: &Config, folder: &DataFolder) -> Result<Registry, Failure> {
    let db = open_database(config, folder).await?;
    let meta = Meta::open(db).await.map_err(unusable_schema)?;
    let options = Options { reserve: config.storage.reserve.0 };
    let blobs = BlobStore::open_with(folder.path(), options).await.map_err(unusable_blobs)?;
    // This version has no accounts: who reaches the address may do everything, and `exposure` guards the address.
    Ok(Registry::new(meta, blobs, Authorizer::open(), policy(config)))
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
    }
}
