//! TLS with HTTP/1.1 and HTTP/2, and certificates that change while the server runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use berth_blobs::{BlobStore, StageId};
use berth_http::server::{ConnInfo, PieceError, RequestBody, ResponseBody, Server, ServerConfig, TlsConfig};
use berth_oci::{Algorithm, Digest};
use futures_util::{StreamExt, TryStreamExt};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{config, file, file_handler, hello, pattern, start};

/// Writes a new pair and returns its certificate.
fn write_pair(folder: &Path) -> CertificateDer<'static> {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
    std::fs::write(folder.join("cert.pem"), pair.cert.pem()).expect("written");
    std::fs::write(folder.join("key.pem"), pair.signing_key.serialize_pem()).expect("written");
    pair.cert.der().clone()
}

fn tls_config(folder: &Path) -> ServerConfig {
    let reload_interval = Duration::from_millis(50);
    let tls =
        TlsConfig { reload_interval, ..TlsConfig::new(folder.join("cert.pem"), folder.join("key.pem")) };
    ServerConfig { tls: Some(tls), ..config() }
}

async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(client)).connect(name, stream).await
}

type Sender = Box<dyn FnMut(Request<Full<bytes::Bytes>>) -> Pending + Send>;
type Pending = std::pin::Pin<Box<dyn Future<Output = hyper::Result<Response<hyper::body::Incoming>>> + Send>>;

async fn client(address: SocketAddr, trusted: &CertificateDer<'static>, version: Version) -> Sender {
    let protocol: &[u8] = if version == Version::HTTP_2 { b"h2" } else { b"http/1.1" };
    let stream = connect(address, trusted, protocol).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    let io = TokioIo::new(stream);
    if version == Version::HTTP_2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
        tokio::spawn(connection);
        Box::new(move |request| Box::pin(sender.send_request(request)))
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1");
        tokio::spawn(connection);
        Box::new(move |request| Box::pin(sender.send_request(request)))
    }
}

fn get(path: &str) -> Request<Full<bytes::Bytes>> {
    Request::get(format!("https://localhost{path}"))
        .header("host", "localhost")
        .body(Full::default())
        .expect("a request")
}

#[tokio::test]
async fn files_arrive_byte_for_byte_over_both_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = write_pair(folder.path());
    let content = pattern(5_000_003, 1);
    let server = start(tls_config(folder.path()), file_handler(file(&content)));
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut send = client(server.address, &trusted, version).await;
        for (offset, len) in [(0, 5_000_003), (3, 40_000), (1, 4_999_999), (9, 5), (9, 0)] {
            let response = send(get(&format!("/{offset}/{len}"))).await.expect("a response");
            assert_eq!(response.version(), version);
            let body = response.into_body().collect().await.expect("the body").to_bytes();
            assert!(body == content[offset..offset + len], "{version:?} {offset}+{len}");
        }
    }
}

#[tokio::test]
async fn a_file_shorter_than_promised_is_an_error_over_both_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = write_pair(folder.path());
    let server = start(tls_config(folder.path()), file_handler(file(&pattern(1_000_000, 2))));
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut send = client(server.address, &trusted, version).await;
        let response = send(get("/0/1000001")).await.expect("a header");
        assert!(response.into_body().collect().await.is_err(), "{version:?}");
    }
}

#[tokio::test]
async fn a_blob_that_arrives_is_whole_or_cut_over_both_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = write_pair(folder.path());
    let store = BlobStore::open(&folder.path().join("store")).await.expect("a store");
    let content = bytes::Bytes::from(pattern(1_000_000, 4));
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for is_right in [true, false] {
            let mut stage = store.stage(&StageId::random(), Algorithm::Sha256).await.expect("a stage");
            let following = stage.follow(Some(1_000_000)).await.expect("a file");
            let handler = move |_: Request<RequestBody>, _: ConnInfo| {
                let pieces = following.read(0..1_000_000).map_err(PieceError::from);
                async move { Response::new(ResponseBody::stream(Some(1_000_000), pieces)) }
            };
            let server = start(tls_config(folder.path()), handler);
            let mut send = client(server.address, &trusted, version).await;
            let mut body = send(get("/")).await.expect("a header").into_body();
            stage.write(content.clone()).await.expect("taken");
            stage.show().await.expect("shown");
            let mut received = Vec::new();
            while received.len() < 999_999 {
                let frame = body.frame().await.expect("not the end").expect("no error");
                received.extend_from_slice(frame.data_ref().expect("no trailers"));
            }
            let named = if is_right { &content[..] } else { b"something else" };
            assert_eq!(stage.verify(&Digest::sha256(named)).await.is_ok(), is_right);
            match body.collect().await {
                Ok(rest) if is_right => received.extend_from_slice(&rest.to_bytes()),
                Err(_) if !is_right => received.push(content[999_999]),
                other => panic!("{version:?}, right: {is_right}, {other:?}"),
            }
            assert!(received == content, "{version:?}, right: {is_right}");
        }
    }
}

#[tokio::test]
async fn uploads_arrive_whole_over_both_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = write_pair(folder.path());
    let handler = |mut request: Request<RequestBody>, connection: ConnInfo| async move {
        assert!(connection.is_tls && !connection.sends_files);
        let mut received = Vec::new();
        while let Some(piece) = request.body_mut().next().await {
            received.extend_from_slice(&piece.expect("a piece"));
        }
        Response::new(ResponseBody::from(received))
    };
    let server = start(tls_config(folder.path()), handler);
    let content = pattern(5_000_000, 3);
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut send = client(server.address, &trusted, version).await;
        let request = get("/").map(|_| Full::from(content.clone()));
        let response = send(request).await.expect("a response");
        assert!(response.into_body().collect().await.expect("the body").to_bytes() == content);
    }
}

#[tokio::test]
async fn http_2_is_finished_in_order_at_shutdown() {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = write_pair(folder.path());
    let handler = |_: Request<RequestBody>, _: ConnInfo| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Response::new(ResponseBody::from("done"))
    };
    let mut server = start(tls_config(folder.path()), handler);
    let mut send = client(server.address, &trusted, Version::HTTP_2).await;
    let response = tokio::spawn(send(get("/")));
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.shut_down();
    let response = response.await.expect("no panic").expect("a response");
    assert_eq!(response.into_body().collect().await.expect("the body").to_bytes(), "done");
    tokio::time::timeout(Duration::from_secs(5), server.ended()).await.expect("the server ends");
}

#[tokio::test]
async fn a_plain_request_on_the_tls_port_gets_a_readable_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    write_pair(folder.path());
    let server = start(tls_config(folder.path()), hello);
    let mut client = server.connect().await;
    client.send("GET /v2/ HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let answer = String::from_utf8(client.rest().await.expect("no reset")).expect("text");
    assert!(answer.starts_with("HTTP/1.0 400 ") && answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = write_pair(folder.path());
    let server = start(tls_config(folder.path()), hello);
    assert!(connect(server.address, &first, b"h2").await.is_ok());

    let second = write_pair(folder.path());
    let mut tries = 0;
    while connect(server.address, &second, b"h2").await.is_err() {
        tries += 1;
        assert!(tries < 200, "the new certificate is not taken up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(connect(server.address, &first, b"h2").await.is_err());

    // A key that belongs to no certificate, and then no certificate at all.
    let stranger = rcgen::KeyPair::generate().expect("a key");
    std::fs::write(folder.path().join("key.pem"), stranger.serialize_pem()).expect("written");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(connect(server.address, &second, b"h2").await.is_ok());
    std::fs::remove_file(folder.path().join("cert.pem")).expect("removed");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(connect(server.address, &second, b"h2").await.is_ok());
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    write_pair(folder.path());
    let stranger = rcgen::KeyPair::generate().expect("a key");
    std::fs::write(folder.path().join("key.pem"), stranger.serialize_pem()).expect("written");
    let metrics = berth_http::metrics::Metrics::new("test");
    let operations = berth_http::health::Operations::new(metrics, || async { Ok(()) });
    assert!(Server::bind(tls_config(folder.path()), operations, hello).is_err());
}
