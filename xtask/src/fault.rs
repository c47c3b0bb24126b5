//! A proxy between a mirror and its upstream: it counts what is asked, and misbehaves when it is told to.
//!
//! On each connection it answers one request after the other, as every client of HTTP/1.1 asks them.

use std::collections::HashMap;
use std::io::{self, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::message::{self, Head, HttpHead};

mod answer;
mod gzip;
mod pace;
mod plan;
#[cfg(test)]
mod tests;

use answer::{Answer, Upstream};
use pace::Pace;
use plan::Plan;
pub(crate) use plan::{Fault, On, Place};

/// How long a port that was given up may stay taken by connections that are ending.
const PATIENCE: Duration = Duration::from_secs(10);

/// One request, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    pub(crate) kind: Kind,
    /// The `Authorization` header.
    pub(crate) authorization: Option<String>,
    /// Whether it asked for a part.
    pub(crate) is_range: bool,
    /// The status that was passed on; 0 while there is none.
    pub(crate) status: u16,
    /// Bytes of the answer's body that were passed on.
    pub(crate) bytes: u64,
    /// Whether something wrong was passed on; what is only slow or late is right.
    pub(crate) spoiled: bool,
    /// Whether the answer was passed on to its end.
    pub(crate) whole: bool,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Manifest,
    Blob,
    Other,
}

/// The running proxy; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    plan: Mutex<Plan>,
    /// The rate of the line that all connections share.
    line: Mutex<Option<Arc<Pace>>>,
    asked: Mutex<Vec<Asked>>,
    open: Mutex<HashMap<u64, TcpStream>>,
    next: AtomicU64,
    closed: AtomicBool,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `upstream`.
    pub(crate) fn start(upstream: SocketAddr) -> anyhow::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            plan: Mutex::default(),
            line: Mutex::default(),
            asked: Mutex::default(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let accepting = Mutex::new(Some(accept(listener, &shared)));
        Ok(Proxy { address, shared, accepting })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Spoils every answer to requests of this kind, with each of the faults in turn, until told otherwise.
    pub(crate) fn misbehave(&self, on: On, faults: &[Fault]) {
        lock(&self.shared.plan).set(on, faults, None);
    }

    /// Spoils this many answers, then behaves again.
    pub(crate) fn misbehave_times(&self, times: u32, on: On, fault: Fault) {
        lock(&self.shared.plan).set(on, &[fault], Some(times));
    }

    /// Behaves from now on; answers that are held back or slow go on at once.
    pub(crate) fn behave(&self) {
        lock(&self.shared.plan).clear();
    }

    /// Sets the rate of the line to the mirror in bytes per second, for all connections together.
    pub(crate) fn set_rate(&self, rate: Option<u64>) {
        *lock(&self.shared.line) = rate.map(|rate| Arc::new(Pace::new(rate)));
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) fn go_away(&self) {
        if let Some(accepting) = lock(&self.accepting).take() {
            self.shared.closed.store(true, Ordering::SeqCst);
            // Wakes the accepting thread.
            let _ = TcpStream::connect(self.address);
            let _ = accepting.join();
        }
        for stream in lock(&self.shared.open).values() {
            // The other end may have gone before.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Accepts connections again, at the same address.
    pub(crate) fn come_back(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        let listener = loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) if started.elapsed() > PATIENCE => {
                    return Err(error).with_context(|| format!("cannot listen on {} again", self.address));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        };
        self.shared.closed.store(false, Ordering::SeqCst);
        *lock(&self.accepting) = Some(accept(listener, &self.shared));
        Ok(())
    }

    /// A mark for [`Proxy::since`]: what is asked from now on.
    pub(crate) fn mark(&self) -> usize {
        lock(&self.shared.asked).len()
    }

    /// What was asked since that mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Asked> {
        lock(&self.shared.asked)[mark..].to_vec()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.behave();
        self.go_away();
    }
}

impl Asked {
    fn of(head: &HttpHead) -> Asked {
        let mut words = head.start_line().split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        let kind = if target.contains("/manifests/") {
            Kind::Manifest
        } else if target.contains("/blobs/") {
            Kind::Blob
        } else {
            Kind::Other
        };
        let authorization = head.header("authorization").map(str::to_owned);
        let is_range = head.header("range").is_some();
        Asked {
            method,
            target,
            kind,
            authorization,
            is_range,
            status: 0,
            bytes: 0,
            spoiled: false,
            whole: false,
        }
    }

    /// The last part of the path: a tag or a digest.
    pub(crate) fn reference(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

/// How many of these are requests with that method for that kind.
pub(crate) fn count(asked: &[Asked], method: &str, kind: Kind) -> usize {
    asked.iter().filter(|asked| asked.method == method && asked.kind == kind).count()
}

/// The bytes of blobs in these answers.
pub(crate) fn blob_bytes(asked: &[Asked]) -> u64 {
    asked.iter().filter(|asked| asked.kind == Kind::Blob).map(|asked| asked.bytes).sum()
}

impl Shared {
    /// Writes a request down; the number is for [`Shared::note`].
    fn record(&self, asked: Asked) -> usize {
        let mut all = lock(&self.asked);
        all.push(asked);
        all.len() - 1
    }

    fn note(&self, number: usize, change: impl FnOnce(&mut Asked)) {
        change(&mut lock(&self.asked)[number]);
    }

    /// Answers what comes on one connection until either side has enough.
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut from = BufReader::with_capacity(64 * 1024, client);
        let mut upstream = Upstream::new(self.upstream);
        loop {
            let head = match message::read_head(&mut from)? {
                Head::Http(head) => head,
                Head::Closed => return Ok(()),
                Head::Foreign(_) => {
                    let mut to = client;
                    return to.write_all(
                        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nthis is plain HTTP\n",
                    );
                }
            };
            let mut body = Vec::new();
            message::copy_body(head.request_body(), &mut from, |bytes| {
                body.extend_from_slice(bytes);
                Ok(())
            })?;
            let asked = Asked::of(&head);
            let (fault, era) = lock(&self.plan).next(&asked);
            let number = self.record(asked.clone());
            let answer = Answer { shared: self, client, number, method: &asked.method, fault, era };
            answer.give(&head, &body, &mut upstream)?;
        }
    }
}

fn accept(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        for client in listener.incoming() {
            if shared.closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let number = shared.next.fetch_add(1, Ordering::Relaxed);
                let Ok(handle) = client.try_clone() else { return };
                lock(&shared.open).insert(number, handle);
                // The mirror sees what became of it, and judges. Closed, not shut down: that may be a reset.
                let _ = shared.serve(&client);
                lock(&shared.open).remove(&number);
            });
        }
    })
}

/// The lock of a value that is whole at every moment, also after a panic of another thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
