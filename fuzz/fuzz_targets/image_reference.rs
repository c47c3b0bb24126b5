//! The complete form of an image reference reads back as the same reference, and the host holds nothing odd.

#![no_main]

use berth_oci::ImageReference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(image) = text.parse::<ImageReference>() {
        let complete = image.to_string();
        assert_eq!(complete.parse().as_ref(), Ok(&image), "{complete}");
        assert!(!image.registry().is_empty());
        assert!(image.registry().bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b)));
        assert_eq!(image.as_pulled().digest(), image.digest());
    }
});
