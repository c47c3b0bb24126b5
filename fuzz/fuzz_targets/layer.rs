//! Any bytes are a layer that can be looked into: bounded, kept as they were read, merged without a panic.

#![no_main]

use std::time::Duration;

use berth_inspect::{LayerIndex, Limits, Tree, difference, index};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits =
        Limits { entries: 1000, unpacked: 4 << 20, time: Duration::from_secs(5), ..Limits::default() };
    let read = index(bytes, &limits);
    assert!(read.entries.len() <= 1000);
    let kept = LayerIndex::from_bytes(&read.to_bytes()).expect("what was written is read");
    assert_eq!(kept, read);
    // The same bytes as an index that was kept.
    let _ = LayerIndex::from_bytes(bytes);
    let (single, merged) = (Tree::single(&read, 0), Tree::of(&[&read, &read]));
    for (path, _) in single.iter().take(50) {
        let _ = (single.list(path), merged.resolve(path));
    }
    assert!(difference(&merged, &merged).changes.is_empty());
});
