//! A proxy as companies have them: it tunnels to one server, by whatever name that is asked for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The proxy. It ends with the program.
pub(super) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts it before a server.
    pub(super) fn start(server: SocketAddr) -> anyhow::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                // Whoever breaks off has his reasons.
                thread::spawn(move || drop(tunnel(stream, server, &seen)));
            }
        });
        Ok(Proxy { address, asked })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The names that were asked for.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn tunnel(stream: TcpStream, server: SocketAddr, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    head.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? <= 2 {
            break;
        }
    }
    let name = first.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    let mut client = stream;
    if !first.starts_with("CONNECT ") {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect(server)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut back, mut answer) = (server.try_clone()?, client.try_clone()?);
    let answers = thread::spawn(move || std::io::copy(&mut back, &mut answer));
    std::io::copy(&mut head.by_ref(), &mut server)?;
    server.shutdown(std::net::Shutdown::Write)?;
    answers.join().map_err(|_| std::io::Error::other("the tunnel broke"))?.map(drop)
}
