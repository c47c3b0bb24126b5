//! The smallest HTTP client that the tests need: one request on one connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A request.
pub(crate) struct Request<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'a str, path: &'a str) -> Request<'a> {
        Request { method, path, headers: Vec::new(), body: b"" }
    }

    pub(crate) fn header(mut self, name: &'a str, value: &'a str) -> Request<'a> {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn body(mut self, body: &'a [u8]) -> Request<'a> {
        self.body = body;
        self
    }

    /// Sends it whole and reads the answer.
    pub(crate) fn send(&self, server: SocketAddr) -> Answer {
        let mut stream = self.begin(server);
        stream.write_all(self.body).expect("the server reads the body");
        read_answer(stream)
    }

    /// Sends all but the body, which the caller writes.
    pub(crate) fn begin(&self, server: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(server).expect("the server accepts connections");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out can be set");
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.method,
            self.path,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).expect("the server reads the head");
        stream
    }
}

/// Reads an answer up to the end of the connection.
pub(crate) fn read_answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the server answers");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a readable head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: bytes.split_off(end + 4) }
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .unwrap_or_else(|| panic!("no {name} in {}", self.head))
            .1
            .trim()
    }

    /// The path of `Location`, which may be a whole URL.
    pub(crate) fn location(&self) -> String {
        let location = self.header("Location");
        match location.split_once("://") {
            Some((_, rest)) => rest[rest.find('/').expect("a path")..].to_owned(),
            None => location.to_owned(),
        }
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
