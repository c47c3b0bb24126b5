//! A scope that names a repository has a legal name in it, and what is shown of it is read as the same.

#![no_main]

use berth_oci::{Resource, Scope};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for scope in Scope::read_all([text]) {
        if let Resource::Repository(name) = &scope.resource {
            assert!(name.components().all(|part| !part.is_empty() && !part.starts_with('.')));
        }
        if scope.resource != Resource::Unknown {
            assert_eq!(Scope::read(&scope.to_string()), scope);
        }
    }
});
