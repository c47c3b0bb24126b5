//! Blobs that are sent while they arrive, through a server.

use std::net::SocketAddr;
use std::time::Duration;

use berth_blobs::{BlobStore, Stage, StageId};
use berth_oci::{Algorithm, Digest};
use http::Request;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::*;
use crate::health::Operations;
use crate::metrics::Metrics;
use crate::server::{ConnInfo, Limits, Progress, RequestBody, Server, ServerConfig};

const LEN: usize = 3_000_000;

fn sample() -> Bytes {
    (0..LEN as u64).map(|n| (n * n % 251) as u8).collect()
}

/// A blob that arrives, and a server that answers every request with it.
struct Rig {
    _folder: tempfile::TempDir,
    stage: Stage,
    address: SocketAddr,
}

impl Rig {
    async fn new(limits: Limits) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).await.unwrap();
        let mut stage = store.stage(&StageId::random(), Algorithm::Sha256).await.unwrap();
        let following = stage.follow(Some(LEN as u64)).await.unwrap();
        let handler = move |request: Request<RequestBody>, _: ConnInfo| {
            let content = BlobBody::Growing(following.clone());
            let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
            let selection = select(range, LEN as u64);
            async move { crate::range::send(&content, LEN as u64, selection).unwrap() }
        };
        let config = ServerConfig { limits, ..ServerConfig::new(([127, 0, 0, 1], 0).into()) };
        let operations = Operations::new(Metrics::new("test"), || async { Ok(()) });
        let server = Server::bind(config, operations, handler).unwrap();
        let address = server.local_addr();
        tokio::spawn(server.serve(future::pending(), future::pending()));
        Rig { _folder: folder, stage, address }
    }

    async fn show(&mut self, bytes: Bytes) {
        self.stage.write(bytes).await.unwrap();
        self.stage.show().await.unwrap();
    }

    async fn get(&self, range: Option<&str>) -> Client {
        let mut client = Client(BufStream::new(TcpStream::connect(self.address).await.unwrap()));
        client.ask(range).await;
        client
    }
}

struct Client(BufStream<TcpStream>);

impl Client {
    async fn ask(&mut self, range: Option<&str>) {
        let range = range.map(|range| format!("Range: bytes={range}\r\n")).unwrap_or_default();
        let request = format!("GET / HTTP/1.1\r\nHost: test\r\n{range}\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Reads the head of the answer, with the names in small letters.
    async fn head(&mut self) -> Head {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).await.unwrap(), 0, "ended within the head: {head:?}");
        }
        Head(head.to_ascii_lowercase())
    }

    async fn exactly(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// What comes until the server cuts the connection, in order or not.
    async fn until_the_cut(&mut self) -> usize {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        rest.len()
    }
}

struct Head(String);

impl Head {
    fn field(&self, name: &str) -> &str {
        let (_, rest) = self.0.split_once(&format!("\r\n{name}: ")).expect(name);
        rest.split("\r\n").next().unwrap()
    }

    fn len(&self) -> usize {
        self.field("content-length").parse().unwrap()
    }
}

/// What the body of a multipart answer has to be.
fn framed(head: &Head, bytes: &Bytes, ranges: &[Range<usize>]) -> Vec<u8> {
    let boundary = head.field("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for range in ranges {
        let lines = if expected.is_empty() { "" } else { "\r\n" };
        let (first, last) = (range.start, range.end - 1);
        expected.extend_from_slice(
            format!(
                "{lines}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Range: bytes {first}-{last}/{LEN}\r\n\r\n"
            )
            .as_bytes(),
        );
        expected.extend_from_slice(&bytes[range.clone()]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    expected
}

#[tokio::test]
async fn a_blob_is_sent_while_it_arrives() {
    let (mut rig, bytes) = (Rig::new(Limits::default()).await, sample());
    let mut whole = rig.get(None).await;
    let mut middle = rig.get(Some("1000000-1999999")).await;
    let mut several = rig.get(Some("5-9,2000000-2499999,-1")).await;
    let heads = [whole.head().await, middle.head().await, several.head().await];
    assert!(heads[0].0.starts_with("http/1.1 200 "), "{}", heads[0].0);
    assert_eq!(heads[0].len(), LEN);
    assert!(heads[1].0.starts_with("http/1.1 206 "), "{}", heads[1].0);
    assert_eq!(heads[1].field("content-range"), "bytes 1000000-1999999/3000000");
    assert_eq!(heads[1].len(), 1_000_000);
    let expected = framed(&heads[2], &bytes, &[5..10, 2_000_000..2_500_000, LEN - 1..LEN]);
    assert_eq!(heads[2].len(), expected.len());

    rig.show(bytes.slice(..1_234_567)).await;
    assert_eq!(whole.exactly(1_234_567).await, bytes[..1_234_567]);
    assert_eq!(middle.exactly(234_567).await, bytes[1_000_000..1_234_567]);
    let begun = several.exactly(first_part(&expected) + 4).await;
    assert_eq!(begun, expected[..begun.len()], "the first part, but for its last byte");

    rig.show(bytes.slice(1_234_567..)).await;
    assert_eq!(whole.exactly(LEN - 1_234_567 - 1).await, bytes[1_234_567..LEN - 1]);
    assert_eq!(middle.exactly(765_432).await, bytes[1_234_567..1_999_999]);
    let _verified = rig.stage.verify(&Digest::sha256(&bytes)).await.unwrap();
    assert_eq!(whole.exactly(1).await, bytes[LEN - 1..]);
    assert_eq!(middle.exactly(1).await, bytes[1_999_999..2_000_000]);
    assert!(several.exactly(expected.len() - begun.len()).await == expected[begun.len()..]);
    // The answers ended where they said, so the connections go on.
    for client in [&mut whole, &mut middle, &mut several] {
        client.ask(Some("7-8")).await;
        assert_eq!(client.head().await.len(), 2);
        assert_eq!(client.exactly(2).await, bytes[7..9]);
    }
}

/// Where the bytes of the first part begin.
fn first_part(framed: &[u8]) -> usize {
    framed.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
}

#[tokio::test]
async fn what_is_not_the_blob_is_cut_before_its_end() {
    for is_whole in [true, false] {
        let (mut rig, bytes) = (Rig::new(Limits::default()).await, sample());
        let mut clients = Vec::new();
        for range in [None, Some("0-0"), Some("17-99"), Some("0-1,5-9"), Some("1000000-"), Some("-1")] {
            let mut client = rig.get(range).await;
            let head = client.head().await;
            clients.push((client, head.len(), range));
        }
        rig.show(bytes.slice(..LEN / 2)).await;
        if is_whole {
            rig.show(bytes.slice(LEN / 2..)).await;
            rig.stage.verify(&Digest::sha256(b"something else")).await.unwrap_err();
        } else {
            drop(rig.stage);
        }
        for (mut client, promised, range) in clients {
            let got = client.until_the_cut().await;
            assert!(got < promised, "{range:?}: {got} of {promised} bytes");
        }
    }
}

/// The limits of progress are for clients. Here each byte takes longer than a window of theirs, and none is to blame.
#[tokio::test]
async fn a_source_that_pauses_is_no_fault_of_the_client() {
    let progress = Progress { bytes: 1_000_000, window: Duration::from_millis(200) };
    let (mut rig, bytes) = (Rig::new(Limits { progress, ..Limits::default() }).await, sample());
    let mut client = rig.get(None).await;
    assert_eq!(client.head().await.len(), LEN);
    for at in 0..4 {
        tokio::time::sleep(Duration::from_millis(450)).await;
        rig.show(bytes.slice(at..at + 1)).await;
        assert_eq!(client.exactly(1).await, bytes[at..at + 1]);
    }
    rig.stage.write(bytes.slice(4..)).await.unwrap();
    let _verified = rig.stage.verify(&Digest::sha256(&bytes)).await.unwrap();
    assert!(client.exactly(LEN - 4).await == bytes[4..]);
}
