//! The configuration as the program uses it: every value read, checked and typed.

use std::path::PathBuf;
use std::time::Duration;

use super::addresses::{DatabaseUrl, ExternalUrl, ListenAddress, MaybeListen, Networks, RootPath};
use super::value::{LogFilter, Size};
use super::words::{Hidden, Registries};

/// Everything that can be configured. The meaning of each field is told in [`super::SETTINGS`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) listen: ListenAddress,
    pub(crate) open_to_network: bool,
    pub(crate) external_url: ExternalUrl,
    pub(crate) trusted_proxies: Networks,
    pub(crate) data: PathBuf,
    pub(crate) mirror: Registries,
    pub(crate) mirror_listen: MaybeListen,
    pub(crate) secret_key_file: Option<PathBuf>,
    pub(crate) drain: Duration,
    pub(crate) tls: Tls,
    pub(crate) log: Log,
    pub(crate) database: Database,
    pub(crate) storage: Storage,
    pub(crate) uploads: Uploads,
    pub(crate) images: Images,
    pub(crate) delete: Delete,
    pub(crate) clean: Clean,
    pub(crate) page: Page,
    pub(crate) openid: OpenId,
    pub(crate) limits: Limits,
}

/// `openid.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenId {
    /// Empty if there is none.
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Hidden,
    pub(crate) name: String,
    pub(crate) user_name_claim: String,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) makes_users: bool,
}

/// `page.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub(crate) enabled: bool,
    pub(crate) root: RootPath,
}

/// `tls.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// `log.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    pub(crate) level: LogFilter,
    pub(crate) format: LogFormat,
    pub(crate) requests: bool,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people: time, level, message, fields.
    #[default]
    Text,
    /// For machines: one JSON object in each line.
    Json,
}

/// `database.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Database {
    /// `None` is the embedded database in the data folder.
    pub(crate) url: Option<DatabaseUrl>,
}

/// `storage.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Storage {
    pub(crate) reserve: Size,
}

/// `uploads.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Uploads {
    pub(crate) expire: Duration,
    pub(crate) at_once: u32,
}

/// `images.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Images {
    pub(crate) sparse: Sparse,
}

/// What a manifest may name that the repository does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sparse {
    /// Nothing: it is refused with `MANIFEST_BLOB_UNKNOWN`.
    Refuse,
    /// Platforms of an index: a copy of some of them keeps the digest of the whole.
    #[default]
    Indexes,
    /// Layers of an image too.
    All,
}

/// `delete.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Delete {
    pub(crate) enabled: bool,
    pub(crate) trash: Duration,
}

/// `clean.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Clean {
    pub(crate) grace: Duration,
    pub(crate) interval: Duration,
}

/// `limits.*`
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) connections: u32,
    pub(crate) connections_per_address: u32,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) progress: Size,
    pub(crate) progress_window: Duration,
    pub(crate) header_size: Size,
}
