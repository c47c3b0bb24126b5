//! An engine of docker as far as copies need it: it gives the last image that it was given.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

/// What it has.
#[derive(Clone, Default)]
pub(crate) struct Engine {
    archive: Arc<Mutex<Vec<u8>>>,
}

impl Engine {
    /// Listens at a socket.
    pub(crate) fn start(socket: &Path) -> Engine {
        let (engine, listener) = (Engine::default(), UnixListener::bind(socket).expect("a socket"));
        let answering = engine.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answering.answer(&mut stream.expect("a connection"));
            }
        });
        engine
    }

    /// Listens at a socket, gives half of an image to the first who asks, and then nothing more until that one has gone.
    /// The channel tells when it has.
    pub(crate) fn start_slow(socket: &Path) -> std::sync::mpsc::Receiver<()> {
        let listener = UnixListener::bind(socket).expect("a socket");
        let (sender, receiver) = channel();
        std::thread::spawn(move || half(&listener, &sender));
        receiver
    }

    /// Gives it an image in any archive, for example one as old engines have them.
    pub(crate) fn has(&self, archive: Vec<u8>) {
        *self.archive.lock().expect("nobody panics") = archive;
    }

    fn answer(&self, stream: &mut UnixStream) {
        let (head, mut body) = read_head(stream);
        if head.starts_with("POST /images/load") {
            read_chunks(stream, &mut body);
            self.has(decoded(&body));
            give(stream, "200 OK", b"{\"stream\":\"Loaded image\"}\r\n");
        } else if head.starts_with("GET /images/get?names=") {
            let archive = self.archive.lock().expect("nobody panics").clone();
            match archive.is_empty() {
                true => give(stream, "404 Not Found", b"{\"message\":\"reference does not exist\"}"),
                false => give(stream, "200 OK", &archive),
            }
        }
    }
}

fn half(listener: &UnixListener, told: &Sender<()>) {
    let (mut stream, _) = listener.accept().expect("a connection");
    read_head(&mut stream);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf").expect("somebody reads");
    told.send(()).expect("the test waits");
    // Until the end of the connection.
    let _ = stream.read(&mut [0]);
}

fn read_head(stream: &mut UnixStream) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            let body = read.split_off(end + 4);
            return (String::from_utf8_lossy(&read).into_owned(), body);
        }
        if !more(stream, &mut read) {
            return (String::new(), Vec::new());
        }
    }
}

fn read_chunks(stream: &mut UnixStream, body: &mut Vec<u8>) {
    while !body.ends_with(b"\r\n0\r\n\r\n") && more(stream, body) {}
}

fn more(stream: &mut UnixStream, read: &mut Vec<u8>) -> bool {
    let mut piece = [0; 64 * 1024];
    let count = stream.read(&mut piece).expect("a connection");
    read.extend_from_slice(&piece[..count]);
    count > 0
}

fn decoded(mut chunks: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = chunks.windows(2).position(|end| end == b"\r\n") {
        let length = std::str::from_utf8(&chunks[..end]).expect("a length");
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 {
            break;
        }
        out.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
    out
}

fn give(stream: &mut UnixStream, status: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // Whoever does not want it any more has gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
