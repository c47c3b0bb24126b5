//! Addresses of pages. Whatever comes from an image or a person is encoded in them.

use berth_oci::RepositoryName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// A value as a part of a query or path.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Bytes that may be no text, as a part of a query.
pub(crate) fn encoded_bytes(bytes: &[u8]) -> String {
    percent_encoding::percent_encode(bytes, PLAIN).to_string()
}

/// The page of a repository. Its name holds nothing that would have to be encoded.
pub(crate) fn repository(root: &str, name: &RepositoryName) -> String {
    format!("{root}/r/{name}")
}

/// A place on this server to go back to, if it is one.
pub(crate) fn local(root: &str, place: &str) -> String {
    let is_local = place.starts_with('/')
        && !place.starts_with("//")
        && place.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    if is_local { place.to_owned() } else { format!("{root}/") }
}

#[cfg(test)]
mod tests {
    use super::{encoded, local};

    #[test]
    fn one_never_leaves_this_server() {
        assert_eq!(local("", "/r/acme/app?a=b"), "/r/acme/app?a=b");
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nb",
        ] {
            assert_eq!(local("/x", other), "/x/", "{other:?}");
        }
    }

    #[test]
    fn values_stay_one_value() {
        assert_eq!(encoded("a/b?c=d&e f\"<é"), "a%2Fb%3Fc%3Dd%26e%20f%22%3C%C3%A9");
    }
}
