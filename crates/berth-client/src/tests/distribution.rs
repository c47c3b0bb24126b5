//! The client against the registry that most others are measured by, if it is installed: Debian's `docker-registry`.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use berth_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST};
use berth_oci::{Descriptor, Reference};
use bytes::Bytes;
use rand::{RngCore, SeedableRng};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{alice, digest, latest};
use crate::{
    Client, ClientError, ClientOptions, Content, CopyOptions, Credentials, Patience, Reach, Reference as At,
    Secret, Security, SignIn, Uploaded, copy,
};

/// `alice` and `secret`, as `htpasswd` writes it.
const HTPASSWD: &str = "alice:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";

/// A registry that ends with its test.
struct Distribution {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Distribution {
    /// Starts one with these lines below `http` and these sections, or says that there is no such program here.
    async fn start(http: &str, sections: &str) -> Option<Distribution> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let is_there = std::env::split_paths(&paths).any(|path| path.join("docker-registry").is_file());
        assert!(is_there || std::env::var_os("CI").is_none(), "docker-registry is missing");
        if !is_there {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        // Free until somebody takes it, which the next line does.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {at}/data}}\n  \
             delete: {{enabled: true}}\nhttp:\n  addr: {address}\n{}{}",
            http.replace("FOLDER", &at),
            sections.replace("FOLDER", &at)
        );
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(folder.path().join("config.yml"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let registry = Distribution { child, address, folder };
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(registry)
    }

    fn options(&self, address: SocketAddr) -> ClientOptions {
        let origin = format!("http://{address}").parse().unwrap();
        ClientOptions { reach: Reach::Private, ..ClientOptions::new(origin) }
    }

    fn client(&self) -> Client {
        Client::new(self.options(self.address)).unwrap()
    }

    fn client_of(&self, user: &str, password: &str) -> Client {
        let credentials = Some(Credentials::password(user, Secret::new(password)));
        Client::new(ClientOptions { credentials, ..self.options(self.address) }).unwrap()
    }
}

/// So many bytes that compress badly, and are the same in each run.
fn noise(length: usize, seed: u64) -> Bytes {
    let mut content = vec![0; length];
    rand::rngs::StdRng::seed_from_u64(seed).fill_bytes(&mut content);
    content.into()
}

async fn blob(client: &Client, repository: &str, media_type: &str, content: &Bytes) -> Descriptor {
    let digest = digest(content);
    client.upload(repository, &digest).send(content).await.unwrap();
    Descriptor::new(media_type, digest, content.len() as u64)
}

/// Pushes an index with one image.
async fn push(client: &Client, repository: &str) -> Descriptor {
    let config = blob(client, repository, OCI_CONFIG, &Bytes::from_static(b"{}")).await;
    let layer = blob(client, repository, OCI_LAYER_GZIP, &noise(300_000, 1)).await;
    let image = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]})
        .to_string();
    let at = Reference::Digest(digest(&image));
    let size = image.len() as u64;
    let image = client.put_manifest(repository, &at, OCI_MANIFEST, image.into()).await.unwrap();
    let image = Descriptor::new(OCI_MANIFEST, image.digest, size);
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image]}).to_string();
    let size = index.len() as u64;
    let index = client.put_manifest(repository, &latest(), OCI_INDEX, index.into()).await.unwrap();
    Descriptor::new(OCI_INDEX, index.digest, size)
}

async fn pulled(client: &Client, repository: &str, content: &Bytes) {
    let mut download = client.get_blob(repository, &digest(content)).await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = download.next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    assert_eq!(all, *content);
}

#[tokio::test]
async fn an_image_is_pushed_copied_listed_and_deleted() {
    let Some(registry) = Distribution::start("", "").await else { return };
    let client = registry.client();
    let root = push(&client, "team/app").await;
    assert_eq!(client.sign_in().await.unwrap(), SignIn { verified: false, identity_token: None });
    let head = client.head_manifest("team/app", &latest(), Patience::Long).await.unwrap();
    assert_eq!(head.digest, Some(root.digest.clone()));
    let (from, to) = (client.repository("team/app"), client.repository("prod/app"));
    let version: At = "1.0".parse().unwrap();
    let done = copy(&from, &latest(), &to, &version, &CopyOptions::default()).await.unwrap();
    assert_eq!(
        (done.digest, done.tally.mounted, done.tally.sent, done.tally.manifests),
        (root.digest.clone(), 2, 0, 2)
    );
    pulled(&client, "prod/app", &noise(300_000, 1)).await;
    let page = client.catalog(10, "").await.unwrap();
    assert_eq!((page.repositories, page.more), (vec!["prod/app".to_owned(), "team/app".to_owned()], false));
    assert_eq!(client.tags("prod/app", 10, "").await.unwrap().tags, ["1.0"]);
    client.delete("prod/app", &Reference::Digest(root.digest.clone())).await.unwrap();
    let gone = client.head_manifest("prod/app", &version, Patience::Long).await;
    assert!(matches!(gone, Err(ClientError::NotFound)), "{gone:?}");
    let again = client.delete("prod/app", &Reference::Digest(root.digest)).await;
    assert!(matches!(again, Err(ClientError::NotFound)), "{again:?}");
    assert!(matches!(client.search("app", 5).await, Err(ClientError::NotFound)));
}

#[tokio::test]
async fn what_it_refuses_is_told_in_its_words() {
    let Some(registry) = Distribution::start("", "").await else { return };
    let client = registry.client();
    let wrong = digest("it");
    let error = client.upload("a/b", &wrong).send(&Bytes::from_static(b"else")).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused { code, .. } if code == "DIGEST_INVALID"), "{error:?}");
    let config = Descriptor::new(OCI_CONFIG, digest("nowhere"), 7);
    let image = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []});
    let put = client.put_manifest("a/b", &latest(), OCI_MANIFEST, image.to_string().into()).await;
    let error = put.unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { code, .. } if code == "MANIFEST_BLOB_UNKNOWN"),
        "{error:?}"
    );
    let mounted = client.upload("a/b", &wrong).mounted_from("c/d").send(&Bytes::from_static(b"it")).await;
    assert_eq!(mounted.unwrap(), Uploaded::Sent);
}

#[tokio::test]
async fn a_password_opens_it() {
    let auth = "auth:\n  htpasswd: {realm: x, path: FOLDER/htpasswd}\n";
    let Some(registry) = Distribution::start("", auth).await else { return };
    let client = registry.client_of("alice", "secret");
    assert!(client.sign_in().await.unwrap().verified);
    push(&client, "a/b").await;
    for stranger in [registry.client_of("alice", "wrong"), registry.client()] {
        let error = stranger.sign_in().await.unwrap_err();
        assert!(matches!(error, ClientError::Unauthorized { .. }), "{error:?}");
        let content = Bytes::from_static(b"x");
        let error = stranger.upload("a/b", &digest("x")).send(&content).await.unwrap_err();
        assert!(matches!(error, ClientError::Unauthorized { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn it_is_spoken_to_with_tls() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("cert.pem"), pair.cert.pem()).unwrap();
    fs::write(at("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let path = |name: &str| Path::new(&at(name)).display().to_string();
    let tls = format!("  tls: {{certificate: {}, key: {}}}\n", path("cert.pem"), path("key.pem"));
    let Some(registry) = Distribution::start(&tls, "").await else { return };
    assert!(registry.folder.path().exists());
    let host = registry.address.to_string();
    let rest = ClientOptions {
        ca_file: Some(at("cert.pem")),
        credentials: Some(alice()),
        ..registry.options(registry.address)
    };
    let client = Client::find(&host, Security::Tls, rest).await.unwrap();
    let root = push(&client, "a/b").await;
    assert_eq!(client.get_manifest("a/b", &latest(), Patience::Long).await.unwrap().digest, root.digest);
}

/// Leads to a server, and cuts the first connections that send more than so many bytes.
async fn cutter(to: SocketAddr, cuts: &[usize]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cuts = Arc::new(Mutex::new(VecDeque::from(cuts.to_vec())));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(lead(client, to, Arc::clone(&cuts)));
        }
    });
    address
}

async fn lead(client: TcpStream, to: SocketAddr, cuts: Arc<Mutex<VecDeque<usize>>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(to).await.unwrap().into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let (mut buffer, mut sent) = (vec![0; 16 * 1024], 0);
    while let Ok(read) = from_client.read(&mut buffer).await {
        sent += read;
        let is_over = cuts.lock().unwrap().front().is_some_and(|cut| sent > *cut);
        if is_over {
            cuts.lock().unwrap().pop_front();
            back.abort();
            return;
        }
        if read == 0 || to_server.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_cut_arrives_in_the_end() {
    let Some(registry) = Distribution::start("", "").await else { return };
    let mib = 1 << 20;
    let cuts = [3 * mib, 2 * mib, 500_000];
    let address = cutter(registry.address, &cuts).await;
    let client = Client::new(registry.options(address)).unwrap();
    let content = noise(8 * mib, 7);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let digest = digest(&content);
    let upload = client.upload("a/b", &digest).watched(Arc::new(move |at| heard.lock().unwrap().push(at)));
    assert_eq!(upload.send(&content).await.unwrap(), Uploaded::Sent);
    pulled(&registry.client(), "a/b", &content).await;
    // This version forgets what was cut (404, BLOB_UPLOAD_INVALID), and each beginning is one from the first byte.
    assert_eq!(told.lock().unwrap().last(), Some(&content.size()));
}
