//! A kept-alive HTTP/1.1 connection that spends as little CPU time as it can: the load generator shares the
//! machine with the server.

use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::ops::Range;

use anyhow::{Context as _, bail, ensure};
use tokio::net::TcpStream;

use crate::head::Head;

/// Bytes read at once.
const BUFFER: usize = 512 * 1024;
/// Bytes of one chunk of a chunked request: what docker sends.
const CHUNK: usize = 32 * 1024;
/// Chunks handed to the system at once.
const CHUNKS_AT_ONCE: usize = 16;
/// Bytes of an error's body that are shown.
const SHOWN: usize = 400;

/// The body of a request, in parts that are sent one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    None,
    /// With `Content-Length`.
    Sized(&'a [&'a [u8]]),
    /// With `Transfer-Encoding: chunked`.
    Chunked(&'a [&'a [u8]]),
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: Body<'a>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'static str, path: &'a str) -> Request<'a> {
        Request { method, path, content_type: None, body: Body::None }
    }

    pub(crate) fn with_body(self, content_type: &'a str, body: Body<'a>) -> Request<'a> {
        Request { content_type: Some(content_type), body, ..self }
    }
}

/// Where requests go.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    host: String,
}

impl Target {
    /// Reads `http://HOST:PORT` and looks the host up.
    pub(crate) async fn resolve(url: &str) -> anyhow::Result<Target> {
        let host = url.strip_prefix("http://").with_context(|| format!("{url} is not http://HOST:PORT"))?;
        let host = host.trim_end_matches('/');
        ensure!(!host.contains('/'), "{url} has a path; expected http://HOST:PORT");
        let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let mut found =
            tokio::net::lookup_host(&with_port).await.with_context(|| format!("cannot look up {host}"))?;
        let address = found.next().with_context(|| format!("{host} has no address"))?;
        Ok(Target { address, host: host.to_owned() })
    }
}

/// A connection, its read buffer and its request buffer.
pub(crate) struct Connection {
    target: Target,
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
    /// What of the buffer has arrived and is not consumed.
    filled: Range<usize>,
    out: Vec<u8>,
}

impl Connection {
    /// Opens a connection.
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Connection> {
        let mut connection = Connection {
            target: target.clone(),
            stream: None,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            filled: 0..0,
            out: Vec::with_capacity(1024),
        };
        connection.connect().await?;
        Ok(connection)
    }

    /// Sends a request, expects `status`, and drops the body of the answer.
    ///
    /// Returns the head and the number of bytes in the body.
    pub(crate) async fn call(&mut self, request: Request<'_>, status: u16) -> anyhow::Result<(Head, u64)> {
        self.call_with(request, status, |_| ()).await
    }

    /// As `call`, but returns the body of the answer.
    pub(crate) async fn fetch(
        &mut self,
        request: Request<'_>,
        status: u16,
    ) -> anyhow::Result<(Head, Vec<u8>)> {
        let mut body = Vec::new();
        let (head, _) = self.call_with(request, status, |piece| body.extend_from_slice(piece)).await?;
        Ok((head, body))
    }

    /// As `call`, but hands each piece of the body to `sink`.
    pub(crate) async fn call_with(
        &mut self,
        request: Request<'_>,
        status: u16,
        mut sink: impl FnMut(&[u8]),
    ) -> anyhow::Result<(Head, u64)> {
        let exchange = async {
            let head = self.exchange(request).await?;
            if head.status != status {
                let mut body = Vec::new();
                self.read_body(request.method, &head, &mut |piece| body.extend_from_slice(piece)).await?;
                body.truncate(SHOWN);
                bail!("answered {}, not {status}: {}", head.status, String::from_utf8_lossy(&body));
            }
            let length = self.read_body(request.method, &head, &mut sink).await?;
            Ok((head, length))
        };
        let answer = exchange.await.with_context(|| format!("{} {}", request.method, request.path));
        if answer.as_ref().map_or(true, |(head, _)| head.close) {
            self.stream = None;
        }
        answer
    }

    async fn connect(&mut self) -> anyhow::Result<()> {
        let address = self.target.address;
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        self.stream = Some(stream);
        self.filled = 0..0;
        Ok(())
    }

    async fn exchange(&mut self, request: Request<'_>) -> anyhow::Result<Head> {
        if self.stream.is_none() {
            self.connect().await?;
        }
        if let Err(error) = self.send(request).await {
            // A server that refuses a body early has told the reason before it closed.
            return self.read_head().await.map_err(|_| error);
        }
        self.read_head().await
    }

    async fn send(&mut self, request: Request<'_>) -> anyhow::Result<()> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        write_head(&mut out, &self.target.host, request);
        let stream = self.stream.as_ref().context("the connection is closed")?;
        let sent = match request.body {
            Body::None => write_all(stream, &mut [IoSlice::new(&out)]).await,
            Body::Sized(parts) => {
                let mut slices: Vec<_> =
                    std::iter::once(&out[..]).chain(parts.iter().copied()).map(IoSlice::new).collect();
                write_all(stream, &mut slices).await
            }
            Body::Chunked(parts) => write_chunked(stream, &out, parts).await,
        };
        self.out = out;
        sent.context("cannot send the request")
    }

    async fn read_head(&mut self) -> anyhow::Result<Head> {
        loop {
            if !self.filled.is_empty() {
                let parsed = Head::parse(&self.buffer[self.filled.clone()])?;
                if let Some((head, length)) = parsed {
                    self.filled.start += length;
                    return Ok(head);
                }
            }
            self.fill().await?;
        }
    }

    async fn read_body(
        &mut self,
        method: &str,
        head: &Head,
        sink: &mut impl FnMut(&[u8]),
    ) -> anyhow::Result<u64> {
        if method == "HEAD" || head.status == 204 {
            return Ok(0);
        }
        if head.chunked {
            return self.read_chunked(sink).await;
        }
        let length = head.length.context("the answer has neither a length nor chunks")?;
        self.read_exactly(length, sink).await?;
        Ok(length)
    }

    async fn read_chunked(&mut self, sink: &mut impl FnMut(&[u8])) -> anyhow::Result<u64> {
        let mut total = 0;
        loop {
            let line = self.read_line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size =
                u64::from_str_radix(digits, 16).with_context(|| format!("not a chunk size: {line:?}"))?;
            self.read_exactly(size, sink).await?;
            let end = self.read_line().await?;
            ensure!(end.is_empty(), "a chunk is longer than it says");
            if size == 0 {
                return Ok(total);
            }
            total += size;
        }
    }

    async fn read_line(&mut self) -> anyhow::Result<String> {
        loop {
            let arrived = &self.buffer[self.filled.clone()];
            if let Some(end) = arrived.windows(2).position(|window| window == b"\r\n") {
                let line = String::from_utf8_lossy(&arrived[..end]).into_owned();
                self.filled.start += end + 2;
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    async fn read_exactly(&mut self, length: u64, sink: &mut impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.filled.is_empty() {
                self.fill().await?;
            }
            let piece = self.filled.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&self.buffer[self.filled.start..self.filled.start + piece]);
            self.filled.start += piece;
            left -= piece as u64;
        }
        Ok(())
    }

    /// Reads what has arrived, after what is not consumed yet.
    async fn fill(&mut self) -> anyhow::Result<()> {
        if self.filled.is_empty() {
            self.filled = 0..0;
        } else if self.filled.end == self.buffer.len() {
            ensure!(self.filled.start > 0, "a head or line is longer than {BUFFER} bytes");
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let stream = self.stream.as_ref().context("the connection is closed")?;
        loop {
            match stream.try_read(&mut self.buffer[self.filled.end..]) {
                Ok(0) => bail!("the server closed the connection before its answer was complete"),
                Ok(read) => {
                    self.filled.end += read;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => stream.readable().await?,
                Err(error) => return Err(error).context("cannot read the answer"),
            }
        }
    }
}

fn write_head(out: &mut Vec<u8>, host: &str, request: Request<'_>) {
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    put(&[request.method, " ", request.path, " HTTP/1.1\r\nHost: ", host, "\r\nUser-Agent: berth-bench\r\n"]);
    if request.method == "GET" || request.method == "HEAD" {
        put(&["Accept: ", crate::content::MANIFEST_TYPE, ", ", crate::content::INDEX_TYPE, ", */*\r\n"]);
    }
    if let Some(content_type) = request.content_type {
        put(&["Content-Type: ", content_type, "\r\n"]);
    }
    match request.body {
        Body::None if request.method == "POST" || request.method == "PUT" => put(&["Content-Length: 0\r\n"]),
        Body::None => {}
        Body::Sized(parts) => {
            let length: usize = parts.iter().map(|part| part.len()).sum();
            put(&["Content-Length: ", &length.to_string(), "\r\n"]);
        }
        Body::Chunked(_) => put(&["Transfer-Encoding: chunked\r\n"]),
    }
    put(&["\r\n"]);
}

async fn write_all(stream: &TcpStream, mut slices: &mut [IoSlice<'_>]) -> std::io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match stream.try_write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn write_chunked(stream: &TcpStream, head: &[u8], parts: &[&[u8]]) -> std::io::Result<()> {
    write_all(stream, &mut [IoSlice::new(head)]).await?;
    let chunks: Vec<&[u8]> = parts.iter().flat_map(|part| part.chunks(CHUNK)).collect();
    for group in chunks.chunks(CHUNKS_AT_ONCE) {
        let sizes: Vec<String> = group.iter().map(|chunk| format!("{:x}\r\n", chunk.len())).collect();
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(3 * group.len());
        for (size, chunk) in sizes.iter().zip(group) {
            slices.extend([size.as_bytes(), chunk, b"\r\n"].map(IoSlice::new));
        }
        write_all(stream, &mut slices).await?;
    }
    write_all(stream, &mut [IoSlice::new(b"0\r\n\r\n")]).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{Body, Connection, Request, Target};

    /// Answers each connection with `answer`, in two pieces, and returns all that was sent to it.
    async fn serve_once(answer: &'static [u8], cut: usize) -> (Target, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::resolve(&format!("http://{}", listener.local_addr().unwrap())).await.unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&answer[..cut]).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            stream.write_all(&answer[cut..]).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).await.unwrap();
            seen
        });
        (target, served)
    }

    #[tokio::test]
    async fn bodies_with_a_length_and_in_chunks_are_read_wherever_they_are_cut() {
        let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n";
        for answer in [&sized[..], chunked] {
            for cut in (1..answer.len()).step_by(7) {
                let (target, _served) = serve_once(answer, cut).await;
                let mut connection = Connection::open(&target).await.unwrap();
                let (_, body) = connection.fetch(Request::new("GET", "/"), 200).await.unwrap();
                assert_eq!(body, b"hello", "cut at {cut}");
            }
        }
    }

    #[tokio::test]
    async fn a_short_body_and_a_wrong_status_are_errors() {
        let (target, _served) = serve_once(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", 9).await;
        let mut connection = Connection::open(&target).await.unwrap();
        let error = connection.call(Request::new("GET", "/x"), 200).await.unwrap_err();
        assert!(format!("{error:#}").contains("closed the connection"), "{error:#}");

        let (target, _served) =
            serve_once(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 9).await;
        let mut connection = Connection::open(&target).await.unwrap();
        let error = connection.call(Request::new("GET", "/x"), 200).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "GET /x: answered 404, not 200: gone");
    }

    #[tokio::test]
    async fn a_request_is_framed_by_length_or_in_chunks() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        for (body, end) in [
            (Body::Sized(&[b"ab", b"c"]), "Content-Length: 3\r\n\r\nabc"),
            (
                Body::Chunked(&[b"ab", b"c"]),
                "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            ),
        ] {
            let (target, served) = serve_once(answer, 3).await;
            let mut connection = Connection::open(&target).await.unwrap();
            connection.call(Request::new("PUT", "/x").with_body("a/b", body), 201).await.unwrap();
            drop(connection);
            let seen = String::from_utf8(served.await.unwrap()).unwrap();
            assert!(seen.starts_with("PUT /x HTTP/1.1\r\nHost: 127.0.0.1:"), "{seen}");
            assert!(seen.ends_with(end), "{seen}");
        }
    }

    #[tokio::test]
    async fn a_target_is_plain_http_without_a_path() {
        assert!(Target::resolve("https://127.0.0.1:1").await.is_err());
        assert!(Target::resolve("http://127.0.0.1:1/v2/").await.is_err());
        assert_eq!(Target::resolve("http://127.0.0.1/").await.unwrap().address.port(), 80);
    }
}
