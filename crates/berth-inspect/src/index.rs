//! The index of a layer: its entries in the order of the archive, and why it ends early if it does.

use std::io::{self, Read};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::Compression;
use crate::archive::{Archive, Header};
use crate::compression::{Unpacked, unpack};
use crate::limits::Limits;

/// Bytes before the ratio of a compression is judged.
const RATIO_FROM: u64 = 16 * 1024 * 1024;
/// What an entry takes in memory beside its names, in bytes: itself, and two pieces of memory with what keeps them.
const ENTRY: usize = 192;
/// The prefix of the name that removes another one from the layers below (image-spec, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The name that removes everything of a folder from the layers below.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What is inside of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerIndex {
    /// How it is packed.
    pub compression: Compression,
    /// The entries, in the order of the archive.
    pub entries: Vec<Entry>,
    /// Bytes that came out of the compression, as far as it was read.
    pub unpacked: u64,
    /// Entries that are not shown, since their path leads out of the image.
    pub skipped: u64,
    /// Why it ends early; `None` if it is whole.
    pub stopped: Option<Stop>,
}

/// A file, folder, or whatever else has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path, without a slash at its ends, without `.` and `..`. For a whiteout the path that it removes.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file.
    pub size: u64,
    /// Permissions.
    pub mode: u32,
    /// The number of its owner.
    pub uid: u64,
    /// The number of its group.
    pub gid: u64,
    /// When it was changed, in seconds since 1970.
    pub mtime: u64,
    /// Where a link leads.
    pub target: Vec<u8>,
    /// Where the content begins in the unpacked stream; `None` if it cannot be read from there.
    pub offset: Option<u64>,
    /// The first half of the SHA-256 of the content.
    pub sum: [u8; 16],
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Another name of a file.
    HardLink,
    /// A device, a pipe, or something else without content.
    Special,
    /// Removes a path of the layers below.
    Whiteout,
    /// Removes what is in a folder of the layers below.
    Opaque,
}

/// Why an index ends early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// It is no tar archive.
    #[error("it is no tar archive")]
    NoArchive,
    /// It is packed in a way that no client takes.
    #[error("it is packed with {how}, which cannot be read here")]
    Packed {
        /// How.
        how: &'static str,
    },
    /// It ends in the middle.
    #[error("it ends in the middle")]
    Cut,
    /// What follows makes no sense.
    #[error("it is damaged")]
    Broken,
    /// A name is too long.
    #[error("it holds a name that is too long")]
    LongName,
    /// There are too many entries.
    #[error("it holds too many files")]
    Entries,
    /// Its names are too many or too long to be kept.
    #[error("its names take too much memory")]
    Weight,
    /// It is not in the repository: it may be had elsewhere only, or was never pushed.
    #[error("it is not in this repository")]
    Absent,
    /// With the other layers of its image it is too much.
    #[error("with the other layers it is too much to be shown at once")]
    Together,
    /// Too much comes out of it.
    #[error("it unpacks to too many bytes")]
    Unpacked,
    /// Far more comes out than goes in.
    #[error("it unpacks to far more bytes than an honest layer")]
    Ratio,
    /// It takes too long.
    #[error("reading it takes too long")]
    Time,
    /// The worker took more memory or time than it may.
    #[error("reading it takes more memory or time than it may")]
    Killed,
}

impl Entry {
    /// What it takes in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        ENTRY + self.path.len() + self.target.len()
    }

    fn depth(&self) -> usize {
        self.path.iter().filter(|byte| **byte == b'/').count() + 1
    }
}

impl LayerIndex {
    /// An index of nothing, and why.
    pub fn stopped(why: Stop) -> LayerIndex {
        LayerIndex {
            compression: Compression::None,
            entries: Vec::new(),
            unpacked: 0,
            skipped: 0,
            stopped: Some(why),
        }
    }

    /// What it takes in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.entries.iter().map(Entry::weight).sum()
    }
}

impl Stop {
    /// What a failed read says: what unpacks calls damage an error of the input.
    pub(crate) fn of(error: &io::Error) -> Stop {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Stop::Cut,
            io::ErrorKind::FileTooLarge => Stop::Unpacked,
            io::ErrorKind::QuotaExceeded => Stop::Ratio,
            io::ErrorKind::TimedOut => Stop::Time,
            _ => Stop::Broken,
        }
    }
}

/// Reads a layer as far as it can be read.
pub fn index(packed: impl Read, limits: &Limits) -> LayerIndex {
    let mut index = LayerIndex {
        compression: Compression::None,
        entries: Vec::new(),
        unpacked: 0,
        skipped: 0,
        stopped: None,
    };
    match unpack(packed, limits.time) {
        Ok(unpacked) => {
            index.compression = unpacked.compression;
            index.stopped = fill(&mut index, unpacked, limits).err();
        }
        Err(stop) => index.stopped = Some(stop),
    }
    index
}

fn fill(index: &mut LayerIndex, unpacked: Unpacked<'_>, limits: &Limits) -> Result<(), Stop> {
    let mut bounded = Bounded::new(unpacked, *limits);
    let outcome = entries(index, &mut bounded, limits);
    index.unpacked = bounded.given;
    outcome
}

fn entries(index: &mut LayerIndex, bounded: &mut Bounded<'_>, limits: &Limits) -> Result<(), Stop> {
    let mut archive = Archive::new(bounded, *limits);
    let (mut buffer, mut weight, mut looked) = (vec![0; 64 * 1024], 0, 0);
    while let Some(header) = archive.next_entry()? {
        looked += 1;
        if looked > limits.entries {
            return Err(Stop::Entries);
        }
        let entry = entry(&header).filter(|entry| entry.depth() <= limits.depth);
        let Some(mut entry) = entry else {
            index.skipped += 1;
            continue;
        };
        weight += entry.weight();
        if weight > limits.weight {
            return Err(Stop::Weight);
        }
        let mut hash = Sha256::new();
        let mut left = header.stored;
        loop {
            // What fills up the last block is none of the content.
            let read = archive.content(&mut buffer)?;
            if read == 0 {
                break;
            }
            let own = usize::try_from(left).unwrap_or(usize::MAX).min(read);
            hash.update(&buffer[..own]);
            left -= own as u64;
        }
        if entry.kind == Kind::File {
            entry.sum.copy_from_slice(&hash.finalize()[..16]);
        }
        index.entries.push(entry);
    }
    Ok(())
}

/// An entry of the index; `None` if its path leads out of the image, or nowhere.
fn entry(header: &Header) -> Option<Entry> {
    let path = normal(&header.path)?;
    let kind = match header.kind {
        b'1' => Kind::HardLink,
        b'2' => Kind::Link,
        b'3' | b'4' | b'6' => Kind::Special,
        b'5' => Kind::Folder,
        // Before POSIX a folder was a file whose name ends with a slash.
        0 if header.path.ends_with(b"/") => Kind::Folder,
        _ => Kind::File,
    };
    let (path, kind) = removed(path, kind);
    if path.is_empty() && kind != Kind::Opaque {
        return None;
    }
    let target = match kind {
        Kind::HardLink => normal(&header.target)?,
        Kind::Link => header.target.clone(),
        _ => Vec::new(),
    };
    Some(Entry {
        path,
        kind,
        size: header.size,
        mode: u32::try_from(header.mode & 0o7777).unwrap_or_default(),
        uid: header.uid,
        gid: header.gid,
        mtime: header.mtime,
        target,
        offset: (kind == Kind::File && !header.is_sparse).then_some(header.offset),
        sum: [0; 16],
    })
}

/// What a whiteout removes.
fn removed(path: Vec<u8>, kind: Kind) -> (Vec<u8>, Kind) {
    let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, name) = path.split_at(at);
    if name == OPAQUE {
        return (folder.strip_suffix(b"/").unwrap_or(folder).to_vec(), Kind::Opaque);
    }
    match name.strip_prefix(WHITEOUT) {
        Some(name) if !name.is_empty() => ([folder, name].concat(), Kind::Whiteout),
        _ => (path, kind),
    }
}

/// A path without what means nothing in it; `None` if it leads out of the image.
fn normal(path: &[u8]) -> Option<Vec<u8>> {
    let mut normal = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if normal.is_empty() => return None,
            b".." => normal.truncate(normal.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            part => {
                if !normal.is_empty() {
                    normal.push(b'/');
                }
                normal.extend_from_slice(part);
            }
        }
    }
    Some(normal)
}

/// The bytes of one file, by where its content begins: `most` of them at most.
///
/// # Errors
/// [`Stop`] if they cannot be read. What offset and size say need not be true.
pub fn read_file(
    packed: impl Read,
    offset: u64,
    size: u64,
    most: u64,
    limits: &Limits,
) -> Result<Vec<u8>, Stop> {
    let mut bounded = Bounded::new(unpack(packed, limits.time)?, *limits);
    let skipped =
        io::copy(&mut (&mut bounded).take(offset), &mut io::sink()).map_err(|error| Stop::of(&error))?;
    if skipped < offset {
        return Err(Stop::Cut);
    }
    let mut content = Vec::new();
    (&mut bounded).take(size.min(most)).read_to_end(&mut content).map_err(|error| Stop::of(&error))?;
    Ok(content)
}

/// A stream that ends with an error where it goes beyond its limits.
struct Bounded<'a> {
    unpacked: Unpacked<'a>,
    limits: Limits,
    given: u64,
    began: Instant,
}

impl Bounded<'_> {
    fn new(unpacked: Unpacked<'_>, limits: Limits) -> Bounded<'_> {
        Bounded { unpacked, limits, given: 0, began: Instant::now() }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.unpacked.reader.read(buffer)?;
        self.given += read as u64;
        let taken = self.unpacked.taken.get().max(1);
        if self.given > self.limits.unpacked {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.given > RATIO_FROM && self.given / taken > self.limits.ratio {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        if self.began.elapsed() > self.limits.time {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(read)
    }
}
