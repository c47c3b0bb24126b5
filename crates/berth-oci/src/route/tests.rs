//! Tables of paths and what they mean.

use proptest::prelude::*;

use super::Route;
use crate::digest::Digest;
use crate::error_code::ErrorCode;

const ID: &str = "0123456789abcdef0123456789abcdef";

/// Repository names of the real world, and names made of the words that structure a path.
const NAMES: [&str; 14] = [
    "a",
    "library/alpine",
    "quay.io/example/app-operator",
    "a/blobs/uploads/b",
    "blobs/uploads",
    "tags/list/x",
    "tags/list",
    "v2/v2",
    "a/manifests/b",
    "manifests",
    "referrers/referrers",
    "blobs",
    "a/tags",
    "uploads/uploads",
];

fn name(text: &str) -> crate::RepositoryName {
    text.parse().unwrap()
}

#[test]
fn base_and_catalog() {
    for path in ["/v2", "/v2/"] {
        assert_eq!(Route::parse(path), Ok(Route::Base), "{path}");
    }
    assert_eq!(Route::parse("/v2/_catalog"), Ok(Route::Catalog));
}

#[test]
fn every_resource_of_every_name() {
    let digest = Digest::sha256(b"abc");
    for text in NAMES {
        let encoded = digest.to_string().replace(':', "%3A");
        let table = [
            (format!("/v2/{text}/tags/list"), Route::Tags { name: name(text) }),
            (
                format!("/v2/{text}/manifests/1.9"),
                Route::Manifest { name: name(text), reference: "1.9".parse().unwrap() },
            ),
            (
                format!("/v2/{text}/manifests/list"),
                Route::Manifest { name: name(text), reference: "list".parse().unwrap() },
            ),
            (
                format!("/v2/{text}/manifests/uploads"),
                Route::Manifest { name: name(text), reference: "uploads".parse().unwrap() },
            ),
            (
                format!("/v2/{text}/manifests/{encoded}"),
                Route::Manifest { name: name(text), reference: digest.clone().into() },
            ),
            (format!("/v2/{text}/blobs/{digest}"), Route::Blob { name: name(text), digest: digest.clone() }),
            (format!("/v2/{text}/blobs/{encoded}"), Route::Blob { name: name(text), digest: digest.clone() }),
            (format!("/v2/{text}/blobs/uploads/"), Route::Uploads { name: name(text) }),
            (format!("/v2/{text}/blobs/uploads"), Route::Uploads { name: name(text) }),
            (format!("/v2/{text}/blobs/uploads/{ID}"), Route::Upload { name: name(text), id: ID.to_owned() }),
            (
                format!("/v2/{text}/referrers/{digest}"),
                Route::Referrers { name: name(text), digest: digest.clone() },
            ),
        ];
        for (path, route) in table {
            assert_eq!(Route::parse(&path).as_ref(), Ok(&route), "{path}");
            assert_eq!(route.name(), Some(&name(text)), "{path}");
        }
    }
}

#[test]
fn refusals_have_the_code_of_what_is_wrong() {
    let long = format!("/v2/{}/tags/list", "a".repeat(256));
    let zeros = "0".repeat(64);
    let table = [
        ("", ErrorCode::NotFound),
        ("/", ErrorCode::NotFound),
        ("/v1/search", ErrorCode::NotFound),
        ("/v2x", ErrorCode::NotFound),
        ("/v2/library/alpine", ErrorCode::NotFound),
        ("/v2/_catalog/", ErrorCode::NameInvalid),
        ("/v2/_uploads/tags/list", ErrorCode::NameInvalid),
        ("/v2//tags/list", ErrorCode::NameInvalid),
        ("/v2/tags/list", ErrorCode::NameInvalid),
        ("/v2/a//b/tags/list", ErrorCode::NameInvalid),
        ("/v2/a/tags/list/", ErrorCode::NameInvalid),
        ("/v2/a/manifests/", ErrorCode::NameInvalid),
        ("/v2/a/manifests/latest/", ErrorCode::NameInvalid),
        ("/v2/Alpine/manifests/latest", ErrorCode::NameInvalid),
        ("/v2/a%2Fb/manifests/latest", ErrorCode::NameInvalid),
        ("/v2/a/%2e%2e/b/manifests/latest", ErrorCode::NameInvalid),
        ("/v2/../etc/passwd", ErrorCode::NameInvalid),
        ("/v2/..%2f..%2fetc/manifests/x", ErrorCode::NameInvalid),
        ("/v2/%252e%252e/manifests/x", ErrorCode::NameInvalid),
        ("/v2/a%00/manifests/x", ErrorCode::NameInvalid),
        ("/v2/a%5cb/manifests/x", ErrorCode::NameInvalid),
        ("/v2/%c0%ae%c0%ae/manifests/x", ErrorCode::NameInvalid),
        ("/v2/a%zz/manifests/x", ErrorCode::NameInvalid),
        (long.as_str(), ErrorCode::NameInvalid),
        ("/v2/a/manifests/.hidden", ErrorCode::TagInvalid),
        ("/v2/a/manifests/..", ErrorCode::TagInvalid),
        ("/v2/a/manifests/sha256:x", ErrorCode::DigestInvalid),
        ("/v2/a/manifests/sha256%3Ax", ErrorCode::DigestInvalid),
        ("/v2/a/blobs/latest", ErrorCode::DigestInvalid),
        ("/v2/a/blobs/md5:00", ErrorCode::DigestInvalid),
        ("/v2/a/referrers/x", ErrorCode::DigestInvalid),
        ("/v2/a/blobs/uploads/b", ErrorCode::BlobUploadUnknown),
        ("/v2/a/blobs/uploads/../../x", ErrorCode::NameInvalid),
    ];
    for (path, code) in table {
        assert_eq!(Route::parse(path).map_err(|error| error.code()), Err(code), "{path}");
    }
    // All zeros is a well-formed digest: nobody has it, which is for the registry to say.
    assert!(Route::parse(&format!("/v2/a/referrers/sha256:{zeros}")).is_ok());
}

proptest! {
    #[test]
    fn never_panics_and_names_are_legal(
        path in "/v2(/(a|b-c|%2[eE]|%3A|\\.\\.|blobs|uploads|tags|list|manifests|referrers|é|)){0,6}"
    ) {
        if let Ok(route) = Route::parse(&path)
            && let Some(name) = route.name()
        {
            let prefix = format!("/v2/{name}/");
            prop_assert!(path.starts_with(&prefix));
        }
    }

    #[test]
    fn any_text_is_answered(path in any::<String>()) {
        prop_assert!(path.starts_with("/v2") || Route::parse(&path).is_err());
    }
}
