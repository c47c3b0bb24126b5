//! The client against registries of a few lines, over real connections.

use std::sync::Arc;

use berth_oci::{Algorithm, Digest, Reference};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;

use crate::{Client, ClientError, ClientOptions, Credentials, ManifestHead, Patience, Reach, Secret};
use fake::{Asked, Fake, Reply};

mod astray;
mod blobs;
mod copies;
mod depot;
mod distribution;
#[path = "../../berth-egress/src/tests/fake.rs"]
mod fake;
mod lists;
mod manifests;
mod patience;
mod pushes;
mod removals;
mod replays;
mod secrets;
mod security;
mod shelf;
mod sign_in;
mod tokens;
mod uploads;

const MANIFEST: &str = "{\"schemaVersion\":2}";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
/// `alice` and `secret`, as Basic has them.
const ALICE: &str = "Basic YWxpY2U6c2VjcmV0";

/// What a client of this registry begins with.
fn options(fake: &Fake) -> ClientOptions {
    let origin = format!("http://{}", fake.address).parse().unwrap();
    ClientOptions { reach: Reach::Private, ..ClientOptions::new(origin) }
}

fn client(fake: &Fake) -> Client {
    Client::new(options(fake)).unwrap()
}

fn client_of_alice(fake: &Fake) -> Client {
    Client::new(ClientOptions { credentials: Some(alice()), ..options(fake) }).unwrap()
}

fn alice() -> Credentials {
    Credentials::password("alice", Secret::new("secret"))
}

fn latest() -> Reference {
    "latest".parse().unwrap()
}

async fn head(client: &Client) -> Result<ManifestHead, ClientError> {
    client.head_manifest("a/b", &latest(), Patience::Long).await
}

fn digest(content: impl AsRef<[u8]>) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_ref())
}

/// The manifest, whatever was asked for.
fn manifest(asked: &Asked) -> Reply {
    let digest = digest(MANIFEST).to_string();
    let headers = [("content-type", OCI), ("docker-content-digest", &digest)];
    let length = MANIFEST.len().to_string();
    match asked.method.as_str() {
        "HEAD" => Reply::new(200, &[headers[0], headers[1], ("content-length", &length)], ""),
        _ => Reply::new(200, &headers, MANIFEST),
    }
}

fn challenge(text: &str) -> Reply {
    Reply::new(401, &[("www-authenticate", text)], "")
}

fn authorization(asked: &Asked) -> &str {
    asked.headers.get("authorization").map_or("", String::as_str)
}

/// What was asked: the request, and with which authorization.
fn seen(fake: &Fake) -> Vec<String> {
    let line = |asked: Asked| format!("{} {} {}", asked.method, asked.target, authorization(&asked));
    fake.take().into_iter().map(|asked| line(asked).trim_end().to_owned()).collect()
}

/// A registry behind TLS, and the options of a client that believes its certificate.
async fn secure(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Fake, ClientOptions, TempDir) {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    let fake = Fake::at("127.0.0.1:0", Some(config), answer).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pair.cert.pem()).unwrap();
    let origin = format!("https://{}", fake.address).parse().unwrap();
    let options = ClientOptions { reach: Reach::Private, ca_file: Some(file), ..ClientOptions::new(origin) };
    (fake, options, folder)
}

/// Whoever asks may do so in a task of its own, or of many.
#[tokio::test]
async fn what_is_asked_can_wait_on_any_thread() {
    fn anywhere<T: Send>(it: T) -> T {
        it
    }
    let fake = Fake::start(manifest).await;
    let client = client(&fake);
    let (at, digest) = (latest(), digest(MANIFEST));
    anywhere(client.head_manifest("a/b", &at, Patience::Long)).await.unwrap();
    anywhere(client.get_manifest("a/b", &at, Patience::Long)).await.unwrap();
    anywhere(client.referrers("a/b", &digest)).await.unwrap();
    anywhere(client.head_blob("a/b", &digest, Patience::Long)).await.unwrap();
    let mut blob = anywhere(client.get_blob("a/b", &digest)).await.unwrap();
    anywhere(blob.next()).await.unwrap();
    anywhere(client.tags("a/b", 1, "")).await.unwrap();
}
