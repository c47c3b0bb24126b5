//! A registry of a few lines, for what no server of ours would say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) target: String,
    /// The field `authorization`; empty if there is none.
    pub(crate) authorization: String,
}

/// An answer: the status, more headers with their ends of line, and the body.
pub(crate) type Reply = (u16, String, Vec<u8>);

/// An answer with a body of JSON.
pub(crate) fn json(status: u16, body: &str) -> Reply {
    (status, "content-type: application/json\r\n".to_owned(), body.into())
}

/// The registry. Its threads end with the test.
pub(crate) struct Fake {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (seen, answer) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(answer));
        let fake = Fake { address, seen: Arc::clone(&seen) };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                // That a client goes away is no fault of the test.
                thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        fake
    }

    /// What was asked since the last time: `GET /v2/`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let seen = std::mem::take(&mut *self.seen.lock().expect("no test panicked in here"));
        seen.into_iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Reply) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        // It speaks no TLS, and says so at once as servers do.
        if reader.fill_buf().ok()?.first()? == &22 {
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").ok();
        }
        let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let first = lines.next()?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let is_it = |line: &String| line.to_ascii_lowercase().starts_with("authorization: ");
        let authorization = lines.filter(is_it).last().unwrap_or_default();
        let authorization = authorization.split_once(": ").map(|(_, value)| value.to_owned());
        let asked = Asked { method, target, authorization: authorization.unwrap_or_default() };
        let (status, headers, body) = answer(&asked);
        let head = format!("HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\n\r\n", body.len());
        let body = if asked.method == "HEAD" { Vec::new() } else { body };
        seen.lock().ok()?.push(asked);
        stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
}
