//! A server in this process, and the least of a client.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use berth_http::health::Operations;
use berth_http::metrics::Metrics;
use berth_http::server::{ConnInfo, Handler, RequestBody, ResponseBody, Server, ServerConfig};
use http::{Request, Response};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running server; dropping it without [`Running::stop`] is fine in a test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) operations: Operations,
    shutdown: Option<oneshot::Sender<()>>,
    hurry: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig::new(([127, 0, 0, 1], 0).into())
}

pub(crate) fn start<H: Handler>(config: ServerConfig, handler: H) -> Running {
    let operations = Operations::new(Metrics::new("test"), || async { Ok(()) });
    let server = Server::bind(config, operations.clone(), handler).expect("the server starts");
    let address = server.local_addr();
    let (shutdown, shut) = oneshot::channel::<()>();
    let (hurry, hurried) = oneshot::channel::<()>();
    // A dropped sender must not look like a signal.
    let wait = |signal: oneshot::Receiver<()>| async move {
        if signal.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let task = tokio::spawn(server.serve(wait(shut), wait(hurried)));
    Running { address, operations, shutdown: Some(shutdown), hurry: Some(hurry), task }
}

impl Running {
    pub(crate) fn shut_down(&mut self) {
        let _ = self.shutdown.take().expect("only once").send(());
    }

    pub(crate) fn hurry(&mut self) {
        let _ = self.hurry.take().expect("only once").send(());
    }

    pub(crate) async fn ended(self) {
        self.task.await.expect("the server ends in order");
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(BufStream::new(TcpStream::connect(self.address).await.expect("connected")))
    }
}

/// A raw HTTP/1 client.
pub(crate) struct Client(pub(crate) BufStream<TcpStream>);

/// A response as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|h| h.1)
    }
}

impl Client {
    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.expect("sent");
        self.0.flush().await.expect("sent");
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        self.reply().await
    }

    pub(crate) async fn head(&mut self) -> Reply {
        let mut head = String::new();
        loop {
            let before = head.len();
            self.0.read_line(&mut head).await.expect("a header line");
            assert!(head.len() > before, "the connection ended within a header: {head:?}");
            if head[before..].trim_end().is_empty() {
                break;
            }
        }
        let status = head[9..12].parse().expect("a status");
        Reply { status, head, body: Vec::new() }
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        match reply.header("content-length") {
            Some(len) => {
                reply.body = vec![0; len.parse().expect("a length")];
                self.0.read_exact(&mut reply.body).await.expect("the whole body");
            }
            None => reply.body = self.rest().await.expect("the body until the end"),
        }
        reply
    }

    /// Everything until the server ends the connection.
    pub(crate) async fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        let reading = self.0.read_to_end(&mut rest);
        tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .expect("the server ends the connection")?;
        Ok(rest)
    }
}

/// Bytes that differ from their neighbours and from the same place in other files.
pub(crate) fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub(crate) fn file(content: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(content).expect("written");
    Arc::new(file)
}

/// Answers `/OFFSET/LEN` with that piece of a file.
pub(crate) fn file_handler(file: Arc<File>) -> impl Handler {
    move |request: Request<RequestBody>, _connection: ConnInfo| {
        let file = Arc::clone(&file);
        let mut numbers = request.uri().path()[1..].split('/').map(|n| n.parse::<u64>().expect("a number"));
        let (offset, len) = (numbers.next().expect("an offset"), numbers.next().expect("a length"));
        async move { Response::new(ResponseBody::File { file, offset, len }) }
    }
}

/// Answers everything with a few words.
pub(crate) async fn hello(_request: Request<RequestBody>, _connection: ConnInfo) -> Response<ResponseBody> {
    Response::new(ResponseBody::from("hello"))
}
