//! As much of HTTP as is needed to talk to a server and to a browser's driver on this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and who asks it.
pub(crate) struct Client {
    address: SocketAddr,
    authorization: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header field by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// Asks in the name of a user.
    pub(crate) fn new(address: SocketAddr, name: &str, password: &str) -> Client {
        let authorization = Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))));
        Client { address, authorization }
    }

    /// Asks in nobody's name.
    pub(crate) fn anonymous(address: SocketAddr) -> Client {
        Client { address, authorization: None }
    }

    /// One request on a connection of its own.
    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address.port(),
            body.len()
        );
        if let Some(authorization) = &self.authorization {
            head.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        stream.write_all(body)?;
        let (mut answer, mut piece) = (Vec::new(), [0; 16 * 1024]);
        // The driver does not close the connection when it is asked to, so its length tells where an answer ends.
        let end = loop {
            let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end.filter(|end| is_whole(&answer, *end)) {
                break end;
            }
            match stream.read(&mut piece).with_context(|| format!("{method} {target}"))? {
                0 => break end.context("an answer without a head")?,
                read => answer.extend_from_slice(&piece[..read]),
            }
        };
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .context("an answer without a status")?;
        Ok(Answer { status, head, body: answer.split_off(end + 4) })
    }

    /// The same, and nothing but success will do.
    pub(crate) fn must(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let answer = self.send(method, target, headers, body)?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {target}: {} {}",
            answer.status,
            answer.text()
        );
        Ok(answer)
    }
}

/// Whether an answer has come whose head ends there, as far as it says how long it is.
fn is_whole(answer: &[u8], end: usize) -> bool {
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}
