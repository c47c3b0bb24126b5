//! Which image a text means.

use berth_oci::ImageReference;
use proptest::prelude::*;

use super::fixture::{Fixture, new_store, reference};
use crate::{Error, Listed, name, resolve};

#[test]
fn a_name_comes_before_the_beginning_of_an_id() {
    let (_folder, store) = new_store();
    let (one, two) = (Fixture::numbered(1), Fixture::numbered(2));
    one.pull(&store, "one").unwrap();
    let begin = one.id().hex()[..6].to_owned();
    assert_eq!(store.resolve(&begin).unwrap().id, one.id());
    two.pull(&store, &begin).unwrap();
    assert_eq!(store.resolve(&begin).unwrap().id, two.id(), "a name of that spelling");
    let id = one.id();
    for text in [id.to_string(), id.hex(), format!("sha256:{begin}"), "docker.io/library/one:latest".into()] {
        assert_eq!(store.resolve(&text).unwrap().id, id, "{text}");
    }
    let digest = one.descriptor().digest;
    for text in [digest.to_string(), format!("one@{digest}"), format!("one:no-such-tag@{digest}")] {
        assert_eq!(store.resolve(&text).unwrap().id, id, "{text}");
    }
    for text in ["one:2", "two", &format!("two@{digest}"), "fffffffff", &"0".repeat(64)] {
        assert!(matches!(store.resolve(text), Err(Error::NoSuchImage { .. })), "{text}");
    }
    assert!(matches!(store.resolve("NO/Name:"), Err(Error::Name { .. })));
    assert!(matches!(store.resolve(""), Err(Error::Name { .. })));
}

#[test]
fn the_beginning_of_two_ids_is_ambiguous() {
    let (_folder, store) = new_store();
    // Among 17 ids two begin with the same digit.
    for number in 0..17 {
        Fixture::numbered(number).pull(&store, &format!("app:{number}")).unwrap();
    }
    let digits = "0123456789abcdef".chars().map(String::from);
    let ambiguous = digits.filter(|digit| matches!(store.resolve(digit), Err(Error::Ambiguous { .. })));
    assert!(ambiguous.count() > 0);
}

fn listed(name: &str, fixture: &Fixture) -> Listed {
    let facts = crate::index::Facts {
        manifest: fixture.descriptor().digest,
        id: fixture.id(),
        created: String::new(),
        size: 0,
    };
    Listed { name: Some(reference(name)), image: crate::Image::new(&fixture.descriptor(), facts) }
}

proptest! {
    #[test]
    fn canonical_names_read_back(
        registry in "([a-z]{1,5}(\\.[a-z]{1,3})?(:[0-9]{1,4})?/)?",
        rest in "[a-z]{1,6}(/[a-z0-9]{1,5})?(:[A-Za-z0-9_.]{1,6})?",
    ) {
        let text = registry + &rest;
        if let Ok(name) = name::canonical(&text) {
            prop_assert!(name.tag().is_some() != name.digest().is_some());
            prop_assert_eq!(name.to_string().parse::<ImageReference>().unwrap(), name.clone());
            prop_assert_eq!(name::canonical_of(&name), name.clone());
            let repository = name::familiar_repository(&name);
            prop_assert_eq!(format!("{repository}:{}", name.tag().unwrap()), name.familiar());
        }
    }

    #[test]
    fn an_image_is_found_by_every_spelling_and_no_other_is(
        names in proptest::collection::btree_set("[a-f]{1,3}(/[a-f]{1,2})?:[0-9]", 1..12),
        text in "[a-f]{1,3}(/[a-f]{1,2})?(:[0-9])?|[0-9a-f]{1,8}",
    ) {
        let images: Vec<_> =
            names.iter().enumerate().map(|(number, name)| listed(name, &Fixture::numbered(number))).collect();
        for image in &images {
            let id = &image.image.id;
            let name = image.name.as_ref().unwrap();
            for text in [name.to_string(), name.familiar(), id.to_string(), id.hex()] {
                prop_assert_eq!(&resolve::find(&images, &text).unwrap().image, &image.image);
            }
        }
        match resolve::find(&images, &text) {
            Ok(found) => {
                let is_called = name::canonical(&text).ok().as_ref() == found.name.as_ref();
                let begins = images.iter().filter(|other| other.image.id.hex().starts_with(&text)).count();
                prop_assert!(is_called || found.image.id.hex().starts_with(&text) && begins == 1);
            }
            Err(Error::Ambiguous { count, .. }) => prop_assert!(count > 1),
            Err(error) => prop_assert!(matches!(error, Error::NoSuchImage { .. }), "{}", error),
        }
    }
}
