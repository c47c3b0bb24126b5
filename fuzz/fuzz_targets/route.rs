//! A path that has a meaning has a legal name in it, and no traversal.

#![no_main]

use berth_oci::Route;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    if let Ok(route) = Route::parse(path) {
        assert!(path.starts_with("/v2"));
        if let Some(name) = route.name() {
            assert!(name.as_str().len() <= 255);
            assert!(name.components().all(|part| !part.is_empty() && !part.starts_with('.')));
        }
    }
});
