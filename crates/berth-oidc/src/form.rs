//! Pairs of names and values, as queries and forms have them (`application/x-www-form-urlencoded`).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One name or value, encoded.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

/// All pairs, encoded and joined.
pub(crate) fn joined(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

/// The pairs of a query. What is not UTF-8 gets a replacement character, which no value that we compare with has.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    let text = if text.contains('+') { Cow::from(text.replace('+', " ")) } else { Cow::from(text) };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::{joined, pairs};

    #[test]
    fn what_is_joined_is_read_again() {
        let all = [("a b", "c&d=e"), ("é", "+%"), ("empty", "")];
        let text = joined(&all);
        assert_eq!(text, "a%20b=c%26d%3De&%C3%A9=%2B%25&empty=");
        let read: Vec<_> = pairs(&text).collect();
        assert_eq!(read, all.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(
            pairs("a=b+c&&d").collect::<Vec<_>>(),
            [("a".to_owned(), "b c".to_owned()), ("d".to_owned(), String::new())]
        );
    }
}
