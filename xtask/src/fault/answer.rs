//! One answer of the upstream on its way to the mirror, and what is done to it.

use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::pace::Pace;
use super::plan::{Fault, Place};
use super::{Shared, gzip, lock};
use crate::message::{self, Body, Head, HttpHead};

/// The length of what [`Fault::Huge`] announces.
const TEBIBYTE: u64 = 1 << 40;
/// A digest that nothing has.
const OTHER_DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000deadbeef";
const PAGE: &str = "<!doctype html><title>Welcome</title><p>Please sign in to use this network.\n";

/// The connection to the upstream that belongs to one of the mirror.
pub(super) struct Upstream {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// What is answered to one request.
pub(super) struct Answer<'a> {
    pub(super) shared: &'a Shared,
    pub(super) client: &'a TcpStream,
    pub(super) number: usize,
    pub(super) method: &'a str,
    pub(super) fault: Option<Fault>,
    /// When the fault was decided.
    pub(super) era: u64,
}

impl Upstream {
    pub(super) fn new(address: SocketAddr) -> Upstream {
        Upstream { address, stream: None }
    }

    /// Sends a request and reads the head of the answer.
    fn ask(&mut self, head: &HttpHead, body: &[u8]) -> io::Result<(HttpHead, BufReader<TcpStream>)> {
        if let Some(stream) = self.stream.take()
            && let Ok(answer) = exchange(stream, head, body)
        {
            return Ok(answer);
        }
        // A kept connection may have been closed meanwhile: once more, on a new one.
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        exchange(BufReader::with_capacity(64 * 1024, stream), head, body)
    }
}

fn exchange(
    mut stream: BufReader<TcpStream>,
    head: &HttpHead,
    body: &[u8],
) -> io::Result<(HttpHead, BufReader<TcpStream>)> {
    stream.get_mut().write_all(head.bytes())?;
    stream.get_mut().write_all(body)?;
    match message::read_head(&mut stream)? {
        Head::Http(answer) => Ok((answer, stream)),
        Head::Closed | Head::Foreign(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl Answer<'_> {
    /// Answers the request. An error ends the connection, as some faults want it.
    pub(super) fn give(&self, request: &HttpHead, body: &[u8], upstream: &mut Upstream) -> io::Result<()> {
        if let Some(Fault::Late(time)) = self.fault {
            self.hold(Some(time));
        }
        if let Some(fault) = &self.fault
            && self.invented(fault)?
        {
            self.shared.note(self.number, |asked| asked.whole = true);
            return Ok(());
        }
        let mut request = request.clone();
        if let Some(Fault::HeadOf(tag)) = &self.fault
            && self.method == "HEAD"
            && let Some((before, reference)) = request.start_line().rsplit_once("/manifests/")
            && !reference.contains("sha256:")
        {
            let line = format!("{before}/manifests/{tag} HTTP/1.1");
            request.set_start_line(&line);
            self.spoiled();
        }
        let (head, mut stream) = upstream.ask(&request, body)?;
        self.pass_on(head, &mut stream)?;
        self.shared.note(self.number, |asked| asked.whole = true);
        upstream.stream = Some(stream);
        Ok(())
    }

    /// Gives the answers that need no upstream; whether this was one.
    fn invented(&self, fault: &Fault) -> io::Result<bool> {
        let (line, header, body) = match fault {
            Fault::TooMany(seconds) => {
                let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"you have reached your pull rate limit"}]}"#;
                ("429 Too Many Requests".to_owned(), format!("Retry-After: {seconds}"), body)
            }
            Fault::Failing(status) => {
                (format!("{status} Out Of Order"), "Content-Type: text/plain".to_owned(), "out of order\n")
            }
            Fault::Page => ("200 OK".to_owned(), "Content-Type: text/html".to_owned(), PAGE),
            Fault::Endless => ("200 OK".to_owned(), "Transfer-Encoding: chunked".to_owned(), ""),
            Fault::Huge => ("200 OK".to_owned(), format!("Content-Length: {TEBIBYTE}"), ""),
            _ => return Ok(false),
        };
        self.spoiled();
        let status = line.split(' ').next().and_then(|status| status.parse().ok()).unwrap_or_default();
        self.shared.note(self.number, |asked| asked.status = status);
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        write!(self.to(), "HTTP/1.1 {line}\r\n{header}\r\n{length}\r\n")?;
        if self.method != "HEAD" {
            self.send(body.as_bytes(), None)?;
            self.flood(fault)?;
        }
        Ok(true)
    }

    /// Bytes as long as somebody takes them.
    fn flood(&self, fault: &Fault) -> io::Result<()> {
        let piece: Vec<u8> = match fault {
            Fault::Endless => [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat(),
            Fault::Huge => vec![b'x'; 0x4000],
            _ => return Ok(()),
        };
        while !self.is_over() {
            self.send(&piece, None)?;
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Passes an answer on, spoiled if that is to be.
    fn pass_on(&self, mut head: HttpHead, from: &mut BufReader<TcpStream>) -> io::Result<()> {
        let status: u16 =
            head.start_line().split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
        self.shared.note(self.number, |asked| asked.status = status);
        let body = head.answer_body(self.method, status);
        let is_success = status == 200 || status == 206;
        let fault = self.fault.as_ref().filter(|_| is_success);
        if fault == Some(&Fault::OtherDigest) {
            self.spoiled();
            head.set("Docker-Content-Digest", Some(OTHER_DIGEST));
        }
        match (fault, body) {
            (Some(fault), Body::Length(length)) if self.method != "HEAD" => {
                self.pass_on_spoiled(fault, head, length, from)
            }
            _ => {
                self.to().write_all(head.bytes())?;
                message::copy_body(body, from, |bytes| self.send(bytes, None))
            }
        }
    }

    fn pass_on_spoiled(
        &self,
        fault: &Fault,
        mut head: HttpHead,
        length: u64,
        from: &mut BufReader<TcpStream>,
    ) -> io::Result<()> {
        let announced = match fault {
            Fault::Extra => length + 1,
            Fault::Shorter => length / 2,
            Fault::Longer => length + 7,
            Fault::Gzip => {
                let mut body = Vec::new();
                message::copy_body(Body::Length(length), from, |bytes| {
                    body.extend_from_slice(bytes);
                    Ok(())
                })?;
                let body = gzip::stored(&body);
                self.spoiled();
                head.set("Content-Encoding", Some("gzip"));
                head.set("Content-Length", Some(&body.len().to_string()));
                self.to().write_all(head.bytes())?;
                return self.send(&body, None);
            }
            _ => length,
        };
        if announced != length {
            self.spoiled();
            head.set("Content-Length", Some(&announced.to_string()));
        }
        self.to().write_all(head.bytes())?;
        self.copy(fault, length, from)?;
        match fault {
            Fault::Extra => self.send(b"!", None),
            Fault::Shorter | Fault::Longer => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }

    /// Copies a body, with what happens inside of it.
    fn copy(&self, fault: &Fault, length: u64, from: &mut BufReader<TcpStream>) -> io::Result<()> {
        let own = match fault {
            Fault::Slow(rate) => Some(Pace::new(*rate)),
            _ => None,
        };
        let place = match fault {
            Fault::Cut(place) | Fault::Reset(place) => place.in_body(length),
            Fault::Flip | Fault::Stall => Place::Half.in_body(length),
            _ => u64::MAX,
        };
        let mut done = 0;
        message::copy_body(Body::Length(length), from, |bytes| {
            let end = done + bytes.len() as u64;
            let inside = (done..end).contains(&place).then_some((place - done.min(place)) as usize);
            done = end;
            match inside {
                Some(offset) => self.strike(fault, bytes, offset),
                None => self.send(bytes, own.as_ref()),
            }
        })
    }

    /// Does what the fault does in the middle of these bytes.
    fn strike(&self, fault: &Fault, bytes: &[u8], offset: usize) -> io::Result<()> {
        if *fault == Fault::Flip {
            self.spoiled();
            let mut bytes = bytes.to_vec();
            bytes[offset] ^= 1;
            return self.send(&bytes, None);
        }
        self.send(&bytes[..offset], None)?;
        if *fault == Fault::Stall {
            self.hold(None);
            return self.send(&bytes[offset..], None);
        }
        self.spoiled();
        if matches!(fault, Fault::Reset(_)) {
            // With this, closing sends RST; the connection is closed when the error arrives.
            rustix::net::sockopt::set_socket_linger(self.client, Some(Duration::ZERO))?;
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Sends bytes at the slower one of two rates, and counts them.
    fn send(&self, mut bytes: &[u8], own: Option<&Pace>) -> io::Result<()> {
        while !bytes.is_empty() {
            let own = own.filter(|_| !self.is_over());
            let line = lock(&self.shared.line).clone();
            let paces = [own, line.as_deref()];
            let most = paces.iter().flatten().map(|pace| pace.piece()).min().unwrap_or(bytes.len());
            let (piece, rest) = bytes.split_at(most.min(bytes.len()));
            paces.iter().flatten().for_each(|pace| pace.wait(piece.len()));
            self.to().write_all(piece)?;
            self.shared.note(self.number, |asked| asked.bytes += piece.len() as u64);
            bytes = rest;
        }
        Ok(())
    }

    /// Waits until this time is over, or the proxy is told something else.
    fn hold(&self, time: Option<Duration>) {
        let started = std::time::Instant::now();
        while !self.is_over() && time.is_none_or(|time| started.elapsed() < time) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_over(&self) -> bool {
        lock(&self.shared.plan).is_over(self.era)
    }

    fn spoiled(&self) {
        self.shared.note(self.number, |asked| asked.spoiled = true);
    }

    fn to(&self) -> &TcpStream {
        self.client
    }
}
