//! tar, read entry by entry: ustar, and the extensions of GNU and of POSIX.1-2001 (pax) that layers use.
//!
//! Where readers of the world disagree, this one does as Go's `archive/tar`, which unpacks layers for Docker and
//! containerd: the size in a pax record wins over that in the header, and entries that have no content have no size. What
//! people see here is what they get there.

use std::io::{self, Read};

use crate::Stop;
use crate::limits::Limits;

const BLOCK: usize = 512;
/// Bytes of a record that says something about the next entry. Real ones have hundreds.
const RECORD: u64 = 1024 * 1024;

/// The header of an entry, with what extensions say of it.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) path: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// Bytes in the archive.
    pub(crate) stored: u64,
    /// Bytes of the file that they make.
    pub(crate) size: u64,
    pub(crate) is_sparse: bool,
    pub(crate) mode: u64,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: u64,
    /// Where the content begins in the unpacked stream.
    pub(crate) offset: u64,
}

/// What extensions say of the next entry.
#[derive(Debug, Default)]
struct Extension {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    real_size: Option<u64>,
    is_sparse: bool,
}

/// A tar archive as it comes in.
pub(crate) struct Archive<R> {
    reader: R,
    /// Bytes that were read.
    at: u64,
    /// Bytes of the present entry, with those that fill its last block, that were not read yet.
    left: u64,
    limits: Limits,
    seen: bool,
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(reader: R, limits: Limits) -> Archive<R> {
        Archive { reader, at: 0, left: 0, limits, seen: false }
    }

    /// The next entry; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Header>, Stop> {
        let mut extension = Extension::default();
        // Each of them is bounded, and an archive of nothing else ends at the limit of what is unpacked.
        loop {
            let mut nothing = [0; 16 * 1024];
            while self.content(&mut nothing)? > 0 {}
            let Some(block) = self.block()? else { return Ok(None) };
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let mut header = self.header(&block)?;
            match header.kind {
                b'L' => extension.path = Some(c_string(&self.record(&header)?)),
                b'K' => extension.target = Some(c_string(&self.record(&header)?)),
                b'x' => {
                    let record = self.record(&header)?;
                    extension.read(&record)?;
                }
                // What holds for all entries is a comment in practice, and nothing that is shown.
                b'g' => drop(self.record(&header)?),
                _ => {
                    if header.kind == b'S' {
                        self.old_sparse(&block, &mut header)?;
                    }
                    extension.apply(&mut header);
                    self.begin(&mut header)?;
                    return Ok(Some(header));
                }
            }
        }
    }

    /// Reads on in the content of the present entry; 0 at its end.
    pub(crate) fn content(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.reader.read(&mut buffer[..most]).map_err(|error| Stop::of(&error))?;
        if read == 0 {
            return Err(Stop::Cut);
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }

    /// A whole block; `None` if the archive ends before it.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Stop> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return if self.seen { Ok(None) } else { Err(Stop::NoArchive) },
                Ok(0) => return Err(if self.seen { Stop::Cut } else { Stop::NoArchive }),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::of(&error)),
            }
        }
        self.at += BLOCK as u64;
        Ok(Some(block))
    }

    fn header(&mut self, block: &[u8; BLOCK]) -> Result<Header, Stop> {
        let broken = if self.seen { Stop::Broken } else { Stop::NoArchive };
        if !is_sum_right(block) {
            return Err(broken);
        }
        self.seen = true;
        let field = |from: usize, length: usize| number(&block[from..from + length]).ok_or(Stop::Broken);
        let mut path = c_string(&block[..100]);
        if &block[257..263] == b"ustar\0" && block[345] != 0 {
            let mut whole = c_string(&block[345..500]);
            whole.push(b'/');
            whole.append(&mut path);
            path = whole;
        }
        let stored = field(124, 12)?;
        Ok(Header {
            kind: block[156],
            path,
            target: c_string(&block[157..257]),
            stored,
            size: stored,
            is_sparse: false,
            mode: field(100, 8).unwrap_or_default(),
            uid: field(108, 8).unwrap_or_default(),
            gid: field(116, 8).unwrap_or_default(),
            mtime: field(136, 12).unwrap_or_default(),
            offset: 0,
        })
    }

    /// The content of an entry that says something about the next.
    fn record(&mut self, header: &Header) -> Result<Vec<u8>, Stop> {
        if header.stored > RECORD {
            return Err(Stop::LongName);
        }
        self.left = filled_up(header.stored)?;
        let mut record = vec![0; usize::try_from(header.stored).map_err(|_| Stop::LongName)?];
        let mut filled = 0;
        while filled < record.len() {
            filled += self.content(&mut record[filled..])?;
        }
        Ok(record)
    }

    /// GNU's old form of a file with holes: its map may go on in further blocks.
    fn old_sparse(&mut self, block: &[u8; BLOCK], header: &mut Header) -> Result<(), Stop> {
        header.is_sparse = true;
        header.size = number(&block[483..495]).ok_or(Stop::Broken)?;
        let mut goes_on = block[482] != 0;
        while goes_on {
            let map = self.block()?.ok_or(Stop::Cut)?;
            goes_on = map[504] != 0;
        }
        Ok(())
    }

    fn begin(&mut self, header: &mut Header) -> Result<(), Stop> {
        if matches!(header.kind, b'1'..=b'6') {
            (header.stored, header.size) = (0, 0);
        }
        if header.path.len() > self.limits.name || header.target.len() > self.limits.name {
            return Err(Stop::LongName);
        }
        header.offset = self.at;
        self.left = filled_up(header.stored)?;
        Ok(())
    }
}

impl Extension {
    /// Reads pax records: `LENGTH KEY=VALUE` and a line break, where the length counts itself.
    fn read(&mut self, mut record: &[u8]) -> Result<(), Stop> {
        while !record.is_empty() {
            let space = record.iter().take(20).position(|byte| *byte == b' ').ok_or(Stop::Broken)?;
            let length = decimal(&record[..space]).and_then(|length| usize::try_from(length).ok());
            let length =
                length.filter(|length| (space + 3..=record.len()).contains(length)).ok_or(Stop::Broken)?;
            let (line, rest) = record.split_at(length);
            let pair = line[space + 1..].strip_suffix(b"\n").ok_or(Stop::Broken)?;
            let equals = pair.iter().position(|byte| *byte == b'=').ok_or(Stop::Broken)?;
            let (key, value) = (&pair[..equals], &pair[equals + 1..]);
            match key {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(decimal(value).ok_or(Stop::Broken)?),
                b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
                    self.real_size = Some(decimal(value).ok_or(Stop::Broken)?);
                    self.is_sparse = true;
                }
                _ => self.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
            record = rest;
        }
        Ok(())
    }

    fn apply(&mut self, header: &mut Header) {
        if let Some(path) = self.path.take() {
            header.path = path;
        }
        if let Some(target) = self.target.take() {
            header.target = target;
        }
        if let Some(size) = self.size {
            header.stored = size;
            header.size = if header.is_sparse { header.size } else { size };
        }
        header.size = self.real_size.unwrap_or(header.size);
        header.is_sparse |= self.is_sparse;
    }
}

/// A size with what fills its last block.
fn filled_up(size: u64) -> Result<u64, Stop> {
    size.checked_next_multiple_of(BLOCK as u64).ok_or(Stop::Broken)
}

fn c_string(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// The sum of a header's bytes, with its own field as spaces. Some old programs summed signed bytes.
fn is_sum_right(block: &[u8; BLOCK]) -> bool {
    let Some(told) = number(&block[148..156]) else { return false };
    let (mut plain, mut signed) = (0_i64, 0_i64);
    for (at, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        plain += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    i64::try_from(told).is_ok_and(|told| told == plain || told == signed)
}

/// A number of a header: octal digits, or base 256 with the highest bit set. Negative ones are none.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let mut value: u64 = u64::from(field[0] & 0x7f);
        for byte in &field[1..] {
            value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        return Some(value);
    }
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn decimal(text: &[u8]) -> Option<u64> {
    let text = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}
