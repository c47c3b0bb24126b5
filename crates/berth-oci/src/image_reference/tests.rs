//! What docker makes of image names, in tables and properties.

use proptest::prelude::*;

use super::{ImageReference, ImageReferenceError};
use crate::name::NameError;

const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn parse(text: &str) -> ImageReference {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn docker_normalisation() {
    let table = [
        // Written, complete form, familiar form.
        ("alpine", "docker.io/library/alpine", "alpine"),
        ("scaler-operator:v1", "docker.io/library/scaler-operator:v1", "scaler-operator:v1"),
        ("biaoxyz/x", "docker.io/biaoxyz/x", "biaoxyz/x"),
        ("docker.io/biaoxyz/x", "docker.io/biaoxyz/x", "biaoxyz/x"),
        ("docker.io/alpine:3", "docker.io/library/alpine:3", "alpine:3"),
        ("library/alpine", "docker.io/library/alpine", "alpine"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("index.docker.io/alpine", "docker.io/library/alpine", "alpine"),
        ("docker.io/docker.io/alpine", "docker.io/docker.io/alpine", "docker.io/alpine"),
        ("docker.io/docker.io/biaoxyz/x", "docker.io/docker.io/biaoxyz/x", "docker.io/biaoxyz/x"),
        ("docker.io", "docker.io/library/docker.io", "docker.io"),
        ("localhost", "docker.io/library/localhost", "localhost"),
        ("localhost/a", "localhost/a", "localhost/a"),
        ("localhost:5000/a", "localhost:5000/a", "localhost:5000/a"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        (
            "127.0.0.1:5000/quay.io/example/app-operator",
            "127.0.0.1:5000/quay.io/example/app-operator",
            "127.0.0.1:5000/quay.io/example/app-operator",
        ),
        ("[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000/a:1"),
        ("[fe80::1]/a/b", "[fe80::1]/a/b", "[fe80::1]/a/b"),
        ("Registry/team/app", "Registry/team/app", "Registry/team/app"),
        ("a:Tag_1.0-x", "docker.io/library/a:Tag_1.0-x", "a:Tag_1.0-x"),
    ];
    for (written, complete, familiar) in table {
        let image = parse(written);
        assert_eq!(image.to_string(), complete, "{written}");
        assert_eq!(image.familiar(), familiar, "{written}");
    }
}

#[test]
fn the_engine_reads_the_familiar_form_again() {
    for written in ["alpine", "docker.io/alpine", "docker.io/library/alpine", "docker.io/docker.io/alpine"] {
        assert_eq!(parse(written).as_pulled().to_string(), "docker.io/library/alpine", "{written}");
    }
    assert_eq!(parse("docker.io/docker.io/biaoxyz/x").as_pulled().to_string(), "docker.io/biaoxyz/x");
    let hexadecimal = parse(&format!("library/{HEX}"));
    assert_eq!(hexadecimal.as_pulled(), hexadecimal);
}

#[test]
fn tag_and_digest() {
    let image = parse(&format!("localhost:5000/a/b:1.9@sha256:{HEX}"));
    assert_eq!(image.registry(), "localhost:5000");
    assert_eq!(image.repository().as_str(), "a/b");
    assert_eq!(image.tag().unwrap().as_str(), "1.9");
    assert_eq!(image.digest().unwrap().hex(), HEX);
    assert_eq!(image.as_pulled(), image);
    assert_eq!(parse("a").tag(), None);
    assert_eq!(parse(&format!("a@sha256:{HEX}")).tag(), None);
}

#[test]
fn refusals_are_clear_sentences() {
    let refuse = |text: &str| text.parse::<ImageReference>().unwrap_err();
    assert_eq!(refuse(""), ImageReferenceError::Empty);
    assert_eq!(refuse(HEX), ImageReferenceError::Identifier);
    assert_eq!(refuse(&"a".repeat(1025)), ImageReferenceError::TooLong { found: 1025 });
    for text in ["Alpine", "alpinE:3", "docker.io/Alpine", "quay.io/team/App", "team/App"] {
        assert!(refuse(text).to_string().contains("must be lower case"), "{text}");
    }
    for text in ["a_b.c/d", "-host.example/a", "host:port/a", "::1/a", "/a", "https://a/b"] {
        let expected = text == "/a";
        assert_eq!(matches!(refuse(text), ImageReferenceError::Name(_)), expected, "{text}");
    }
    for text in ["a:", "a:b:c", "a@", "a@sha256:1", "a:-", ":", "@", "a b", "docker.io/", "localhost/"] {
        assert!(text.parse::<ImageReference>().is_err(), "{text}");
    }
}

#[test]
fn the_length_is_that_of_the_repository() {
    let host = "registry.example.com:5000";
    assert!(format!("{host}/{}", "a".repeat(255)).parse::<ImageReference>().is_ok());
    let refused = format!("{host}/{}", "a".repeat(256)).parse::<ImageReference>();
    assert_eq!(refused, Err(NameError::TooLong { found: 256 }.into()));
    // "library/" counts.
    assert!("a".repeat(247).parse::<ImageReference>().is_ok());
    assert!("a".repeat(248).parse::<ImageReference>().is_err());
}

proptest! {
    #[test]
    fn complete_form_reads_back(
        text in "((docker\\.io|localhost|a\\.b|c:80|\\[::1\\]:5|D)/)?[a-c.]{1,4}(/[a-c_-]{1,3}){0,2}(:[a-z]{1,3})?"
    ) {
        if let Ok(image) = text.parse::<ImageReference>() {
            prop_assert_eq!(parse(&image.to_string()), image.clone());
            let pulled = image.as_pulled();
            prop_assert_eq!(pulled.tag(), image.tag());
        }
    }

    #[test]
    fn never_panics(text in any::<String>()) {
        if let Ok(image) = text.parse::<ImageReference>() {
            prop_assert_eq!(parse(&image.to_string()), image);
        }
    }
}
