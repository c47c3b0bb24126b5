//! A chunk range is in order and short enough to add up.

#![no_main]

use berth_oci::ChunkRange;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(range) = text.parse::<ChunkRange>() {
        assert!(range.start() <= range.end_inclusive());
        assert_eq!(range.start() + range.length() - 1, range.end_inclusive());
        assert_eq!(range.to_string().parse(), Ok(range));
    }
});
