//! How a layer is packed, found out by its first bytes: what its media type says is only a claim.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;
use std::time::{Duration, Instant};

use flate2::bufread::MultiGzDecoder;

use crate::Stop;

/// The largest window of zstd, as a power of two: 128 MiB, what its own command takes without being asked.
const WINDOW: u32 = 27;
/// Bytes that tell.
const MAGIC: usize = 6;

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), of one member or many.
    Gzip,
    /// Zstandard (RFC 8878), of one frame or many.
    Zstd,
}

/// A stream of unpacked bytes, and how many packed ones were taken for it.
pub struct Unpacked<'a> {
    /// How it was packed.
    pub compression: Compression,
    /// Gives the unpacked bytes.
    pub reader: Box<dyn Read + 'a>,
    /// Packed bytes that were taken so far.
    pub taken: Rc<Cell<u64>>,
}

/// Finds out how a stream is packed. Reading it fails with `TimedOut` when `time` is over. How much comes out has no limit
/// here.
///
/// # Errors
///
/// [`Stop::Packed`] for what no client takes, or why the first bytes cannot be read.
pub fn unpack<'a>(mut packed: impl Read + 'a, time: Duration) -> Result<Unpacked<'a>, Stop> {
    let mut magic = Vec::with_capacity(MAGIC);
    packed.by_ref().take(MAGIC as u64).read_to_end(&mut magic).map_err(|error| Stop::of(&error))?;
    let compression = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        // A skippable frame: what some builders begin with.
        [low, 0x2a, 0x4d, 0x18, ..] if low & 0xf0 == 0x50 => Compression::Zstd,
        [0xfd, b'7', b'z', b'X', b'Z', 0] => return Err(Stop::Packed { how: "xz" }),
        [b'B', b'Z', b'h', ..] => return Err(Stop::Packed { how: "bzip2" }),
        [b'P', b'K', 3, 4, ..] => return Err(Stop::Packed { how: "zip" }),
        _ => Compression::None,
    };
    let taken = Rc::new(Cell::new(0));
    let inner = io::Cursor::new(magic).chain(packed);
    let counted = Counted { inner, taken: Rc::clone(&taken), end: Instant::now() + time };
    let buffered = BufReader::with_capacity(128 * 1024, counted);
    let reader: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(buffered),
        Compression::Gzip => Box::new(MultiGzDecoder::new(buffered)),
        Compression::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(buffered).map_err(|error| Stop::of(&error))?;
            decoder.window_log_max(WINDOW).map_err(|error| Stop::of(&error))?;
            Box::new(decoder)
        }
    };
    Ok(Unpacked { compression, reader, taken })
}

struct Counted<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
    end: Instant,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Packed bytes of which nothing comes out take their time as well.
        if Instant::now() > self.end {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let read = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}
