//! A minimal blocking HTTP/1.1 client, so that the rig shares no code with the server it judges.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer later than this counts as no answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bodies and lines beyond these sizes are a fault of the server.
const BODY_MAX: usize = 64 << 20;
const LINE_MAX: u64 = 64 << 10;

/// One request; `Host` and `Content-Length` are added when it is sent.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// Path and query, or a full URL of this server as some `Location` headers are.
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request without body.
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Request { method, target: target.into(), ..Request::default() }
    }

    /// Adds one header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    fn head(&self, host: SocketAddr) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, path_of(&self.target));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        head
    }
}

/// The path and query of a URL; a path stays as it is.
fn path_of(target: &str) -> &str {
    match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    }
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Reads one answer; `bodiless` for an answer to HEAD. A body cut short is an error.
    fn read(reader: &mut impl BufRead, bodiless: bool) -> io::Result<Response> {
        let mut status = 100;
        let mut headers = Vec::new();
        while (100..200).contains(&status) {
            status = read_status(reader)?;
            headers = read_headers(reader)?;
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if !bodiless && status != 204 && status != 304 {
            response.body = response.read_body(reader)?;
        }
        Ok(response)
    }

    fn read_body(&self, reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return read_chunks(reader);
        }
        match self.header("content-length") {
            Some(length) => {
                let length: usize = length.parse().map_err(|_| fault("Content-Length is not a number"))?;
                let mut body = Vec::new();
                append(reader, length, &mut body)?;
                Ok(body)
            }
            None => Err(fault("an answer with neither Content-Length nor chunks")),
        }
    }

    fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

fn fault(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.by_ref().take(LINE_MAX).read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended inside a line")),
    }
}

fn read_status(reader: &mut impl BufRead) -> io::Result<u16> {
    let line = read_line(reader)?;
    let code =
        line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    code.ok_or_else(|| fault("not an HTTP/1.1 status line"))
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| fault("a header without a colon"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size =
            usize::from_str_radix(size, 16).map_err(|_| fault("a chunk size that is not hexadecimal"))?;
        if size == 0 {
            read_headers(reader)?; // trailers, up to the empty line
            return Ok(body);
        }
        append(reader, size, &mut body)?;
        if !read_line(reader)?.is_empty() {
            return Err(fault("a chunk longer than its size"));
        }
    }
}

fn append(reader: &mut impl BufRead, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
    if body.len() + length > BODY_MAX {
        return Err(fault("a body larger than anything that was pushed"));
    }
    let start = body.len();
    body.resize(start + length, 0);
    reader.read_exact(&mut body[start..])
}

/// A kept connection to one server, opened when needed.
pub(crate) struct Connection {
    server: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Connection {
    /// Nothing is opened yet.
    pub(crate) fn new(server: SocketAddr) -> Self {
        Connection { server, stream: None }
    }

    /// Sends one request and waits for the whole answer. After an error nobody knows whether the request took
    /// effect, so it is never repeated here.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open()?,
        };
        stream.get_mut().write_all(request.head(self.server).as_bytes())?;
        stream.get_mut().write_all(request.body)?;
        let response = Response::read(&mut stream, request.method == "HEAD")?;
        if !response.closes() {
            self.stream = Some(stream);
        }
        Ok(response)
    }

    fn open(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.server, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::{Request, Response, path_of};

    fn read(text: &str, bodiless: bool) -> std::io::Result<Response> {
        Response::read(&mut text.as_bytes(), bodiless)
    }

    #[test]
    fn reads_bodies_by_length_and_by_chunks() {
        let response = read("HTTP/1.1 200 OK\r\nContent-LENGTH: 5\r\n\r\nhelloHTTP", false).unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, &b"hello"[..]));
        assert_eq!(response.header("content-length"), Some("5"));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\nA\r\n, harbour!\r\n0\r\n\r\n";
        assert_eq!(read(chunks, false).unwrap().body, b"hello, harbour!");
    }

    #[test]
    fn passes_over_interim_answers_and_bodies_that_are_not_sent() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(read(text, false).unwrap().status, 201);
        assert!(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true).unwrap().body.is_empty());
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n", false).unwrap().status, 204);
    }

    #[test]
    fn refuses_answers_that_are_cut_or_malformed() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhello",
            "SSH-2.0\r\n\r\n",
        ] {
            assert!(read(text, false).is_err(), "{text:?}");
        }
    }

    #[test]
    fn heads_carry_host_and_length_and_locations_lose_their_origin() {
        let request = Request::new("PUT", "http://127.0.0.1:5000/v2/a?b=c").header("X-Y", "z").body(b"123");
        let head = request.head(([127, 0, 0, 1], 5000).into());
        assert_eq!(
            head,
            "PUT /v2/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nX-Y: z\r\nContent-Length: 3\r\n\r\n"
        );
        assert_eq!((path_of("http://host"), path_of("/v2/")), ("/", "/v2/"));
    }
}
