//! The query of a request: parameters by name, decoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The part of a request target behind the question mark.
///
/// A `+` stays what it is: no value of this API may hold a space, and media types typed by hand hold a plus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl<'a> Query<'a> {
    /// All values of a parameter, in order.
    pub(crate) fn all(self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        self.0.split(['&', '?']).filter_map(move |pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| percent_decode_str(value).decode_utf8_lossy())
        })
    }

    /// The first value of a parameter that has one.
    pub(crate) fn get(self, name: &str) -> Option<Cow<'a, str>> {
        self.all(name).find(|value| !value.is_empty())
    }
}

/// Parameters in the form of HTML forms, where a `+` is a space: what token servers are sent.
#[derive(Clone, Debug)]
pub(crate) struct Form<'a>(Cow<'a, str>);

impl<'a> Form<'a> {
    pub(crate) fn new(text: &'a str) -> Form<'a> {
        Form(if text.contains('+') { Cow::Owned(text.replace('+', "%20")) } else { Cow::Borrowed(text) })
    }

    /// All values of a parameter, in order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = Cow<'_, str>> {
        Query(&self.0).all(name)
    }

    /// The first value of a parameter that has one.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        Query(&self.0).get(name)
    }
}

/// Cuts a request target into path and query.
///
/// Scripts append `&digest=…` to whatever `Location` they were given, because with other registries that has a query.
/// No path of this API holds an ampersand, so there it begins the query too; and [`Query`] splits at a second `?`.
pub(crate) fn split(uri: &http::Uri) -> (&str, Query<'_>) {
    let query = uri.query().unwrap_or_default();
    match uri.path().split_once('&') {
        Some((path, appended)) if query.is_empty() => (path, Query(appended)),
        _ => (uri.path(), Query(query)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_a_plus_is_a_plus() {
        let query = Query("mount=sha256%3Aab&from=a/b&tag=1&tag=2%2B3&artifactType=application/x+json&n&e=");
        assert_eq!(query.get("mount").as_deref(), Some("sha256:ab"));
        assert_eq!(query.get("from").as_deref(), Some("a/b"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["1", "2+3"]);
        assert_eq!(query.get("artifactType").as_deref(), Some("application/x+json"));
        assert_eq!((query.get("n"), query.get("e"), query.get("tags")), (None, None, None));
        assert_eq!(query.all("n").count(), 1);
    }

    #[test]
    fn an_appended_ampersand_begins_the_query() {
        let digest_of = |target: &str| {
            let uri: http::Uri = target.parse().unwrap();
            let (path, query) = split(&uri);
            (path.to_owned(), query.get("digest").map(Cow::into_owned))
        };
        for target in ["/v2/a/blobs/uploads/1?digest=d", "/v2/a/blobs/uploads/1&digest=d"] {
            assert_eq!(digest_of(target), ("/v2/a/blobs/uploads/1".into(), Some("d".into())));
        }
        assert_eq!(digest_of("/v2/a/blobs/uploads/1?x=y?digest=d").1.as_deref(), Some("d"));
    }
}
