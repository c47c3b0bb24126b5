//! The folder of a store: where things are, and how they are changed so that no reader sees half a change.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use berth_oci::Digest;
use rustix::fs::{FlockOperation, OFlags};

use crate::Error;
use crate::index::Index;
use crate::step::step;

/// What `oci-layout` says (image-spec, "OCI Layout").
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
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
    pub(crate) fn open(root: &Path) -> Result<Folder, Error> {
        let folder = Folder { root: root.to_owned() };
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
        const OURS: [&str; 4] = [".berth", "blobs", "index.json", "oci-layout"];
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
        let folder = self.root.join(".berth").join(name);
        self.make_folder(&folder)?;
        Ok(folder)
    }

    /// A folder of what is at work, which need not be there.
    pub(crate) fn work_path(&self, name: &str) -> PathBuf {
        self.root.join(".berth").join(name)
    }

    /// Makes a folder, and those above it. One that is there is fine.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<(), Error> {
        if path.is_dir() {
            return Ok(());
        }
        step();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
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
        self.make_folder(&self.root.join(".berth"))?;
        let path = self.work_path("lock");
        let file = self.open_to_write(&path)?;
        flock(&file, how).map_err(|error| self.io("lock", &path, error))?;
        Ok(file)
    }

    /// Opens a file for reading and writing, making it if it is not there.
    pub(crate) fn open_to_write(&self, path: &Path) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
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
