//! Unpacking what comes in, with an end to bombs.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Duration;

use berth_inspect::{Compression, Stop, unpack};

use crate::Error;

/// Bytes that come out for each byte that goes in. Honest archives reach twenty.
const RATIO: u64 = 200;
/// Bytes that may come out before the ratio is judged: a layer of zeros packs to nothing, and some are honest.
const RATIO_FROM: u64 = 1024 * 1024 * 1024;
/// There is no limit of time for what a user reads from his own disk.
const TIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The unpacked bytes of a stream.
pub(super) struct Packed<'a> {
    pub(super) compression: Compression,
    reader: Box<dyn Read + 'a>,
    taken: Rc<Cell<u64>>,
    given: u64,
    free: u64,
    error: ErrorCell,
}

/// The first error of the input. Decoders tell of it in their own words, or in none.
#[derive(Clone, Default)]
struct ErrorCell(Rc<Cell<Option<io::Error>>>);

/// Remembers why reading failed.
struct Noting<R> {
    inner: R,
    error: ErrorCell,
}

impl<R: Read> Read for Noting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.error.0.set(Some(error));
            }
            kind.into()
        })
    }
}

impl<'a> Packed<'a> {
    /// Finds out how a stream is packed.
    pub(super) fn new(input: impl Read + 'a) -> Result<Packed<'a>, Error> {
        Packed::with_free(input, RATIO_FROM)
    }

    fn with_free(input: impl Read + 'a, free: u64) -> Result<Packed<'a>, Error> {
        let error = ErrorCell::default();
        let noting = Noting { inner: input, error: error.clone() };
        let unpacked = unpack(noting, TIME).map_err(|stop| match error.0.take() {
            Some(source) => Error::Input { source },
            None => Error::archive(refusal(stop)),
        })?;
        let (compression, reader, taken) = (unpacked.compression, unpacked.reader, unpacked.taken);
        Ok(Packed { compression, reader, taken, given: 0, free, error })
    }

    /// What a failure means: the error of the input if there was one, otherwise `what`.
    pub(super) fn failure(&self, what: impl Into<String>) -> Error {
        match self.error.0.take() {
            Some(source) => Error::Input { source },
            None if self.is_bomb() => Error::archive(
                "it unpacks to far more bytes than an honest archive; unpack it yourself if it is one",
            ),
            None => Error::archive(what),
        }
    }

    /// Reads what is left, so that checksums at the end are checked and who sends is not cut off.
    pub(super) fn drain(&mut self) -> Result<(), Error> {
        match crate::copy::each_chunk(&mut *self, |_| Ok(())) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failure(damaged(&error))),
        }
    }

    fn is_bomb(&self) -> bool {
        let honest = self.taken.get().saturating_mul(RATIO).saturating_add(self.free);
        self.compression != Compression::None && self.given > honest
    }
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.given += read as u64;
        if self.is_bomb() {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(read)
    }
}

/// Why the beginning of a stream is not taken, and what to do.
fn refusal(stop: Stop) -> String {
    match stop {
        Stop::Packed { how: how @ ("xz" | "bzip2") } => format!(
            "it is packed with {how}, which cannot be read here; `{how} -dc FILE` unpacks it, and what that writes can be \
             taken from standard input"
        ),
        stop => stop.to_string(),
    }
}

/// What an error of a decoder means.
pub(super) fn damaged(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends in the middle",
        _ => "its compression is damaged",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use super::Packed;
    use crate::Error;

    #[test]
    fn a_bomb_is_stopped() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![0; 4 << 20]).unwrap();
        let bomb = gzip.finish().unwrap();
        let mut packed = Packed::with_free(bomb.as_slice(), 1 << 20).unwrap();
        let error = packed.drain().unwrap_err().to_string();
        assert!(error.contains("far more bytes than an honest archive"), "{error}");
        assert!(packed.given < 3 << 20, "{}", packed.given);
        Packed::with_free(bomb.as_slice(), 4 << 20).unwrap().drain().unwrap();
        Packed::with_free([7; 100].as_slice(), 0).unwrap().drain().unwrap();
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable was pulled"))
        }
    }

    #[test]
    fn an_error_of_the_input_is_told_as_it_is() {
        let input = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1].chain(Failing);
        let error = Packed::new(input).unwrap().drain().unwrap_err();
        assert!(matches!(&error, Error::Input { source } if source.to_string().contains("cable")), "{error}");
        assert!(matches!(Packed::new(Failing), Err(Error::Input { .. })));
    }
}
