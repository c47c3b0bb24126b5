//! What can go wrong with the local images, in sentences that say what to do next.

use std::io;
use std::path::{Path, PathBuf};

use berth_oci::{Digest, ImageReferenceError, ManifestError};
use rustix::io::Errno;

/// An operation on the local images failed. What was there before is still there, whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The volume, or the user's quota on it, has no room.
    #[error(
        "the disk of {} is full; free space, for example with `berth rmi`, and try again; \
         a pull goes on where it stopped",
        folder.display()
    )]
    Full {
        /// The folder of the store.
        folder: PathBuf,
    },
    /// The user may not write there.
    #[error("{} cannot be written ({source}); make it writable or choose another folder", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another error of the operating system.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The folder is no store of images, or one of a later version.
    #[error(
        "{} holds no OCI image layout of version 1.0.0 ({what}); choose another folder",
        folder.display()
    )]
    NotAStore {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// `index.json` cannot be read.
    #[error("{} is damaged ({source}); restore it, or move the folder away and pull again", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Content is not in the store.
    #[error("{digest} is not among the local images; pull the image again")]
    Missing {
        /// What was looked for.
        digest: Digest,
    },
    /// Content in the store is not what its digest says.
    #[error("{digest} is damaged on the disk; pull the image again")]
    Damaged {
        /// What was looked for.
        digest: Digest,
    },
    /// Bytes that came in are not what was promised. They were thrown away.
    #[error(
        "what arrived for {expected} is something else ({actual}); \
         try again, and if it stays so tell who sent it"
    )]
    Mismatch {
        /// What was promised.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// More or fewer bytes came in than were promised.
    #[error(
        "{digest} should have {expected} bytes and has {actual}; \
         try again, and if it stays so tell who sent it"
    )]
    Length {
        /// What was promised.
        digest: Digest,
        /// The promised length in bytes.
        expected: u64,
        /// The length of what came in bytes.
        actual: u64,
    },
    /// An index has nothing for the platform.
    #[error("the image has nothing for {wanted}; it has {found}: choose one of them with --platform")]
    NoPlatform {
        /// The platform that was asked for.
        wanted: String,
        /// What there is, with commas.
        found: String,
    },
    /// A document of an image cannot be understood.
    #[error("{digest} is not the manifest of an image: {source}")]
    Manifest {
        /// The document.
        digest: Digest,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The configuration of an image cannot be understood.
    #[error("{digest} is not the configuration of an image; build or pull the image again")]
    Config {
        /// The document.
        digest: Digest,
    },
    /// A manifest or configuration is larger than any real one.
    #[error("{digest} has {size} bytes, too many for a manifest or configuration (at most {limit})")]
    TooLarge {
        /// The document.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Neither a name nor an id.
    #[error("no such image: {text}; `berth images` shows what is there")]
    NoSuchImage {
        /// What was asked for.
        text: String,
    },
    /// The beginning of more than one id.
    #[error("{text} is the beginning of {count} image ids; write more of it")]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// How many ids begin so.
        count: usize,
    },
    /// No name of an image.
    #[error("{text:?} is not the name of an image: {source}")]
    Name {
        /// What was written.
        text: String,
        /// What is wrong with it.
        source: ImageReferenceError,
    },
    /// A name with a digest cannot be given, since what it names is decided by the digest.
    #[error("{name} has a digest, which no image can be given; write <name>:<tag>")]
    DigestAsTarget {
        /// What was written.
        name: String,
    },
    /// An image with names in several repositories is not removed by its id.
    #[error(
        "unable to delete {id} (must be forced): the image is referenced in multiple repositories ({names}); \
         remove the names, or use --force"
    )]
    InUse {
        /// The short id.
        id: String,
        /// The names, with commas.
        names: String,
    },
    /// An archive is not one of images, is damaged, or wants what no archive may.
    #[error("the archive was not taken: {what}")]
    Archive {
        /// What is wrong with it, and where.
        what: String,
    },
    /// What comes in could not be read.
    #[error("the input could not be read: {source}")]
    Input {
        /// The error of the reader.
        source: io::Error,
    },
    /// What goes out could not be written.
    #[error("the output could not be written: {source}")]
    Output {
        /// The error of the writer.
        source: io::Error,
    },
    /// An instruction of `--change` that cannot be followed.
    #[error("--change {text:?}: {what}")]
    Change {
        /// The instruction.
        text: String,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// Gives an error of the operating system its meaning.
    pub(crate) fn io(folder: &Path, action: &'static str, path: &Path, source: io::Error) -> Error {
        match Errno::from_io_error(&source) {
            Some(Errno::NOSPC | Errno::DQUOT) => Error::Full { folder: folder.to_owned() },
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
                Error::Unwritable { path: path.to_owned(), source }
            }
            _ => Error::Io { action, path: path.to_owned(), source },
        }
    }

    /// A fault of an archive, in a clause.
    pub(crate) fn archive(what: impl Into<String>) -> Error {
        Error::Archive { what: what.into() }
    }
}
