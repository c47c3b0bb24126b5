//! The parts of a download lie within the content and are never more work than the whole.

#![no_main]

use berth_oci::range::{MAX_PARTS, Selection, select};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &str)| {
    let (size, header) = input;
    if let Selection::Parts(parts) = select(Some(header), size) {
        assert!((1..=MAX_PARTS).contains(&parts.len()));
        assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
        assert!(parts.iter().map(|part| u128::from(part.end - part.start)).sum::<u128>() <= u128::from(size));
    }
});
