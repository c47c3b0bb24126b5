//! What a digest says in headers, and the conditions that clients put on it (RFC 9110, section 13).

use std::fmt::Write;

use berth_oci::Digest;
use bytes::Bytes;
use http::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, IF_RANGE};

use crate::answer::{Answer, Describe};
use crate::headers::DOCKER_CONTENT_DIGEST;

/// A digest as an entity tag, `"sha256:…"`, and bare. Both share one piece of memory.
pub(crate) struct Identity {
    etag: HeaderValue,
    digest: HeaderValue,
}

impl Identity {
    /// The identity of the content with that digest.
    pub(crate) fn of(digest: &Digest) -> Identity {
        let mut text = String::with_capacity(2 + "sha512:".len() + digest.algorithm().hex_len());
        write!(text, "\"{digest}\"").expect("writing to a string does not fail");
        let quoted = Bytes::from(text);
        let bare = quoted.slice(1..quoted.len() - 1);
        let value = |bytes| HeaderValue::from_maybe_shared(bytes).expect("a digest is visible ASCII");
        Identity { etag: value(quoted), digest: value(bare) }
    }

    /// Whether the client says that it has this content already (section 13.1.2): then 304 is the answer.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        let matches = |tag: &[u8]| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes()
        };
        // A comma inside of a foreign tag makes pieces that are no tag of ours: harmless.
        headers.get_all(IF_NONE_MATCH).iter().any(|list| list.as_bytes().split(|&b| b == b',').any(matches))
    }

    /// Whether a `Range` may be answered (section 13.1.5). We send no dates, so a date never holds.
    pub(crate) fn allows_range(&self, headers: &HeaderMap) -> bool {
        headers.get(IF_RANGE).is_none_or(|condition| condition == self.etag)
    }

    /// Says in an answer what its content is.
    pub(crate) fn tell(self, answer: Answer) -> Answer {
        answer.with(ETAG, self.etag).with(DOCKER_CONTENT_DIGEST, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &http::HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    const HERE: &str = "\"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"";
    const WEAK: &str = "W/\"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"";

    #[test]
    fn a_client_may_know_the_content_in_many_words() {
        let identity = Identity::of(&Digest::sha256(b"abc"));
        for (values, known) in [
            (&[HERE][..], true),
            (&[WEAK], true),
            (&["*"], true),
            (&["\"other\"", HERE], true),
            (&["\"other\" , *"], true),
            (&["\"other\""], false),
            (&["sha256:ba78"], false),
            (&[], false),
        ] {
            assert_eq!(identity.is_known(&headers(&IF_NONE_MATCH, values)), known, "{values:?}");
        }
    }

    #[test]
    fn a_range_needs_the_strong_tag_if_it_needs_one() {
        let identity = Identity::of(&Digest::sha256(b"abc"));
        assert!(identity.allows_range(&HeaderMap::new()));
        assert!(identity.allows_range(&headers(&IF_RANGE, &[HERE])));
        assert!(!identity.allows_range(&headers(&IF_RANGE, &[WEAK])));
        assert!(!identity.allows_range(&headers(&IF_RANGE, &["Wed, 21 Oct 2015 07:28:00 GMT"])));
    }
}
