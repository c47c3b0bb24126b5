//! The head of an HTTP/1.1 response, read with no more parsing than a load generator needs.

use anyhow::{Context as _, bail};

/// What of a response's head matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
    /// `Transfer-Encoding: chunked`.
    pub(crate) chunked: bool,
    /// `Connection: close`.
    pub(crate) close: bool,
    pub(crate) location: Option<String>,
    /// `Docker-Content-Digest`.
    pub(crate) digest: Option<String>,
    pub(crate) link: Option<String>,
}

impl Head {
    /// Reads a head from the start of `bytes`; `None` while its empty line has not arrived.
    ///
    /// Returns the head and its length in bytes.
    pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<Option<(Head, usize)>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).context("the head of the response is not text")?;
        let mut lines = text.split("\r\n");
        let mut head = Head { status: status(lines.next().unwrap_or_default())?, ..Head::default() };
        for line in lines {
            let (name, value) = line.split_once(':').with_context(|| format!("not a header: {line:?}"))?;
            head.take(name, value.trim())?;
        }
        if head.chunked && head.length.is_some() {
            bail!("the response has a length and is chunked");
        }
        Ok(Some((head, end + 4)))
    }

    fn take(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if is("content-length") {
            self.length = Some(value.parse().with_context(|| format!("Content-Length is {value:?}"))?);
        } else if is("transfer-encoding") {
            self.chunked = value.eq_ignore_ascii_case("chunked");
        } else if is("connection") {
            self.close = value.eq_ignore_ascii_case("close");
        } else if is("location") {
            self.location = Some(value.to_owned());
        } else if is("docker-content-digest") {
            self.digest = Some(value.to_owned());
        } else if is("link") {
            self.link = Some(value.to_owned());
        }
        Ok(())
    }

    /// Where an upload goes on: the path and query of `Location`.
    pub(crate) fn upload_path(&self) -> anyhow::Result<&str> {
        let location = self.location.as_deref().context("the answer to POST has no Location")?;
        path_of(location)
    }

    /// The path and query of the next page, from `Link: <…>; rel="next"`.
    pub(crate) fn next_page(&self) -> anyhow::Result<Option<&str>> {
        let Some(link) = self.link.as_deref() else { return Ok(None) };
        let inside = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        path_of(inside.with_context(|| format!("not a Link: {link:?}"))?.0).map(Some)
    }
}

fn status(line: &str) -> anyhow::Result<u16> {
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).with_context(|| format!("not a status line: {line:?}"))
}

/// Path and query of a URL that is absolute or begins with `/`.
fn path_of(url: &str) -> anyhow::Result<&str> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
        None => Some(url),
    };
    path.filter(|path| path.starts_with('/')).with_context(|| format!("{url:?} has no path"))
}

#[cfg(test)]
mod tests {
    use super::{Head, path_of};

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let bytes =
            b"HTTP/1.1 202 Accepted\r\ncontent-length: 12\r\nLOCATION: /v2/a/blobs/uploads/1?s=2\r\n\r\nrest";
        assert_eq!(Head::parse(&bytes[..bytes.len() - 5]).unwrap(), None);
        let (head, length) = Head::parse(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.length, length), (202, Some(12), bytes.len() - 4));
        assert_eq!(head.upload_path().unwrap(), "/v2/a/blobs/uploads/1?s=2");
        assert!(!head.close && !head.chunked);
    }

    #[test]
    fn framing_headers_are_read() {
        let (head, _) =
            Head::parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
                .unwrap()
                .unwrap();
        assert!(head.chunked && head.close);
        assert_eq!(head.length, None);
    }

    #[test]
    fn broken_heads_are_errors() {
        for bytes in [
            &b"HTTP/1.0 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(Head::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn paths_come_from_both_forms_of_a_url() {
        assert_eq!(path_of("http://localhost:5000/v2/?a=b").unwrap(), "/v2/?a=b");
        assert_eq!(path_of("/v2/?a=b").unwrap(), "/v2/?a=b");
        assert!(path_of("v2/").is_err());
        assert!(path_of("http://localhost").is_err());
    }

    #[test]
    fn the_next_page_is_what_link_points_to() {
        let head = |link: Option<&str>| Head { link: link.map(str::to_owned), ..Head::default() };
        let next = head(Some("</v2/a/tags/list?n=2&last=b>; rel=\"next\""));
        assert_eq!(next.next_page().unwrap(), Some("/v2/a/tags/list?n=2&last=b"));
        assert_eq!(head(None).next_page().unwrap(), None);
        assert!(head(Some("nonsense")).next_page().is_err());
    }
}
