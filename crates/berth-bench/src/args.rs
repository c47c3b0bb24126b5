//! What can be asked of the load generator on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of `berth bench`.
#[derive(Args, Debug, Clone)]
pub struct BenchArgs {
    /// The registry to load, `http://HOST:PORT` (plain HTTP only: TLS would measure the cipher).
    #[arg(long, default_value = "http://127.0.0.1:5000", value_name = "URL")]
    pub target: String,
    /// A process of the server whose CPU time and memory are reported, with its children; repeatable.
    #[arg(long = "pid", value_name = "PID")]
    pub pids: Vec<u32>,
    /// Also write the results as JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What to run; repeatable, comma-separated. Without it: everything that is quick to prepare.
    #[arg(long = "scenario", value_enum, value_delimiter = ',', value_name = "NAME")]
    pub scenarios: Vec<Scenario>,
    /// Connections at the same time; each scenario has a fitting number of its own (2 for large blobs, 16 for
    /// small things, 1 for pages).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: Option<u16>,
    /// Longest measured time of one scenario, in seconds.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Most operations of one scenario; each scenario has a bound of its own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub operations: Option<u64>,
    /// Bytes of a large blob, in MiB.
    #[arg(long, default_value_t = 128, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub large_mib: u64,
    /// Bytes of a small blob, in KiB.
    #[arg(long, default_value_t = 16, value_name = "KIB", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub small_kib: u64,
    /// Tags and repositories to prepare for the page scenarios.
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(200..=1_000_000))]
    pub entries: u64,
    /// How a blob is uploaded after the POST: one PUT (as containerd does) or PATCH and an empty PUT (as docker does).
    #[arg(long, value_enum, default_value_t = UploadStyle::Put)]
    pub upload: UploadStyle,
    /// The target is a static file server: write what is to be pulled as files below this folder (its web root)
    /// in place of pushing it.
    #[arg(long, value_name = "DIR")]
    pub static_root: Option<PathBuf>,
}

/// How the bytes of a blob travel after the POST that opened the upload.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadStyle {
    /// The whole blob in the closing PUT.
    Put,
    /// The whole blob in one chunked PATCH, then an empty PUT.
    Patch,
}

/// One kind of load.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Upload large blobs, each with bytes of its own.
    PushLarge,
    /// Upload small blobs, each with bytes of its own.
    PushSmall,
    /// Download large blobs.
    PullLarge,
    /// Download small blobs.
    PullSmall,
    /// Read manifests by tag.
    ManifestGet,
    /// Ask for the digest behind a tag.
    ManifestHead,
    /// Store new manifests under new tags.
    ManifestPut,
    /// Mount blobs of one repository into others.
    Mount,
    /// Push whole small images as a client does: one known layer, two new ones, configuration, manifest.
    ImagePush,
    /// Read pages of a tag list, with 100 tags and with `--entries`.
    TagsPage,
    /// Read pages of the catalog, with 100 repositories and with `--entries`.
    CatalogPage,
    /// Hold 1,000 idle connections and see what they cost.
    Idle,
    /// Store `--entries` manifests quickly (to measure a start with many of them).
    Fill,
}

impl Scenario {
    /// What runs when nothing is chosen: everything but what prepares `--entries` rows first.
    pub const DEFAULT: [Scenario; 10] = [
        Scenario::PushLarge,
        Scenario::PushSmall,
        Scenario::PullLarge,
        Scenario::PullSmall,
        Scenario::ManifestGet,
        Scenario::ManifestHead,
        Scenario::ManifestPut,
        Scenario::Mount,
        Scenario::ImagePush,
        Scenario::Idle,
    ];

    /// The name on the command line and in the results.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether a static file server can answer it.
    pub fn only_reads(self) -> bool {
        matches!(
            self,
            Scenario::PullLarge
                | Scenario::PullSmall
                | Scenario::ManifestGet
                | Scenario::ManifestHead
                | Scenario::Idle
        )
    }
}
