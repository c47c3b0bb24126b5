//! The `Content-Range` of an upload chunk (distribution-spec, "Pushing a blob in chunks").

use std::fmt;
use std::str::FromStr;

use crate::descriptor::Descriptor;
use crate::digest::shorten;

/// The place of a chunk in its upload: `0-99` is the first hundred bytes. No unit, no total, no spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkRange {
    start: u64,
    end_inclusive: u64,
}

impl ChunkRange {
    /// A range, or `None` if it ends before it begins or beyond [`Descriptor::MAX_SIZE`].
    pub fn new(start: u64, end_inclusive: u64) -> Option<ChunkRange> {
        (start <= end_inclusive && end_inclusive < Descriptor::MAX_SIZE)
            .then_some(ChunkRange { start, end_inclusive })
    }

    /// Position of the first byte.
    pub fn start(self) -> u64 {
        self.start
    }

    /// Position of the last byte.
    pub fn end_inclusive(self) -> u64 {
        self.end_inclusive
    }

    /// Bytes in the chunk, at least one.
    pub fn length(self) -> u64 {
        self.end_inclusive - self.start + 1
    }
}

impl fmt::Display for ChunkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end_inclusive)
    }
}

impl FromStr for ChunkRange {
    type Err = ChunkRangeError;

    fn from_str(text: &str) -> Result<Self, ChunkRangeError> {
        let malformed = || ChunkRangeError { found: shorten(text) };
        let (start, end) = text.split_once('-').ok_or_else(malformed)?;
        let number = |digits: &str| {
            let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| only_digits)
        };
        number(start)
            .zip(number(end))
            .and_then(|(start, end)| ChunkRange::new(start, end))
            .ok_or_else(malformed)
    }
}

/// The header is not `<start>-<end>` with start ≤ end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Content-Range of a chunk is <first byte>-<last byte>, for example 0-99; got {found:?}")]
pub struct ChunkRangeError {
    /// The beginning of the header.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ChunkRange;

    #[test]
    fn only_the_form_of_the_specification() {
        let range: ChunkRange = "5-9".parse().unwrap();
        assert_eq!((range.start(), range.end_inclusive(), range.length()), (5, 9, 5));
        assert_eq!("0-0".parse::<ChunkRange>().unwrap().length(), 1);
        for text in [
            "",
            "-",
            "5",
            "5-",
            "-5",
            "9-5",
            "+5-9",
            "5-+9",
            " 5-9",
            "5 - 9",
            "bytes=0-9",
            "bytes 0-9/*",
            "0-9/10",
            "0-9-9",
            "0x0-9",
            "0-9223372036854775807",
            "0-99999999999999999999",
            "٠-٩",
        ] {
            assert!(text.parse::<ChunkRange>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(start in 0..u64::MAX / 4, more in 0..u64::MAX / 8) {
            let range = ChunkRange::new(start, start + more).unwrap();
            prop_assert_eq!(range.to_string().parse::<ChunkRange>().unwrap(), range);
            prop_assert_eq!(range.length(), more + 1);
        }

        #[test]
        fn accepted_ranges_are_in_order(text in "[0-9]{0,20}-?[0-9+ ]{0,20}") {
            if let Ok(range) = text.parse::<ChunkRange>() {
                prop_assert!(range.start() <= range.end_inclusive());
            }
        }
    }
}
