//! Just enough of HTTP/1.1's framing to find where each message ends.

use std::io::{self, BufRead, Read};

/// Heads beyond this are a fault of the peer.
const HEAD_MAX: usize = 64 * 1024;

/// What stands at the start of a message.
pub(crate) enum Head {
    /// The peer has closed between two messages.
    Closed,
    /// Bytes that are no HTTP.
    Foreign(Vec<u8>),
    Http(HttpHead),
}

/// Start line and headers of a message.
#[derive(Debug, Clone)]
pub(crate) struct HttpHead {
    bytes: Vec<u8>,
    text: String,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

impl HttpHead {
    /// The head as received, with the empty line.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first line without its end.
    pub(crate) fn start_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The value of the first header with this lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.text.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Sets the first line.
    pub(crate) fn set_start_line(&mut self, line: &str) {
        let rest = self.text.split_once("\r\n").map_or("\r\n", |(_, rest)| rest);
        self.text = format!("{line}\r\n{rest}");
        self.bytes = self.text.clone().into_bytes();
    }

    /// Sets a header in the place of all of that name, or only removes them.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        let is_other = |line: &&str| {
            !line.is_empty() && !line.split(':').next().is_some_and(|key| key.eq_ignore_ascii_case(name))
        };
        let own = value.map(|value| format!("{name}: {value}"));
        let lines: Vec<&str> = self.text.lines().filter(is_other).chain(own.as_deref()).collect();
        self.text = lines.join("\r\n") + "\r\n\r\n";
        self.bytes = self.text.clone().into_bytes();
    }

    /// The body that follows this head of a request.
    pub(crate) fn request_body(&self) -> Body {
        self.framing().unwrap_or(Body::Length(0))
    }

    /// The body that follows this head of the answer to `method`.
    pub(crate) fn answer_body(&self, method: &str, status: u16) -> Body {
        if method == "HEAD" || status == 204 || status == 304 {
            return Body::Length(0);
        }
        self.framing().unwrap_or(Body::UntilClose)
    }

    fn framing(&self) -> Option<Body> {
        if self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Some(Body::Chunked);
        }
        self.header("content-length")?.parse().ok().map(Body::Length)
    }
}

/// Reads up to the empty line that ends a head.
pub(crate) fn read_head(from: &mut impl BufRead) -> io::Result<Head> {
    let start = from.fill_buf()?;
    let Some(first) = start.first() else { return Ok(Head::Closed) };
    if !first.is_ascii_uppercase() {
        let bytes = start.to_vec();
        from.consume(bytes.len());
        return Ok(Head::Foreign(bytes));
    }
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if read_line(from, &mut bytes)? == 0 || bytes.len() > HEAD_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Head::Http(HttpHead { bytes, text }))
}

/// Hands the bytes of one body to `write` as they come, with the marks of chunks.
pub(crate) fn copy_body(
    body: Body,
    from: &mut impl BufRead,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    match body {
        Body::Length(length) => copy_exactly(length, from, &mut write),
        Body::UntilClose => copy_exactly(u64::MAX, from, &mut write).or_else(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Ok(()),
            _ => Err(error),
        }),
        Body::Chunked => loop {
            let mut line = Vec::new();
            read_line(from, &mut line)?;
            write(&line)?;
            let size = String::from_utf8_lossy(&line);
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                return copy_trailers(from, &mut write);
            }
            copy_exactly(size + 2, from, &mut write)?;
        },
    }
}

fn copy_trailers(from: &mut impl BufRead, write: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let length = read_line(from, &mut line)?;
        write(&line)?;
        if length <= 2 {
            return Ok(());
        }
    }
}

fn copy_exactly(
    mut left: u64,
    from: &mut impl BufRead,
    write: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    while left > 0 {
        let bytes = from.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        write(&bytes[..length])?;
        from.consume(length);
        left -= length as u64;
    }
    Ok(())
}

fn read_line(from: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<usize> {
    from.take(HEAD_MAX as u64).read_until(b'\n', into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> HttpHead {
        match read_head(&mut text.as_bytes()).unwrap() {
            Head::Http(head) => head,
            _ => panic!("no head: {text:?}"),
        }
    }

    fn body(body: Body, mut bytes: &[u8]) -> (Vec<u8>, usize) {
        let mut copied = Vec::new();
        copy_body(body, &mut bytes, |part| {
            copied.extend_from_slice(part);
            Ok(())
        })
        .unwrap();
        (copied, bytes.len())
    }

    #[test]
    fn framing_follows_method_status_and_headers() {
        let chunked = head("PATCH /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(chunked.request_body(), Body::Chunked);
        assert_eq!(head("GET / HTTP/1.1\r\nRange: bytes=5-\r\n\r\n").header("range"), Some("bytes=5-"));
        assert_eq!(head("GET / HTTP/1.1\r\n\r\n").request_body(), Body::Length(0));
        let answer = head("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
        assert_eq!(answer.answer_body("GET", 200), Body::Length(7));
        assert_eq!(answer.answer_body("HEAD", 200), Body::Length(0));
        assert_eq!(head("HTTP/1.1 200 OK\r\n\r\n").answer_body("GET", 200), Body::UntilClose);
    }

    #[test]
    fn headers_and_the_first_line_can_be_others() {
        let mut head = head("GET /a HTTP/1.1\r\nA: 1\r\nb: 2\r\nB: 3\r\n\r\n");
        head.set("B", Some("4"));
        head.set("a", None);
        head.set_start_line("HEAD /c HTTP/1.1");
        assert_eq!(head.bytes(), b"HEAD /c HTTP/1.1\r\nB: 4\r\n\r\n");
    }

    #[test]
    fn a_body_ends_where_the_next_message_begins() {
        assert_eq!(body(Body::Length(3), b"abcGET"), (b"abc".to_vec(), 3));
        assert_eq!(body(Body::UntilClose, b"abc"), (b"abc".to_vec(), 0));
        let chunks = b"3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n";
        assert_eq!(body(Body::Chunked, &[chunks.as_slice(), b"GET"].concat()), (chunks.to_vec(), 3));
    }

    #[test]
    fn a_tls_hello_is_not_taken_for_http() {
        assert!(matches!(read_head(&mut [0x16, 3, 1].as_slice()).unwrap(), Head::Foreign(_)));
        assert!(matches!(read_head(&mut io::empty()).unwrap(), Head::Closed));
    }
}
