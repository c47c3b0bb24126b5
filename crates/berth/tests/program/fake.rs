//! A server that answers as it is told, one thread for each connection, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

/// What is answered. Of a HEAD the body is only counted.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The running server; its threads end with the test.
pub(crate) struct Fake {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Asked {
    /// A header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn read(from: &mut impl BufRead) -> Option<Asked> {
        let mut lines = from.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let first = lines.next()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        });
        let headers: BTreeMap<_, _> = headers.collect();
        let mut words = first.split(' ').map(str::to_owned);
        let asked = Asked { method: words.next()?, target: words.next()?, headers };
        asked.skip_body(from);
        Some(asked)
    }

    /// Nobody here reads bodies.
    fn skip_body(&self, from: &mut impl BufRead) {
        let length = self.header("content-length").parse().unwrap_or_default();
        std::io::copy(&mut from.take(length), &mut std::io::sink()).expect("a body");
        assert_eq!(self.header("transfer-encoding"), "", "a body has a length");
    }
}

impl Reply {
    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Reply { status, headers: headers.collect(), body: body.into() }
    }

    /// An answer with a body of JSON.
    pub(crate) fn json(status: u16, body: &str) -> Reply {
        Reply::new(status, &[("content-type", "application/json")], body)
    }

    /// An error as the distribution API has them.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}","detail":{{}}}}]}}"#);
        Reply::json(status, &body)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn write(&self, method: &str, to: &mut impl Write) -> std::io::Result<()> {
        write!(to, "HTTP/1.1 {} -\r\ncontent-length: {}\r\n", self.status, self.body.len())?;
        self.headers.iter().try_for_each(|(name, value)| write!(to, "{name}: {value}\r\n"))?;
        to.write_all(b"\r\n")?;
        to.write_all(if method == "HEAD" { &[] } else { &self.body })
    }
}

impl Fake {
    /// A server on a free loopback port.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
        Fake::at("127.0.0.1:0", answer)
    }

    /// A server at an address.
    pub(crate) fn at(address: &str, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::default());
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || serve(&client, &seen, &*answer));
            }
        });
        Fake { address, asked }
    }

    /// What was asked since the last time: `GET /v2/`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().expect("no test panics here"));
        asked.into_iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panics here").clone()
    }
}

fn serve(client: &TcpStream, seen: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Reply) {
    let mut from = BufReader::new(client);
    let mut to = client;
    // It speaks no TLS, and says so at once as servers do.
    if from.fill_buf().ok().and_then(|begun| begun.first()) == Some(&22) {
        let refused = to.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        return refused.unwrap_or_default();
    }
    while let Some(asked) = Asked::read(&mut from) {
        seen.lock().expect("no test panics here").push(asked.clone());
        if answer(&asked).write(&asked.method, &mut to).is_err() {
            return;
        }
    }
}
