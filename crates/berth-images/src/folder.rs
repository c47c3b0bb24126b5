//! The folder of a store: where things are, and how they are changed so that no reader sees half a change.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use berth_oci::Digest;
use rustix::fs::{FlockOperation, OFlags};

use crate::index::Index;
use crate::step::step;
use crate::{Error, hold, incoming};

/// What `oci-layout` says (image-spec, "OCI Layout").
pub(crate) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The folder of what is at work.
const WORK: &str = ".berth";
const LOCK: &str = "lock";
/// Most bytes of a manifest or configuration that are read into memory.
pub(crate) const DOCUMENT: u64 = 8 * 1024 * 1024;

/// The folder of a store.
///
/// ```text
/// oci-layout, index.json, blobs/<algorithm>/<hex>   an OCI image layout, for every tool
/// .berth/lock                                       held by whoever changes something
/// .berth/partial/<algorithm>-<hex>                  a blob that is not whole yet, held by whoever writes it
/// .berth/holds/<id>                                 what somebody at work needs, held by him while he lives
/// .berth/stage/<id>/                                his files that have no digest yet
/// ```
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    audience: Audience,
}

/// Whom the files of a store are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The user alone.
    Owner,
    /// Whoever the user lets read what he makes (umask).
    Others,
}

/// Proof that nobody else changes the store or asks what is in it to keep it. Readers need no lock.
pub(crate) struct Changing<'a> {
    folder: &'a Folder,
    _lock: File,
}

/// Proof that nobody changes the store; several may hold it.
pub(crate) struct Unchanging {
    _lock: File,
}

impl Folder {
    /// Opens the folder, making it if it is not there. One that is there is not written to.
    pub(crate) fn open(root: &Path, audience: Audience) -> Result<Folder, Error> {
        let folder = Folder { root: root.to_owned(), audience };
        match fs::read(root.join("oci-layout")) {
            Ok(text) => folder.check_layout(&text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => folder.create()?,
            Err(error) => return Err(folder.io("read", &root.join("oci-layout"), error)),
        }
        Ok(folder)
    }

    fn check_layout(&self, text: &[u8]) -> Result<(), Error> {
        let version = serde_json::from_slice::<serde_json::Value>(text).ok();
        match version.as_ref().and_then(|layout| layout.get("imageLayoutVersion")?.as_str()) {
            Some("1.0.0") => Ok(()),
            Some(other) => self.no_store(format!("it has version {other:?}")),
            None => self.no_store("its file oci-layout cannot be read".to_owned()),
        }
    }

    fn no_store<T>(&self, what: String) -> Result<T, Error> {
        Err(Error::NotAStore { folder: self.root.clone(), what })
    }

    /// Makes an empty store. `oci-layout` comes last: what has it has the rest.
    fn create(&self) -> Result<(), Error> {
        if !self.root.is_dir() {
            self.make_folder(&self.root)?;
            let parent = self.root.parent().filter(|parent| !parent.as_os_str().is_empty());
            parent.map_or(Ok(()), |parent| self.sync_folder(parent))?;
        }
        const OURS: [&str; 4] = [WORK, "blobs", "index.json", "oci-layout"];
        for entry in self.list(&self.root)? {
            let name = entry.file_name();
            if !OURS.iter().any(|ours| name == *ours) {
                return self.no_store(format!("it has a file {:?}", name.to_string_lossy()));
            }
        }
        let changing = self.change()?;
        if self.root.join("oci-layout").exists() {
            return Ok(());
        }
        self.make_folder(&self.root.join("blobs"))?;
        if !self.root.join("index.json").exists() {
            changing.write_index(&Index::default())?;
        }
        changing.replace("oci-layout", LAYOUT)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    /// A folder of what is at work, made if it is not there.
    pub(crate) fn work(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.work_path(name);
        self.make_folder(&folder)?;
        Ok(folder)
    }

    /// A folder of what is at work, which need not be there.
    pub(crate) fn work_path(&self, name: &str) -> PathBuf {
        self.root.join(WORK).join(name)
    }

    /// Makes a folder, and those above it. One that is there is fine.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<(), Error> {
        if path.is_dir() {
            return Ok(());
        }
        step();
        let mode = match self.audience {
            Audience::Owner => 0o700,
            Audience::Others => 0o777,
        };
        let made = DirBuilder::new().recursive(true).mode(mode).create(path);
        made.map_err(|error| self.io("make", path, error))
    }

    /// Waits until nobody else changes the store.
    pub(crate) fn change(&self) -> Result<Changing<'_>, Error> {
        Ok(Changing { folder: self, _lock: self.lock(FlockOperation::LockExclusive)? })
    }

    /// Waits until nobody changes the store, and keeps it so.
    pub(crate) fn stand_still(&self) -> Result<Unchanging, Error> {
        Ok(Unchanging { _lock: self.lock(FlockOperation::LockShared)? })
    }

    fn lock(&self, how: FlockOperation) -> Result<File, Error> {
        let path = self.work_path(LOCK);
        loop {
            self.make_folder(&self.root.join(WORK))?;
            let file = match self.open_to_write(&path) {
                // Somebody tidied up just now.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => continue,
                file => file?,
            };
            flock(&file, how).map_err(|error| self.io("lock", &path, error))?;
            // A lock of a file that was tidied away keeps nobody off.
            if is_same(&file, &path) {
                return Ok(file);
            }
        }
    }

    /// Opens a file for reading and writing, making it if it is not there.
    pub(crate) fn open_to_write(&self, path: &Path) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        let mode = match self.audience {
            Audience::Owner => 0o600,
            Audience::Others => 0o666,
        };
        options.read(true).write(true).create(true).mode(mode);
        let options = options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        options.open(path).map_err(|error| self.io("open", path, error))
    }

    /// What the store has, as of now.
    pub(crate) fn read_index(&self) -> Result<Index, Error> {
        let path = self.root.join("index.json");
        let bytes = fs::read(&path).map_err(|error| self.io("read", &path, error))?;
        Index::read(&bytes).map_err(|source| Error::Index { path, source })
    }

    /// The length of a blob in bytes; `None` if it is not there.
    pub(crate) fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        let path = self.blob(digest);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io("look at", &path, error)),
        }
    }

    /// Opens a blob. Its bytes are as they were checked when they came, unless the disk lost them.
    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<File, Error> {
        let path = self.blob(digest);
        File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::Missing { digest: digest.clone() },
            _ => self.io("open", &path, error),
        })
    }

    /// Reads a manifest or a configuration and checks it.
    pub(crate) fn read_document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let file = self.open_blob(digest)?;
        let path = self.blob(digest);
        let size = file.metadata().map_err(|error| self.io("look at", &path, error))?.len();
        if size > DOCUMENT {
            return Err(Error::TooLarge { digest: digest.clone(), size, limit: DOCUMENT });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = file.take(DOCUMENT).read_to_end(&mut bytes);
        read.map_err(|error| self.io("read", &path, error))?;
        match Digest::of(digest.algorithm(), &bytes) == *digest {
            true => Ok(bytes),
            false => Err(Error::Damaged { digest: digest.clone() }),
        }
    }

    /// Gives a file that was written and checked its place among the blobs, durably.
    pub(crate) fn commit(&self, file: &File, from: &Path, digest: &Digest) -> Result<(), Error> {
        let path = self.blob(digest);
        let blobs = self.root.join("blobs");
        let folder = path.parent().unwrap_or(&blobs);
        if !folder.is_dir() {
            self.make_folder(folder)?;
            self.sync_folder(&blobs)?;
        }
        step();
        file.sync_all().map_err(|error| self.io("write", from, error))?;
        step();
        fs::rename(from, &path).map_err(|error| self.io("write", &path, error))?;
        step();
        self.sync_folder(folder)
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync_folder(&self, path: &Path) -> Result<(), Error> {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| self.io("write", path, error))
    }

    /// Removes a file; one that is not there is fine.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), Error> {
        step();
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.io("remove", path, error)),
            _ => Ok(()),
        }
    }

    /// The entries of a folder that need not be there.
    pub(crate) fn list(&self, path: &Path) -> Result<Vec<fs::DirEntry>, Error> {
        match fs::read_dir(path).and_then(Iterator::collect) {
            Ok(entries) => Ok(entries),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.io("read", path, error)),
        }
    }

    pub(crate) fn io(&self, action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::io(&self.root, action, path, source)
    }
}

impl Changing<'_> {
    /// Puts another index in the place of the one that is there.
    pub(crate) fn write_index(&self, index: &Index) -> Result<(), Error> {
        self.replace("index.json", &index.to_bytes())
    }

    /// Takes away what is only there for work, if nobody is at work and nothing waits to be gone on with.
    pub(crate) fn tidy(&self) {
        let folder = self.folder;
        let is_gone = |name: &str| match fs::remove_dir(folder.work_path(name)) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        // Who is at work has a file in the first of them, and makes the others only then.
        if [hold::HOLDS, hold::STAGE, incoming::PARTIAL].into_iter().all(is_gone) {
            for file in ["index.json.new", "oci-layout.new", LOCK] {
                step();
                // What cannot be removed is in nobody's way.
                let _ = fs::remove_file(folder.work_path(file));
            }
            let _ = fs::remove_dir(folder.root.join(WORK));
        }
    }

    /// Puts a file in the place of another at once and durably.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let folder = self.folder;
        let (new, path) = (folder.work_path(&format!("{name}.new")), folder.root.join(name));
        let write = || {
            let mut file = File::create(&new)?;
            step();
            file.write_all(content)?;
            step();
            file.sync_all()
        };
        write().map_err(|error| folder.io("write", &new, error))?;
        step();
        fs::rename(&new, &path).map_err(|error| folder.io("write", &path, error))?;
        step();
        folder.sync_folder(&folder.root)
    }
}

/// Whether the path still names the open file.
pub(crate) fn is_same(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

/// Takes the lock of an open file; it is given back when the file is closed, also by a kill.
pub(crate) fn flock(file: &File, how: FlockOperation) -> io::Result<()> {
    loop {
        match rustix::fs::flock(file, how) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map_err(io::Error::from),
        }
    }
}

/// Takes the lock of an open file unless somebody has it; whether it was taken.
pub(crate) fn try_flock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
