//! Lists in pages: what part a client asks for, and where the next one is.

use std::borrow::Cow;

use berth_oci::ErrorCode;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::error::ApiError;
use crate::headers;
use crate::query::Query;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The page that a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    /// Entries at most. 0 is a legal wish.
    pub(crate) limit: usize,
    /// The entry behind which the page begins; it need not exist.
    pub(crate) after: Option<Cow<'a, str>>,
}

impl<'a> Wanted<'a> {
    /// Reads `n` and `last`. More than `most` is cut to that without a word: clients ask for 10,000.
    pub(crate) fn read(query: Query<'a>, most: usize) -> Result<Wanted<'a>, ApiError> {
        let limit = match query.all("n").next() {
            None => most,
            Some(text) => number(&text).ok_or_else(|| not_a_number(&text))?.min(most),
        };
        Ok(Wanted { limit, after: query.get("last") })
    }
}

/// A number of any length, cut off at the largest.
fn number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(usize::MAX))
}

fn not_a_number(text: &str) -> ApiError {
    let found: String = text.chars().take(40).collect();
    ApiError::new(
        ErrorCode::PaginationNumberInvalid,
        json!({ "reason": "n is the number of entries of a page, in decimal digits", "n": found }),
    )
}

/// The `Link` to the next page (RFC 8288), relative so that it holds behind any proxy.
pub(crate) fn next_link(path: &str, parameters: &[(&str, &str)]) -> HeaderValue {
    let mut link = format!("<{path}");
    for (i, (name, value)) in parameters.iter().enumerate() {
        link.push(if i == 0 { '?' } else { '&' });
        link.push_str(name);
        link.push('=');
        link.extend(utf8_percent_encode(value, RESERVED));
    }
    link.push_str(">; rel=\"next\"");
    headers::value(link)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(query: &str) -> Option<(usize, Option<String>)> {
        let wanted = Wanted::read(Query(query), 1000).ok()?;
        Some((wanted.limit, wanted.after.map(Cow::into_owned)))
    }

    #[test]
    fn numbers_are_cut_and_other_things_refused() {
        assert_eq!(wanted(""), Some((1000, None)));
        assert_eq!(wanted("n=5&last=v1.0"), Some((5, Some("v1.0".into()))));
        assert_eq!(wanted("n=0"), Some((0, None)));
        assert_eq!(wanted("n=10000"), Some((1000, None)));
        assert_eq!(wanted("n=99999999999999999999999999"), Some((1000, None)));
        for query in ["n=abc", "n=-1", "n=", "n", "n=+5", "n=1e3"] {
            assert_eq!(wanted(query), None, "{query}");
        }
    }

    proptest! {
        #[test]
        fn the_next_page_begins_where_the_last_one_ended(n in 1..1000_usize, last in ".{1,40}", filter in ".{0,40}") {
            let link = next_link("/v2/a/tags/list", &[("n", &n.to_string()), ("last", &last), ("x", &filter)]);
            let target = link.to_str().unwrap().strip_prefix('<').unwrap().split('>').next().unwrap();
            let uri: http::Uri = target.parse().unwrap();
            let (path, query) = crate::query::split(&uri);
            prop_assert_eq!(path, "/v2/a/tags/list");
            let wanted = Wanted::read(query, 1000).unwrap();
            prop_assert_eq!((wanted.limit, wanted.after.as_deref()), (n, Some(last.as_str())));
            prop_assert_eq!(query.all("x").next().unwrap(), filter);
        }

        #[test]
        fn any_query_is_read_or_refused(query in any::<String>()) {
            if let Ok(wanted) = Wanted::read(Query(&query), 1000) {
                prop_assert!(wanted.limit <= 1000);
            }
        }
    }

    #[test]
    fn links_are_relative_and_encoded() {
        let link = next_link("/v2/a/tags/list", &[("n", "5"), ("last", "a+b/c\"")]);
        assert_eq!(link, "</v2/a/tags/list?n=5&last=a%2Bb%2Fc%22>; rel=\"next\"");
    }
}
