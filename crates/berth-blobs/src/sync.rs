//! The three syncs that durability rests on, behind a trait so that tests can make one of them fail.

use std::fs::File;
use std::io;

/// Makes written things durable.
pub(crate) trait Syncs: Send + Sync + 'static {
    /// Begins to move the bytes of a growing file to the disk, and waits for them, so that the last sync is short.
    fn early(&self, file: &File) -> io::Result<()>;
    /// Makes the bytes and the length of a file durable.
    fn file(&self, file: &File) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn directory(&self, directory: &File) -> io::Result<()>;
}

/// The syncs of the operating system.
pub(crate) struct RealSyncs;

impl Syncs for RealSyncs {
    fn early(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn directory(&self, directory: &File) -> io::Result<()> {
        directory.sync_all()
    }
}

/// The syncs for a store that is being opened.
#[cfg(not(feature = "sabotage"))]
pub(crate) fn syncs() -> Box<dyn Syncs> {
    Box::new(RealSyncs)
}

/// The syncs for a store that is being opened, minus those that `BERTH_SABOTAGE` takes away.
#[cfg(feature = "sabotage")]
pub(crate) fn syncs() -> Box<dyn Syncs> {
    match std::env::var("BERTH_SABOTAGE").as_deref() {
        Ok("no-file-fsync") => sabotaged("no-file-fsync", Sabotaged { files: false, directories: true }),
        Ok("no-dir-fsync") => sabotaged("no-dir-fsync", Sabotaged { files: true, directories: false }),
        _ => Box::new(RealSyncs),
    }
}

#[cfg(feature = "sabotage")]
fn sabotaged(what: &str, syncs: Sabotaged) -> Box<dyn Syncs> {
    tracing::error!(
        "BERTH_SABOTAGE={what}: THIS STORE LOSES ACKNOWLEDGED DATA IN A POWER CUT; for crash tests only"
    );
    Box::new(syncs)
}

/// Leaves out a kind of sync, to prove that the crash tests notice.
#[cfg(feature = "sabotage")]
struct Sabotaged {
    files: bool,
    directories: bool,
}

#[cfg(feature = "sabotage")]
impl Syncs for Sabotaged {
    fn early(&self, file: &File) -> io::Result<()> {
        if self.files { RealSyncs.early(file) } else { Ok(()) }
    }

    fn file(&self, file: &File) -> io::Result<()> {
        if self.files { RealSyncs.file(file) } else { Ok(()) }
    }

    fn directory(&self, directory: &File) -> io::Result<()> {
        if self.directories { RealSyncs.directory(directory) } else { Ok(()) }
    }
}
