//! A server that answers what a test wants, byte for byte, and remembers what it was asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request, with as much of its body as was read.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    fn read(head: &str) -> Asked {
        let mut lines = head.lines();
        let mut words = lines.next().unwrap().split(' ');
        let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let fields = lines.filter_map(|line| line.split_once(": "));
        let headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Asked { method, target, headers, body: Vec::new() }
    }

    /// Bytes of the body that the head announces.
    pub(crate) fn length(&self) -> usize {
        self.headers.get("content-length").map_or(0, |length| length.parse().unwrap())
    }
}

/// What follows the bytes of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// The next request.
    Keep,
    /// The end of the connection.
    Cut,
    /// Nothing, for ever.
    Hang,
    /// These bytes, again and again, with a pause before each.
    Again(Vec<u8>, Duration),
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
}

impl Reply {
    /// The bytes as they are.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>, then: Then) -> Reply {
        Reply { bytes: bytes.into(), then }
    }

    /// An answer of the usual form.
    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
        let body = body.as_ref();
        let mut head = format!("HTTP/1.1 {status} x\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let has = |name: &str| headers.iter().any(|(known, _)| *known == name);
        if !has("content-length") && !has("transfer-encoding") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        Reply::raw([head.as_bytes(), body].concat(), Then::Keep)
    }

    /// The same, and something else behind it.
    pub(crate) fn then(self, then: Then) -> Reply {
        Reply { then, ..self }
    }

    /// The same, cut after so many bytes of its body.
    pub(crate) fn cut(mut self, at: usize) -> Reply {
        let head = self.bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        self.bytes.truncate(head + at);
        self.then(Then::Cut)
    }
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;
type Appetite = dyn Fn(&Asked) -> usize + Send + Sync;

/// The server. It ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    answer: Arc<Answer>,
    appetite: Arc<Appetite>,
}

impl Fake {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
        Fake::at("127.0.0.1:0", None, answer).await
    }

    /// One that reads only so much of each body, given its head. If that is less than everything, the connection ends
    /// behind the answer.
    pub(crate) async fn picky(
        appetite: impl Fn(&Asked) -> usize + Send + Sync + 'static,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Fake {
        Fake::serving("127.0.0.1:0", None, Arc::new(appetite), Arc::new(answer)).await
    }

    /// One that answers 200 to everything, and should be asked nothing.
    pub(crate) async fn sink(address: &str) -> Fake {
        Fake::at(address, None, |_| Reply::new(200, &[], "{\"token\":\"stolen\"}")).await
    }

    pub(crate) async fn at(
        address: &str,
        tls: Option<ServerConfig>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Fake {
        Fake::serving(address, tls, Arc::new(|_| usize::MAX), Arc::new(answer)).await
    }

    async fn serving(
        address: &str,
        tls: Option<ServerConfig>,
        appetite: Arc<Appetite>,
        answer: Arc<Answer>,
    ) -> Fake {
        let listener = TcpListener::bind(address).await.unwrap();
        let fake = Fake {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            connections: Arc::default(),
            answer,
            appetite,
        };
        let (served, tls) = (fake.clone(), tls.map(|config| TlsAcceptor::from(Arc::new(config))));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                served.connections.fetch_add(1, Ordering::Relaxed);
                match tls.clone() {
                    None => drop(tokio::spawn(served.clone().serve(stream))),
                    Some(tls) => {
                        let served = served.clone();
                        tokio::spawn(async move {
                            if let Ok(stream) = tls.accept(stream).await {
                                served.serve(stream).await;
                            }
                        });
                    }
                }
            }
        });
        fake
    }

    /// What was asked since the last time.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// What was asked since the last time, shortly: `GET /path`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.take().into_iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut buffer = Vec::new();
        loop {
            // As servers do, it answers at once to what begins like TLS.
            if buffer.starts_with(&[22]) {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
                return;
            }
            let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                // That a client goes away is what some tests are about.
                if !matches!(stream.read_buf(&mut buffer).await, Ok(read) if read > 0) {
                    return;
                }
                continue;
            };
            let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
            let mut asked = Asked::read(&head);
            let wanted = asked.length().min((self.appetite)(&asked));
            while buffer.len() < wanted {
                if !matches!(stream.read_buf(&mut buffer).await, Ok(read) if read > 0) {
                    return;
                }
            }
            asked.body = buffer.drain(..wanted).collect();
            let is_whole = wanted == asked.length();
            let reply = (self.answer)(&asked);
            self.seen.lock().unwrap().push(asked);
            if stream.write_all(&reply.bytes).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            match reply.then {
                Then::Keep if is_whole => (),
                Then::Keep => return linger(stream).await,
                Then::Cut => return,
                Then::Hang => std::future::pending().await,
                Then::Again(piece, pause) => loop {
                    tokio::time::sleep(pause).await;
                    if stream.write_all(&piece).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                },
            }
        }
    }
}

/// Ends a connection as servers do that want their answer to be read: what still comes is thrown away for a while.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let _ = stream.shutdown().await;
    let mut rest = vec![0; 64 * 1024];
    while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
}
