//! `Location` of an upload: a whole address, a path, or what a browser would make of less.

use berth_egress::{Link, Origin};
use http::HeaderMap;

use super::located;
use crate::ClientError;

/// Where an upload goes on, if the answer to `asked` says so.
///
/// A registry behind a proxy that ends TLS for it often names itself with `http`. What was reached by TLS stays so: such
/// an address is ours, and one without TLS elsewhere is none.
pub(super) fn read(headers: &HeaderMap, asked: &Link, own: &Origin) -> Result<Option<Link>, ClientError> {
    let Some(text) = located(headers) else { return Ok(None) };
    let to = follow(asked, text)?;
    let origin = to.origin();
    if !own.is_secure() || origin.is_secure() {
        return Ok(Some(to));
    }
    if origin.host() == own.host() && (origin.port() == 80 || origin.port() == own.port()) {
        return Ok(Some(Link::new(own.clone(), to.target())?));
    }
    Err(ClientError::Downgrade { host: origin.authority() })
}

/// RFC 3986, section 5.2, for the forms that registries send.
fn follow(from: &Link, location: &str) -> Result<Link, ClientError> {
    let first = location.split(['/', '?']).next().unwrap_or_default();
    if location.starts_with('/') || first.contains(':') {
        return Ok(from.follow(location)?);
    }
    let target = match location.strip_prefix('?') {
        Some(_) => format!("{}{location}", from.path()),
        None => {
            let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{location}")
        }
    };
    Ok(Link::new(from.origin().clone(), &target)?)
}

/// The address with the digest of the whole in its query: what closes an upload.
pub(super) fn closing(location: &Link, digest: &berth_oci::Digest) -> Result<Link, ClientError> {
    let target = location.target();
    let joint = match target.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    // The colon may stand there as it is, but some sort and write the query anew.
    let digest = digest.to_string().replace(':', "%3A");
    Ok(Link::new(location.origin().clone(), &format!("{target}{joint}digest={digest}"))?)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::LOCATION;

    use super::*;

    fn read_from(asked: &str, location: &str) -> Result<Option<String>, ClientError> {
        let asked: Link = asked.parse().unwrap();
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        let link = read(&headers, &asked, asked.origin())?;
        Ok(link.map(|link| format!("{}{}", link.origin(), link.target())))
    }

    #[test]
    fn every_form_that_registries_send_leads_somewhere() {
        let asked = "https://r.example/v2/a/b/blobs/uploads/";
        for (location, to) in [
            ("/v2/a/b/blobs/uploads/7?_state=x%3D", "https://r.example/v2/a/b/blobs/uploads/7?_state=x%3D"),
            ("https://r.example/u/7", "https://r.example/u/7"),
            ("https://cdn.example:8443/u/7?s=1", "https://cdn.example:8443/u/7?s=1"),
            ("7?_state=x", "https://r.example/v2/a/b/blobs/uploads/7?_state=x"),
            ("?id=7", "https://r.example/v2/a/b/blobs/uploads/?id=7"),
            // A proxy that ends TLS is not known to the registry behind it.
            ("http://r.example/u/7", "https://r.example/u/7"),
        ] {
            assert_eq!(read_from(asked, location).unwrap().as_deref(), Some(to), "{location}");
        }
        let port = "https://r.example:5000/v2/a/b/blobs/uploads/";
        let own = read_from(port, "http://r.example:5000/u/7").unwrap();
        assert_eq!(own.as_deref(), Some("https://r.example:5000/u/7"));
        assert_eq!(read_from(asked, "").unwrap(), None);
    }

    #[test]
    fn what_leads_astray_is_refused() {
        let asked = "https://r.example/v2/a/b/blobs/uploads/";
        for location in
            ["//evil.example/u", "javascript:1", "https://a@evil.example/u", "http:///u", "file:///etc"]
        {
            assert!(matches!(read_from(asked, location), Err(ClientError::Pointer(_))), "{location}");
        }
        for location in ["http://evil.example/u", "http://r.example:8080/u"] {
            assert!(matches!(read_from(asked, location), Err(ClientError::Downgrade { .. })), "{location}");
        }
    }

    #[test]
    fn the_digest_is_added_to_what_there_is() {
        let digest = berth_oci::Digest::sha256(b"abc");
        for (location, before) in [
            ("https://r.example/u/7", "/u/7?digest=sha256%3A"),
            ("https://r.example/u/7?", "/u/7?digest=sha256%3A"),
            ("https://r.example/u/7?_state=x", "/u/7?_state=x&digest=sha256%3A"),
            ("https://r.example/u/7?_state=x&", "/u/7?_state=x&digest=sha256%3A"),
        ] {
            let closing = closing(&location.parse().unwrap(), &digest).unwrap();
            assert!(closing.target().starts_with(before), "{}", closing.target());
        }
    }
}
