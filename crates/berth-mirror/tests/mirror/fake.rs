//! An upstream of a few lines: images that a test gives it, and the faults that it is told to have.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use berth_oci::Digest;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

type Body = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send>>>;

/// What an upstream does with a request that it would else answer well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status and nothing else.
    Status(u16),
    /// A blob breaks off after so many bytes; the rest can be asked for.
    CutAfter(usize),
    /// One byte of a blob is another.
    WrongByte,
    /// A blob has one byte more than its manifest says, and its length says so too.
    Longer,
    /// A page instead of what was asked for.
    Page,
    /// `Docker-Content-Digest` is that of something else.
    LyingDigest,
    /// Who gives no name and password is asked for them.
    SignIn,
    /// What is left of the pulls.
    Budget(u64),
}

/// The state of an upstream.
#[derive(Default)]
pub(crate) struct State {
    /// By `repository/manifests/reference` and `repository/blobs/digest`: type and content.
    pub(crate) content: HashMap<String, (String, Bytes)>,
    pub(crate) fault: Option<Fault>,
    /// The last `Via`.
    pub(crate) via: Option<String>,
    /// Method, path with query, credentials if there were some.
    pub(crate) seen: Vec<String>,
}

/// A running upstream.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Blobs wait after their first half until this is true.
    gate: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

impl Fake {
    pub(crate) async fn start() -> Fake {
        Fake::at("127.0.0.1:0".parse().unwrap()).await
    }

    async fn at(address: SocketAddr) -> Fake {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, gate) = (Arc::new(Mutex::new(State::default())), watch::Sender::new(true));
        let server = tokio::spawn(serve(listener, Arc::clone(&state), gate.clone()));
        Fake { address, state, gate, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn fault(&self, fault: impl Into<Option<Fault>>) {
        self.state().fault = fault.into();
    }

    /// Blobs stop in their middle, until [`Fake::open`].
    pub(crate) fn close(&self) {
        self.gate.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.gate.send_replace(true);
    }

    /// Refuses connections from now on.
    pub(crate) async fn away(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }

    /// What it was asked since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state().seen)
    }

    /// How often it was asked something with this in it since the last look.
    pub(crate) fn asked(&self, what: &str) -> usize {
        self.state().seen.iter().filter(|line| line.contains(what)).count()
    }

    /// Puts an image there: a configuration and layers. Gives the digests of manifest and layers.
    pub(crate) fn put_image(&self, repository: &str, tag: &str, layers: &[Bytes]) -> Image {
        let blob = |content: &Bytes| {
            let digest = Digest::sha256(content);
            let key = format!("{repository}/blobs/{digest}");
            self.state().content.insert(key, ("application/octet-stream".into(), content.clone()));
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{}}}"#,
                content.len()
            )
        };
        let config = Bytes::from(format!("{{\"tag\":\"{tag}\",\"layers\":{}}}", layers.len()));
        let described: Vec<_> = layers.iter().map(blob).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
            blob(&config),
            described.join(",")
        );
        let digest = self.put_manifest(repository, tag, OCI_MANIFEST, &manifest.into());
        let layers = layers.iter().map(|layer| Digest::sha256(layer)).collect();
        Image { digest, config: Digest::sha256(&config), layers }
    }

    /// Puts a manifest there, under its digest and a tag.
    pub(crate) fn put_manifest(&self, repository: &str, tag: &str, kind: &str, content: &Bytes) -> Digest {
        let digest = Digest::sha256(content);
        for reference in [tag, &digest.to_string()] {
            let key = format!("{repository}/manifests/{reference}");
            self.state().content.insert(key, (kind.to_owned(), content.clone()));
        }
        digest
    }
}

/// An image of an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) digest: Digest,
    pub(crate) config: Digest,
    pub(crate) layers: Vec<Digest>,
}

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Bytes that are the same for the same seed and packed by nobody.
pub(crate) fn bytes(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect::<Vec<_>>().into()
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, gate: watch::Sender<bool>) {
    // Connections end with the server: they are tasks of this set.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (state, gate) = (Arc::clone(&state), gate.subscribe());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &mut state.lock().unwrap(), gate.clone());
                async move { Ok::<_, Infallible>(answer) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(
    request: &Request<hyper::body::Incoming>,
    state: &mut State,
    gate: watch::Receiver<bool>,
) -> Response<Body> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let credentials = header("authorization").unwrap_or_default();
    state.seen.push(format!("{} {} {credentials}", request.method(), request.uri()).trim().to_owned());
    state.via = header("via");
    let fault = state.fault;
    if let Some(Fault::Status(status)) = fault {
        return Response::builder().status(status).body(body(Vec::new())).unwrap();
    }
    if fault == Some(Fault::SignIn) && credentials.is_empty() {
        let challenge = "Basic realm=\"fake\"";
        return Response::builder()
            .status(401)
            .header("www-authenticate", challenge)
            .body(body(Vec::new()))
            .unwrap();
    }
    if fault == Some(Fault::Page) {
        let page = Bytes::from_static(b"<html>Sign in to the network</html>");
        let builder =
            Response::builder().header("content-type", "text/html").header("content-length", page.len());
        return builder.body(body(vec![Ok(page)])).unwrap();
    }
    let key = request.uri().path().trim_start_matches("/v2/");
    let Some((kind, content)) = state.content.get(key).cloned() else {
        return Response::builder().status(404).body(body(Vec::new())).unwrap();
    };
    let is_blob = key.contains("/blobs/");
    let mut content = content;
    if is_blob && fault == Some(Fault::WrongByte) {
        let mut bent = content.to_vec();
        let middle = bent.len() / 2;
        bent[middle] ^= 1;
        content = bent.into();
    }
    if is_blob && fault == Some(Fault::Longer) {
        content = [content, Bytes::from_static(b"x")].concat().into();
    }
    let from =
        header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from: usize = from.unwrap_or(0);
    let (total, part) = (content.len(), content.slice(from..));
    let mut builder = Response::builder().header("content-type", kind).header("content-length", part.len());
    if from > 0 {
        builder = builder.status(206).header("content-range", format!("bytes {from}-{}/{total}", total - 1));
    }
    if !is_blob {
        let digest = match fault {
            Some(Fault::LyingDigest) => Digest::sha256(b"something else"),
            _ => Digest::sha256(&content),
        };
        builder = builder.header("docker-content-digest", digest.to_string());
    }
    if let Some(Fault::Budget(left)) = fault {
        builder = builder
            .header("ratelimit-limit", "100;w=21600")
            .header("ratelimit-remaining", format!("{left};w=21600"));
    }
    if request.method() == "HEAD" {
        return builder.body(body(Vec::new())).unwrap();
    }
    match fault {
        Some(Fault::CutAfter(n)) if is_blob && part.len() > n => {
            let cut = async {
                // What came before shall be on its way.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            };
            let pieces = stream::iter([Ok(Frame::data(part.slice(..n)))]).chain(stream::once(cut));
            builder.body(StreamBody::new(pieces.boxed())).unwrap()
        }
        _ if is_blob => builder.body(halves(&part, gate)).unwrap(),
        _ => builder.body(body(vec![Ok(part)])).unwrap(),
    }
}

fn body(pieces: Vec<Result<Bytes, std::io::Error>>) -> Body {
    StreamBody::new(stream::iter(pieces).map(|piece| piece.map(Frame::data)).boxed())
}

/// The first half at once, the second when the gate is open.
fn halves(content: &Bytes, mut gate: watch::Receiver<bool>) -> Body {
    let middle = content.len() / 2;
    let (first, second) = (content.slice(..middle), content.slice(middle..));
    let second = stream::once(async move {
        tokio::time::timeout(Duration::from_secs(20), gate.wait_for(|is_open| *is_open))
            .await
            .unwrap()
            .unwrap();
        Ok(Frame::data(second))
    });
    StreamBody::new(stream::iter([Ok(Frame::data(first))]).chain(second).boxed())
}
