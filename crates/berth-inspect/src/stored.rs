//! An index as bytes, for keeping: numbers of variable length, and of each path what differs from the one before, under a
//! version.
//!
//! Not packed any further: the server reads it, and the server unpacks nothing that came out of a layer.

use crate::{Compression, Entry, Kind, LayerIndex, Limits, Stop};

/// The form of the bytes; another one is made anew from the layer.
const VERSION: u8 = 2;

const KINDS: [Kind; 7] =
    [Kind::File, Kind::Folder, Kind::Link, Kind::HardLink, Kind::Special, Kind::Whiteout, Kind::Opaque];
const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];
const STOPS: [Stop; 15] = [
    Stop::NoArchive,
    Stop::Packed { how: "xz" },
    Stop::Packed { how: "bzip2" },
    Stop::Packed { how: "zip" },
    Stop::Cut,
    Stop::Broken,
    Stop::LongName,
    Stop::Entries,
    Stop::Unpacked,
    Stop::Ratio,
    Stop::Time,
    Stop::Killed,
    Stop::Weight,
    Stop::Together,
    Stop::Absent,
];

/// Bytes that are no index, or one of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no index of a layer")]
pub struct DamagedIndex;

impl LayerIndex {
    /// The index as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.push(place(&COMPRESSIONS, &self.compression));
        put(&mut out, self.unpacked);
        put(&mut out, self.skipped);
        out.push(self.stopped.as_ref().map_or(0, |stop| place(&STOPS, stop) + 1));
        put(&mut out, self.entries.len() as u64);
        let mut before: &[u8] = b"";
        for entry in &self.entries {
            out.push(place(&KINDS, &entry.kind));
            let same = before.iter().zip(&entry.path).take_while(|(a, b)| a == b).count();
            put(&mut out, same as u64);
            put_bytes(&mut out, &entry.path[same..]);
            before = &entry.path;
            for number in [entry.size, u64::from(entry.mode), entry.uid, entry.gid, entry.mtime] {
                put(&mut out, number);
            }
            put_bytes(&mut out, &entry.target);
            put(&mut out, entry.offset.map_or(0, |offset| offset.saturating_add(1)));
            if entry.kind == Kind::File {
                out.extend_from_slice(&entry.sum);
            }
        }
        out
    }

    /// Reads what [`LayerIndex::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DamagedIndex`] for everything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<LayerIndex, DamagedIndex> {
        let mut left = bytes.strip_prefix(&[VERSION]).ok_or(DamagedIndex)?;
        let compression = *COMPRESSIONS.get(usize::from(byte(&mut left)?)).ok_or(DamagedIndex)?;
        let (unpacked, skipped) = (get(&mut left)?, get(&mut left)?);
        let stopped = match byte(&mut left)? {
            0 => None,
            n => Some(STOPS.get(usize::from(n - 1)).cloned().ok_or(DamagedIndex)?),
        };
        let count = get(&mut left)?;
        // No entry is shorter than ten bytes, so what a number claims costs no memory.
        let mut entries: Vec<Entry> =
            Vec::with_capacity(usize::try_from(count).unwrap_or(usize::MAX).min(left.len() / 10));
        let mut weight = 0;
        for _ in 0..count {
            let before = entries.last().map_or(&[][..], |entry| &entry.path);
            let entry = entry(&mut left, before)?;
            // Paths that share their beginnings grow when they are read.
            weight += entry.weight();
            if weight > Limits::default().weight {
                return Err(DamagedIndex);
            }
            entries.push(entry);
        }
        if left.is_empty() {
            Ok(LayerIndex { compression, entries, unpacked, skipped, stopped })
        } else {
            Err(DamagedIndex)
        }
    }
}

fn entry(left: &mut &[u8], before: &[u8]) -> Result<Entry, DamagedIndex> {
    let kind = *KINDS.get(usize::from(byte(left)?)).ok_or(DamagedIndex)?;
    let same = usize::try_from(get(left)?).map_err(|_| DamagedIndex)?;
    let mut path = before.get(..same).ok_or(DamagedIndex)?.to_vec();
    path.extend(get_bytes(left)?);
    let size = get(left)?;
    let mode = u32::try_from(get(left)?).map_err(|_| DamagedIndex)?;
    let (uid, gid, mtime) = (get(left)?, get(left)?, get(left)?);
    let target = get_bytes(left)?;
    let offset = get(left)?.checked_sub(1);
    let mut sum = [0; 16];
    if kind == Kind::File {
        sum.copy_from_slice(take(left, 16)?);
    }
    Ok(Entry { path, kind, size, mode, uid, gid, mtime, target, offset, sum })
}

fn place<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).and_then(|place| u8::try_from(place).ok()).unwrap_or_default()
}

/// Seven bits in each byte, the lowest first; the highest bit says that more follow (LEB128).
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take<'a>(left: &mut &'a [u8], length: usize) -> Result<&'a [u8], DamagedIndex> {
    let (taken, rest) = left.split_at_checked(length).ok_or(DamagedIndex)?;
    *left = rest;
    Ok(taken)
}

fn byte(left: &mut &[u8]) -> Result<u8, DamagedIndex> {
    Ok(take(left, 1)?[0])
}

fn get(left: &mut &[u8]) -> Result<u64, DamagedIndex> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = byte(left)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(DamagedIndex)
}

fn get_bytes(left: &mut &[u8]) -> Result<Vec<u8>, DamagedIndex> {
    let length = usize::try_from(get(left)?).map_err(|_| DamagedIndex)?;
    Ok(take(left, length)?.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{COMPRESSIONS, KINDS, STOPS};
    use crate::{Entry, Kind, LayerIndex};

    fn any_entry() -> impl Strategy<Value = Entry> {
        let numbers = (any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>());
        let names = (prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 0..10));
        (0..KINDS.len(), names, numbers, prop::option::of(0..u64::MAX - 1), any::<[u8; 16]>()).prop_map(
            |(kind, (path, target), (size, mode, uid, gid, mtime), offset, sum)| {
                let kind = KINDS[kind];
                let sum = if kind == Kind::File { sum } else { [0; 16] };
                Entry { path, kind, size, mode, uid, gid, mtime, target, offset, sum }
            },
        )
    }

    proptest! {
        #[test]
        fn an_index_goes_there_and_back(
            entries in prop::collection::vec(any_entry(), 0..20),
            compression in 0..COMPRESSIONS.len(),
            stop in prop::option::of(0..STOPS.len()),
            unpacked in any::<u64>(),
        ) {
            let stopped = stop.map(|stop| STOPS[stop].clone());
            let index =
                LayerIndex { compression: COMPRESSIONS[compression], entries, unpacked, skipped: 3, stopped };
            let bytes = index.to_bytes();
            prop_assert_eq!(LayerIndex::from_bytes(&bytes).unwrap(), index);
            prop_assert!(LayerIndex::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn other_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), ours in any::<bool>()) {
            if ours {
                bytes.insert(0, super::VERSION);
            }
            // Some of them may happen to be an index; none may do harm.
            let _ = LayerIndex::from_bytes(&bytes);
        }
    }
}
