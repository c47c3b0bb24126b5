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
pub struct Header {
    /// What it is: the type flag of the format.
    pub kind: u8,
    /// Its path, as it is written there.
    pub path: Vec<u8>,
    /// Where a link leads, as it is written there.
    pub target: Vec<u8>,
    /// Bytes in the archive.
    pub stored: u64,
    /// Bytes of the file that they make.
    pub size: u64,
    /// Whether it is a file with holes, whose content begins with a map of them.
    pub is_sparse: bool,
    /// Permissions.
    pub mode: u64,
    /// The number of its owner.
    pub uid: u64,
    /// The number of its group.
    pub gid: u64,
    /// When it was changed, in seconds since 1970.
    pub mtime: u64,
    /// Where the content begins in the unpacked stream.
    pub offset: u64,
}

/// What entries before it say of the next one.
#[derive(Debug, Default)]
struct Extension {
    /// GNU's long name and target, which win over those of pax.
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    pax: Pax,
}

/// The records of one pax header. Another one takes its place as a whole.
#[derive(Debug, Default)]
struct Pax {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: Sparse,
}

/// What pax says of a file with holes.
#[derive(Debug, Default)]
struct Sparse {
    major: Vec<u8>,
    minor: Vec<u8>,
    name: Vec<u8>,
    size: Option<u64>,
    has_map: bool,
}

/// A tar archive as it comes in.
#[derive(Debug)]
pub struct Archive<R> {
    reader: R,
    /// Bytes that were read.
    at: u64,
    /// Bytes of the present entry, with those that fill its last block, that were not read yet.
    left: u64,
    limits: Limits,
    seen: bool,
}

impl<R: Read> Archive<R> {
    /// Reads an archive from its beginning. Of the limits those of names hold; the others are the caller's.
    pub fn new(reader: R, limits: Limits) -> Archive<R> {
        Archive { reader, at: 0, left: 0, limits, seen: false }
    }

    /// The next entry; `None` at the end. What was not read of the present one is passed over.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn next_entry(&mut self) -> Result<Option<Header>, Stop> {
        let mut extension = Extension::default();
        // Each of them is bounded, and an archive of nothing else ends at the limit of what is unpacked.
        loop {
            let mut nothing = [0; 16 * 1024];
            while self.content(&mut nothing)? > 0 {}
            let Some(block) = self.block()? else { return Ok(None) };
            if is_zero(&block) {
                // Two of them are the end; one alone may be the last of a file that was cut to size.
                return match self.block()? {
                    Some(block) if !is_zero(&block) => Err(Stop::Broken),
                    _ => Ok(None),
                };
            }
            let mut header = self.header(&block)?;
            match header.kind {
                b'L' => extension.path = Some(c_string(&self.record(&header)?)),
                b'K' => extension.target = Some(c_string(&self.record(&header)?)),
                b'x' => {
                    let record = self.record(&header)?;
                    extension.pax = Pax::read(&record)?;
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

    /// Reads on in the content of the present entry; 0 at its end, after what fills its last block.
    ///
    /// # Errors
    ///
    /// Why it ends early.
    pub fn content(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
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

impl Pax {
    /// Reads records: `LENGTH KEY=VALUE` and a line break, where the length counts itself. An empty value is none.
    fn read(mut record: &[u8]) -> Result<Pax, Stop> {
        let mut pax = Pax::default();
        while !record.is_empty() {
            let space = record.iter().take(20).position(|byte| *byte == b' ').ok_or(Stop::Broken)?;
            let length = decimal(&record[..space]).and_then(|length| usize::try_from(length).ok());
            let length =
                length.filter(|length| (space + 3..=record.len()).contains(length)).ok_or(Stop::Broken)?;
            let (line, rest) = record.split_at(length);
            let pair = line[space + 1..].strip_suffix(b"\n").ok_or(Stop::Broken)?;
            let equals = pair.iter().position(|byte| *byte == b'=').ok_or(Stop::Broken)?;
            pax.take(&pair[..equals], &pair[equals + 1..])?;
            record = rest;
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        let name = || {
            if value.contains(&0) {
                Err(Stop::Broken)
            } else {
                Ok(Some(value.to_vec()).filter(|name| !name.is_empty()))
            }
        };
        let number = || match value {
            b"" => Ok(None),
            value => decimal(value).map(Some).ok_or(Stop::Broken),
        };
        match key {
            b"path" => self.path = name()?,
            b"linkpath" => self.target = name()?,
            b"size" => self.size = number()?,
            b"GNU.sparse.major" => self.sparse.major = value.to_vec(),
            b"GNU.sparse.minor" => self.sparse.minor = value.to_vec(),
            b"GNU.sparse.name" => self.sparse.name = value.to_vec(),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.size = number()?,
            b"GNU.sparse.map" => self.sparse.has_map = !value.is_empty(),
            _ => {}
        }
        Ok(())
    }
}

impl Sparse {
    /// Whether it is of a form that is known; otherwise nobody looks at it.
    fn is_known(&self) -> bool {
        match (self.major.as_slice(), self.minor.as_slice()) {
            (b"0", b"0" | b"1") | (b"1", b"0") => true,
            (b"", b"") => self.has_map,
            _ => false,
        }
    }
}

impl Extension {
    fn apply(self, header: &mut Header) {
        let Pax { path, target, size, sparse } = self.pax;
        if let Some(path) = self.path.or(path) {
            header.path = path;
        }
        if let Some(target) = self.target.or(target) {
            header.target = target;
        }
        if let Some(size) = size {
            header.stored = size;
            header.size = if header.is_sparse { header.size } else { size };
        }
        if sparse.is_known() {
            header.is_sparse = true;
            header.size = sparse.size.unwrap_or(header.size);
            if !sparse.name.is_empty() {
                header.path = sparse.name;
            }
        }
    }
}

fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0)
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
    let begin = field.iter().position(|byte| !matches!(byte, 0 | b' ')).unwrap_or(field.len());
    let text = field[begin..].split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}
