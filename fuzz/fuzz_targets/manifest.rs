//! A document that is taken as a manifest stays within the limits, and says the type that it came with.

#![no_main]

use berth_oci::{Manifest, Role, media_type};
use libfuzzer_sys::fuzz_target;

const TYPES: [&str; 7] = [
    media_type::OCI_MANIFEST,
    media_type::OCI_INDEX,
    media_type::DOCKER_MANIFEST,
    media_type::DOCKER_LIST,
    media_type::OCI_ARTIFACT,
    "application/vnd.example+json",
    "",
];

fuzz_target!(|input: &[u8]| {
    let Some((&which, bytes)) = input.split_first() else {
        return;
    };
    let content_type = TYPES[usize::from(which) % TYPES.len()];
    if let Ok(manifest) = Manifest::read(content_type, bytes) {
        assert!(content_type.is_empty() || manifest.media_type == content_type);
        let count = |role| manifest.references.iter().filter(|reference| reference.role == role).count();
        assert!(count(Role::Config) <= 1);
        assert!(count(Role::Layer) <= Manifest::MAX_LAYERS);
        assert!(count(Role::Child) <= Manifest::MAX_CHILDREN);
    }
});
