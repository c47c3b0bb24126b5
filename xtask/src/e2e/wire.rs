//! A proxy between the clients and the registry: it writes down what really was said, and cuts when it is told to.
//!
//! Clients hide a failed mount, a repeated upload and a lost connection behind a success; the wire does not.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::message::{self, Body, Head};

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    /// The `Range` header of the request.
    pub(crate) range: Option<String>,
    /// Bytes of the request's body.
    pub(crate) sent: u64,
    pub(crate) status: u16,
}

/// What a body belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Anything that a client sends.
    Upload,
    /// The answer to a GET of a blob.
    Blob,
    /// Any other answer.
    Answer,
}

/// Where a transfer is to be cut: once, in the first body of this kind that has more than `after` bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) flow: Flow,
    pub(crate) after: u64,
}

/// The running proxy; it stops accepting when it is dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    seen: Mutex<Vec<Exchange>>,
    /// Answers that began, in all.
    answers: AtomicUsize,
    cut: Mutex<Option<Cut>>,
    closed: AtomicBool,
}

/// One connection of a client and its own connection to the server.
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// Requests whose answers have not come yet.
    open: Mutex<VecDeque<Exchange>>,
    shared: Arc<Shared>,
}

impl Wire {
    /// Listens on a free loopback port and forwards to `server`.
    pub(crate) fn start(server: SocketAddr) -> io::Result<Wire> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            seen: Mutex::default(),
            answers: AtomicUsize::new(0),
            cut: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Wire { address, shared })
    }

    /// Where clients connect to; used as the registry's name.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was said since the last call.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *lock(&self.shared.seen))
    }

    /// How many answers went by since the start.
    pub(crate) fn answers(&self) -> usize {
        self.shared.answers.load(Ordering::Relaxed)
    }

    /// Cuts the next transfer that fits.
    pub(crate) fn cut(&self, cut: Cut) {
        *lock(&self.shared.cut) = Some(cut);
    }

    /// Whether the last [`Wire::cut`] has happened; forgets it if not.
    pub(crate) fn was_cut(&self) -> bool {
        lock(&self.shared.cut).take().is_none()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; if nobody listens any more it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.closed.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        // Without a server the client sees its connection closed, as it would without this proxy.
        let Ok(server) = TcpStream::connect(shared.server) else { continue };
        let link = Arc::new(Link { client, server, open: Mutex::default(), shared: Arc::clone(shared) });
        let upward = Arc::clone(&link);
        thread::spawn(move || upward.run(&upward.client, &upward.server, Link::forward_request));
        thread::spawn(move || link.run(&link.server, &link.client, Link::forward_answer));
    }
}

type Forward = fn(&Link, &mut BufReader<&TcpStream>, &mut &TcpStream) -> io::Result<bool>;

impl Link {
    /// Forwards messages until one side closes, then passes the close on.
    fn run(&self, from: &TcpStream, mut to: &TcpStream, forward: Forward) {
        let mut reader = BufReader::with_capacity(64 * 1024, from);
        while let Ok(true) = forward(self, &mut reader, &mut to) {}
        // The peer may be gone already.
        let _ = to.shutdown(Shutdown::Write);
    }

    fn forward_request(&self, from: &mut BufReader<&TcpStream>, to: &mut &TcpStream) -> io::Result<bool> {
        let head = match message::read_head(from)? {
            Head::Closed => return Ok(false),
            Head::Foreign(start) => return self.forward_raw(&start, from, to),
            Head::Http(head) => head,
        };
        let mut words = head.start_line().split(' ');
        let exchange = Exchange {
            method: words.next().unwrap_or_default().to_owned(),
            target: words.next().unwrap_or_default().to_owned(),
            range: head.header("range").map(str::to_owned),
            sent: 0,
            status: 0,
        };
        lock(&self.open).push_back(exchange);
        to.write_all(head.bytes())?;
        self.copy(head.request_body(), from, to, Flow::Upload)?;
        Ok(true)
    }

    fn forward_answer(&self, from: &mut BufReader<&TcpStream>, to: &mut &TcpStream) -> io::Result<bool> {
        let head = match message::read_head(from)? {
            Head::Closed => return Ok(false),
            Head::Foreign(start) => return self.forward_raw(&start, from, to),
            Head::Http(head) => head,
        };
        let status: u16 = head.start_line().split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        if (100..200).contains(&status) {
            to.write_all(head.bytes())?;
            return Ok(true);
        }
        let exchange = lock(&self.open).pop_front();
        let method = exchange.as_ref().map_or("", |exchange| &exchange.method).to_owned();
        let is_blob = exchange.as_ref().is_some_and(|exchange| exchange.target.contains("/blobs/"));
        if let Some(exchange) = exchange {
            // Before the client gets the answer: it must not run ahead of the record.
            lock(&self.shared.seen).push(Exchange { status, ..exchange });
            self.shared.answers.fetch_add(1, Ordering::Relaxed);
        }
        to.write_all(head.bytes())?;
        let flow = if method == "GET" && is_blob { Flow::Blob } else { Flow::Answer };
        self.copy(head.answer_body(&method, status), from, to, flow)?;
        Ok(true)
    }

    /// What is no HTTP, such as a TLS hello, goes through as it is.
    fn forward_raw(
        &self,
        start: &[u8],
        from: &mut BufReader<&TcpStream>,
        to: &mut &TcpStream,
    ) -> io::Result<bool> {
        to.write_all(start)?;
        io::copy(from, to)?;
        Ok(false)
    }

    /// Copies one body; cuts both connections in its middle when that was asked.
    fn copy(
        &self,
        body: Body,
        from: &mut BufReader<&TcpStream>,
        to: &mut &TcpStream,
        flow: Flow,
    ) -> io::Result<()> {
        let mut total = 0;
        message::copy_body(body, from, |bytes| {
            total += bytes.len() as u64;
            if flow == Flow::Upload
                && let Some(exchange) = lock(&self.open).back_mut()
            {
                // Counted before it is passed on: the answer must find the whole count.
                exchange.sent = total;
            }
            let due = lock(&self.shared.cut).take_if(|cut| cut.flow == flow && total > cut.after);
            if due.is_some() {
                // Both ends learn of it as of a cable that was pulled.
                let _ = (self.client.shutdown(Shutdown::Both), self.server.shutdown(Shutdown::Both));
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            to.write_all(bytes)
        })
    }
}

/// Bytes of blobs that were uploaded.
pub(crate) fn blob_bytes(seen: &[Exchange]) -> u64 {
    seen.iter().filter(|exchange| exchange.target.contains("/blobs/")).map(|exchange| exchange.sent).sum()
}

/// How often a method got a status at a target that contains `part`.
pub(crate) fn count(seen: &[Exchange], method: &str, part: &str, status: u16) -> usize {
    let fits = |e: &&Exchange| e.method == method && e.target.contains(part) && e.status == status;
    seen.iter().filter(fits).count()
}

/// The lock of a value that is whole at every moment, also after a panic of another thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
