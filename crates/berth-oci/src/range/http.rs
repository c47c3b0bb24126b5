//! The `Range` of a download (RFC 9110, section 14).

use std::ops::Range;

/// The most parts that one answer is cut into; whoever asks for more gets the whole.
pub const MAX_PARTS: usize = 16;

/// What to send for a `Range` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// 200: no header, or one that a server ignores (other unit, malformed, too many or wasteful parts).
    Whole,
    /// 206: at least one part, in the order asked for; each is non-empty and within the content.
    Parts(Vec<Range<u64>>),
    /// 416: well formed, and nothing of it lies within the content.
    Unsatisfiable,
}

/// Reads the value of a `Range` header for content of `size` bytes.
///
/// A malformed header is ignored, as section 14.2 asks for. A part that ends before it begins is rejected like one
/// behind the end: the section leaves the choice, and the conformance program takes 416 alone. Parts that add up to more than the content are ignored
/// as well: overlapping parts serve nobody but an attacker (section 14.2, "many small ranges").
pub fn select(header: Option<&str>, size: u64) -> Selection {
    let Some(set) = header.and_then(byte_range_set) else {
        return Selection::Whole;
    };
    let mut parts = Vec::new();
    let mut asked = 0;
    for element in set.split(',').map(|element| element.trim_matches([' ', '\t'])) {
        // Empty list elements are legal (section 5.6.1.2).
        if element.is_empty() {
            continue;
        }
        let Some(spec) = Spec::parse(element) else {
            return Selection::Whole;
        };
        asked += 1;
        if asked > MAX_PARTS {
            return Selection::Whole;
        }
        parts.extend(spec.within(size));
    }
    let total: u128 = parts.iter().map(|part| u128::from(part.end - part.start)).sum();
    match parts.len() {
        _ if asked == 0 => Selection::Whole,
        0 => Selection::Unsatisfiable,
        1 => Selection::Parts(parts),
        _ if total > u128::from(size) => Selection::Whole,
        _ => Selection::Parts(parts),
    }
}

/// One element of the set, numbers beyond `u64` cut off at its end.
enum Spec {
    /// `N-` or `N-M`; nothing if N is greater than M.
    Span { first: u64, last: u64 },
    /// `-K`: the last K bytes.
    Suffix { length: u64 },
}

impl Spec {
    fn parse(element: &str) -> Option<Spec> {
        let (first, last) = element.split_once('-')?;
        match (first, last) {
            ("", last) => Some(Spec::Suffix { length: number(last)? }),
            (first, "") => Some(Spec::Span { first: number(first)?, last: u64::MAX }),
            (first, last) => Some(Spec::Span { first: number(first)?, last: number(last)? }),
        }
    }

    /// The part of the content that is meant, unless that is nothing.
    fn within(&self, size: u64) -> Option<Range<u64>> {
        let part = match *self {
            Spec::Span { first, last } => first..last.saturating_add(1).min(size),
            Spec::Suffix { length } => size.saturating_sub(length)..size,
        };
        (!part.is_empty()).then_some(part)
    }
}

/// What follows `bytes=`; range units are case-insensitive (section 14.1).
fn byte_range_set(header: &str) -> Option<&str> {
    let (unit, set) = header.split_once('=')?;
    unit.trim_matches([' ', '\t']).eq_ignore_ascii_case("bytes").then_some(set)
}

fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_PARTS, Selection, select};

    fn parts(ranges: &[(u64, u64)]) -> Selection {
        Selection::Parts(ranges.iter().map(|&(start, end)| start..end).collect())
    }

    #[test]
    fn forms_of_the_standard() {
        let table = [
            ("bytes=0-", parts(&[(0, 10)])),
            ("bytes=3-", parts(&[(3, 10)])),
            ("bytes=3-3", parts(&[(3, 4)])),
            ("bytes=3-99", parts(&[(3, 10)])),
            ("bytes=-4", parts(&[(6, 10)])),
            ("bytes=-99", parts(&[(0, 10)])),
            ("Bytes=0-1", parts(&[(0, 2)])),
            ("bytes= 0-1 ,\t5-6", parts(&[(0, 2), (5, 7)])),
            ("bytes=,0-1,,", parts(&[(0, 2)])),
            ("bytes=5-6,0-1", parts(&[(5, 7), (0, 2)])),
            ("bytes=0-1,50-60", parts(&[(0, 2)])),
            ("bytes=0-99999999999999999999999", parts(&[(0, 10)])),
            ("bytes=10-", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selection::Unsatisfiable),
            ("bytes=10-,20-30", Selection::Unsatisfiable),
            ("bytes=5-3,0-1", parts(&[(0, 2)])),
            ("bytes=", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=5-3", Selection::Unsatisfiable),
            ("bytes=a-b", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("bytes=0-1;5-6", Selection::Whole),
            ("bytes 0-1", Selection::Whole),
            ("lines=0-1", Selection::Whole),
            ("0-1", Selection::Whole),
            ("bytes=0-9,0-9", Selection::Whole),
        ];
        for (header, selection) in table {
            assert_eq!(select(Some(header), 10), selection, "{header}");
        }
        assert_eq!(select(None, 10), Selection::Whole);
        assert_eq!(select(Some("bytes=0-"), 0), Selection::Unsatisfiable);
        // Found by fuzzing: the sum of the parts must not stop at the largest number.
        assert_eq!(select(Some("bytes=0-,0-"), u64::MAX), Selection::Whole);
    }

    #[test]
    fn number_of_parts_is_limited() {
        let header = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        assert!(matches!(select(Some(&header(MAX_PARTS)), 100), Selection::Parts(_)));
        assert_eq!(select(Some(&header(MAX_PARTS + 1)), 100), Selection::Whole);
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_content(header in "bytes=[0-9 ,-]{0,40}", size in 0..2000_u64) {
            if let Selection::Parts(parts) = select(Some(&header), size) {
                prop_assert!(!parts.is_empty() && parts.len() <= MAX_PARTS);
                prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
                prop_assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= size);
            }
        }

        #[test]
        fn any_text_is_answered(header in any::<String>(), size: u64) {
            let unit = header.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
            prop_assert!(unit == "bytes" || select(Some(&header), size) == Selection::Whole);
        }
    }
}
