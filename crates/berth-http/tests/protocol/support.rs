//! A registry on a temporary folder, requests to it, and images to push.
//!
//! [`Ask::send`] checks of every answer what must hold for all of them, so no test has to.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use berth_blobs::Options;
use berth_db::Db;
use berth_http::Api;
use berth_http::server::{Part, ResponseBody};
use berth_oci::media_type::{OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST};
use berth_oci::{Algorithm, Digest};
use berth_registry::{Authorizer, BlobStore, Meta, Policy, Registry};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A registry that goes away with the test.
pub(crate) struct Rig {
    api: Api,
    folder: TempDir,
}

impl Rig {
    pub(crate) async fn new() -> Rig {
        Rig::with(Policy::default()).await
    }

    pub(crate) async fn with(policy: Policy) -> Rig {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let api = open(folder.path(), policy).await;
        Rig { api, folder }
    }

    /// A registry whose disk is as good as full.
    pub(crate) async fn full() -> Rig {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = Options { reserve: u64::MAX };
        let blobs = BlobStore::open_with(folder.path(), options).await.expect("a blob store");
        let api = join(folder.path(), blobs, Policy::default()).await;
        Rig { api, folder }
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// The same data, after a restart.
    pub(crate) async fn restarted(self) -> Rig {
        let Rig { api, folder } = self;
        drop(api);
        let api = open(folder.path(), Policy::default()).await;
        Rig { api, folder }
    }

    /// The number of files with the bytes of blobs, finished or not.
    pub(crate) fn files(&self) -> usize {
        count_files(&self.folder.path().join("blobs")) + count_files(&self.folder.path().join("stage"))
    }

    /// Pushes a blob in one request.
    pub(crate) async fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = digest_of(content);
        let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        post(target).body(content).send(self).await.expect_status(201);
        digest
    }

    /// Pushes a manifest whose blobs are there.
    pub(crate) async fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        content: &[u8],
    ) {
        let target = format!("/v2/{repository}/manifests/{reference}");
        put(target).header("content-type", media_type).body(content).send(self).await.expect_status(201);
    }

    /// Pushes a small image with its blobs and gives its manifest.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str, seed: u64) -> Vec<u8> {
        let manifest = self.push_blobs(repository, seed).await;
        self.push_manifest(repository, tag, OCI_MANIFEST, &manifest).await;
        manifest
    }

    /// Pushes the blobs of a small image and gives its manifest.
    pub(crate) async fn push_blobs(&self, repository: &str, seed: u64) -> Vec<u8> {
        let (config, layer) = (noise(seed, 100), noise(seed + 1, 1000));
        self.push_blob(repository, &config).await;
        self.push_blob(repository, &layer).await;
        image(&config, &[&layer])
    }

    /// Opens an upload and gives its location.
    pub(crate) async fn open_upload(&self, repository: &str) -> String {
        let reply = post(format!("/v2/{repository}/blobs/uploads/")).send(self).await;
        reply.expect_status(202).header("location").to_owned()
    }
}

async fn open(folder: &Path, policy: Policy) -> Api {
    let blobs = BlobStore::open(folder).await.expect("a blob store");
    join(folder, blobs, policy).await
}

async fn join(folder: &Path, blobs: BlobStore, policy: Policy) -> Api {
    let db = Db::open_sqlite(&folder.join("berth.db")).await.expect("a database");
    let meta = Meta::open(db).await.expect("a schema");
    Api::new(Registry::new(meta, blobs, Authorizer::open(), policy))
}

fn count_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

/// A request in the making.
#[derive(Clone)]
pub(crate) struct Ask {
    method: Method,
    target: String,
    headers: HeaderMap,
    pieces: Vec<Result<Bytes, ()>>,
}

pub(crate) fn ask(method: &str, target: impl Into<String>) -> Ask {
    let method = method.parse().expect("a method");
    Ask { method, target: target.into(), headers: HeaderMap::new(), pieces: Vec::new() }
}

pub(crate) fn get(target: impl Into<String>) -> Ask {
    ask("GET", target)
}

pub(crate) fn head(target: impl Into<String>) -> Ask {
    ask("HEAD", target)
}

pub(crate) fn post(target: impl Into<String>) -> Ask {
    ask("POST", target)
}

pub(crate) fn patch(target: impl Into<String>) -> Ask {
    ask("PATCH", target)
}

pub(crate) fn put(target: impl Into<String>) -> Ask {
    ask("PUT", target)
}

pub(crate) fn delete(target: impl Into<String>) -> Ask {
    ask("DELETE", target)
}

impl Ask {
    /// Adds a header line; lines of one name add up.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Ask {
        let name: http::HeaderName = name.parse().expect("a header name");
        self.headers.append(name, value.parse().expect("a header value"));
        self
    }

    /// A body of known length.
    pub(crate) fn body(self, content: &[u8]) -> Ask {
        let length = content.len().to_string();
        self.header("content-length", &length).streamed(content)
    }

    /// A body in pieces whose length is not said: `Transfer-Encoding: chunked`.
    pub(crate) fn streamed(mut self, content: &[u8]) -> Ask {
        self.pieces.extend(content.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))));
        self
    }

    /// The connection is lost after what was sent so far.
    pub(crate) fn cut(mut self) -> Ask {
        self.pieces.push(Err(()));
        self
    }

    pub(crate) async fn send(self, rig: &Rig) -> Reply {
        let Ask { method, target, headers, pieces } = self;
        let what = format!("{method} {target}");
        let lost = |()| io::Error::from(io::ErrorKind::ConnectionReset);
        let pieces: Vec<_> = pieces.into_iter().map(|piece| piece.map_err(lost)).collect();
        let mut request =
            Request::builder().method(method.clone()).uri(&target).body(stream::iter(pieces)).expect(&what);
        *request.headers_mut() = headers;
        let reply = Reply::read(rig.api.answer(request).await, what);
        reply.check_invariants(&method, &target);
        reply
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    what: String,
}

impl Reply {
    fn read(response: Response<ResponseBody>, what: String) -> Reply {
        let (head, body) = response.into_parts();
        let body = match body {
            ResponseBody::Empty => Vec::new(),
            ResponseBody::Full(bytes) => bytes.to_vec(),
            ResponseBody::File { file, offset, len } => read_file(&file, offset, len),
            ResponseBody::Parts(parts) => parts.iter().flat_map(read_part).collect(),
            ResponseBody::Stream { .. } => panic!("{what}: nothing here is streamed"),
        };
        Reply { status: head.status.as_u16(), headers: head.headers, body, what }
    }

    #[track_caller]
    pub(crate) fn expect_status(self, status: u16) -> Reply {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{}: {:?} {body}", self.what, self.headers);
        self
    }

    /// A refusal with that status and code.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Reply {
        let reply = self.expect_status(status);
        assert_eq!(reply.json()["errors"][0]["code"], code, "{}", reply.what);
        reply
    }

    #[track_caller]
    pub(crate) fn expect_header(self, name: &str, value: &str) -> Reply {
        assert_eq!(self.header(name), value, "{}: {name}", self.what);
        self
    }

    #[track_caller]
    pub(crate) fn expect_body(self, content: &[u8]) -> Reply {
        assert!(self.body == content, "{}: another body, of {} bytes", self.what, self.body.len());
        self
    }

    /// The one value of a header field.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().unwrap_or_else(|| panic!("{}: no {name} in {:?}", self.what, self.headers));
        assert!(values.next().is_none(), "{}: {name} more than once", self.what);
        value.to_str().expect("text")
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: not JSON: {error}", self.what))
    }

    /// The target of the one link to the next page, if there is one.
    #[track_caller]
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.has("link").then(|| self.header("link"))?;
        let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        Some(target.unwrap_or_else(|| panic!("{}: {link}", self.what)).to_owned())
    }

    /// What holds for every answer of the API (the ten rules).
    fn check_invariants(&self, method: &Method, target: &str) {
        let what = &self.what;
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{what}");
        if target == "/v2" || target.starts_with("/v2/") {
            assert_eq!(self.header("docker-distribution-api-version"), "registry/2.0", "{what}");
        }
        for never in [
            "content-encoding",
            "x-registry-supports-signatures",
            "access-control-allow-origin",
            "transfer-encoding",
        ] {
            assert!(!self.has(never), "{what}: {never}");
        }
        match (method, self.status) {
            (_, 204 | 304) => assert!(self.body.is_empty() && !self.has("content-length"), "{what}"),
            (&Method::HEAD, _) => assert!(self.body.is_empty() && self.has("content-length"), "{what}"),
            _ => assert_eq!(self.header("content-length"), self.body.len().to_string(), "{what}"),
        }
        if self.has("location") {
            assert!(
                self.header("location").starts_with("/v2/") && !self.header("location").ends_with('/'),
                "{what}"
            );
        }
        if let Some(next) = self.next() {
            assert!(next.starts_with("/v2/"), "{what}: {next}");
        }
        if self.status >= 400 && method != Method::HEAD {
            self.check_error();
        }
    }

    /// Docker drops the words of an error without detail, and repeats what was refused.
    fn check_error(&self) {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.what);
        let body = self.json();
        let errors = body["errors"].as_array().expect("a list of errors");
        assert!(!errors.is_empty(), "{}", self.what);
        for error in errors {
            assert!(error["code"].as_str().is_some_and(|code| !code.is_empty()), "{}: {body}", self.what);
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{}: {body}", self.what);
            assert!(!error["detail"].is_null(), "{}: {body}", self.what);
        }
    }
}

fn read_part(part: &Part) -> Vec<u8> {
    match part {
        Part::Bytes(bytes) => bytes.to_vec(),
        Part::File { file, offset, len } => read_file(file, *offset, *len),
    }
}

fn read_file(file: &std::fs::File, offset: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(len).expect("a length in memory")];
    file.read_exact_at(&mut bytes, offset).expect("the file has the bytes");
    bytes
}

pub(crate) fn digest_of(content: &[u8]) -> String {
    Digest::sha256(content).to_string()
}

pub(crate) fn sha512_of(content: &[u8]) -> String {
    Digest::of(Algorithm::Sha512, content).to_string()
}

/// Bytes that look random and are the same each time.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest_of(content), "size": content.len() })
}

/// The manifest of an OCI image.
pub(crate) fn image(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
    let layers: Vec<_> = layers.iter().map(|layer| descriptor(OCI_LAYER_GZIP, layer)).collect();
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, config),
        "layers": layers,
    })
    .to_string()
    .into_bytes()
}

/// An OCI index of manifests.
pub(crate) fn index(manifests: &[Value]) -> Vec<u8> {
    json!({ "schemaVersion": 2, "mediaType": berth_oci::media_type::OCI_INDEX, "manifests": manifests })
        .to_string()
        .into_bytes()
}
