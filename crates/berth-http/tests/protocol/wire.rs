//! The handler and the transport together, over a socket: what only shows in the bytes of HTTP.

use std::time::Duration;

use berth_http::health::Operations;
use berth_http::metrics::Metrics;
use berth_http::server::{Server, ServerConfig};
use berth_oci::media_type::OCI_MANIFEST;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use crate::support::{Rig, digest_of, noise};

/// A connection to a server for the registry of `rig`, which ends with the test.
async fn connect(rig: &Rig, metrics: &Metrics) -> BufStream<TcpStream> {
    let operations = Operations::new(metrics.clone(), || async { Ok(()) });
    let config = ServerConfig::new(([127, 0, 0, 1], 0).into());
    let api = rig.api().clone().counted(metrics);
    let server = Server::bind(config, operations, api).expect("the server starts");
    let address = server.local_addr();
    tokio::spawn(server.serve(std::future::pending(), std::future::pending()));
    BufStream::new(TcpStream::connect(address).await.expect("a connection"))
}

async fn send(connection: &mut BufStream<TcpStream>, bytes: impl AsRef<[u8]>) {
    connection.write_all(bytes.as_ref()).await.expect("the server reads");
    connection.flush().await.expect("the server reads");
}

/// The status line and the header fields, in lower case.
async fn header(connection: &mut BufStream<TcpStream>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.expect("a line");
        match line.trim_end() {
            "" => return lines,
            line => lines.push(line.to_ascii_lowercase()),
        }
    }
}

/// Waits until so many uploads are shown.
async fn uploads(metrics: &Metrics, count: i64) {
    let shown = async {
        while metrics.uploads_active().get() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), shown).await.expect("the metric follows");
}

#[track_caller]
fn expect(header: &[String], lines: &[&str]) {
    for line in lines {
        assert!(header.iter().any(|found| found == line), "no {line:?} in {header:#?}");
    }
}

#[tokio::test]
async fn answers_without_a_body_keep_the_connection_in_step() {
    let rig = Rig::new().await;
    let manifest = rig.push_image("a", "1", 1).await;
    let layer = rig.push_blob("a", &noise(7, 300_000)).await;
    let metrics = Metrics::new("test");
    let mut connection = connect(&rig, &metrics).await;
    let length = format!("content-length: {}", manifest.len());
    let digest = format!("docker-content-digest: {}", digest_of(&manifest));

    for _ in 0..2 {
        send(&mut connection, "HEAD /v2/a/manifests/1 HTTP/1.1\r\nHost: r\r\n\r\n").await;
        expect(&header(&mut connection).await, &["http/1.1 200 ok", &length, &digest]);
    }
    send(&mut connection, format!("HEAD /v2/a/blobs/{layer} HTTP/1.1\r\nHost: r\r\n\r\n")).await;
    expect(&header(&mut connection).await, &["http/1.1 200 ok", "content-length: 300000"]);
    send(&mut connection, "HEAD /v2/a/manifests/none HTTP/1.1\r\nHost: r\r\n\r\n").await;
    expect(&header(&mut connection).await, &["http/1.1 404 not found"]);

    let known = format!(
        "GET /v2/a/manifests/1 HTTP/1.1\r\nHost: r\r\nIf-None-Match: \"{}\"\r\n\r\n",
        digest_of(&manifest)
    );
    send(&mut connection, known).await;
    expect(&header(&mut connection).await, &["http/1.1 304 not modified"]);

    send(&mut connection, "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n").await;
    let opened = header(&mut connection).await;
    expect(&opened, &["http/1.1 202 accepted", "content-length: 0", "range: 0-0"]);
    let location = opened.iter().find_map(|line| line.strip_prefix("location: ")).expect("a location");
    send(&mut connection, format!("GET {location} HTTP/1.1\r\nHost: r\r\n\r\n")).await;
    expect(&header(&mut connection).await, &["http/1.1 204 no content", "range: 0-0"]);
    send(&mut connection, format!("DELETE {location} HTTP/1.1\r\nHost: r\r\n\r\n")).await;
    expect(&header(&mut connection).await, &["http/1.1 204 no content"]);

    // The connection is still in step.
    send(&mut connection, "GET /v2/a/manifests/1 HTTP/1.1\r\nHost: r\r\n\r\n").await;
    expect(&header(&mut connection).await, &["http/1.1 200 ok", &length]);
    let mut body = vec![0; manifest.len()];
    connection.read_exact(&mut body).await.expect("the body");
    assert_eq!(body, manifest);
}

#[tokio::test]
async fn a_blob_of_unknown_length_comes_in_and_parts_of_it_go_out() {
    let rig = Rig::new().await;
    let content = noise(3, 400_000);
    let digest = digest_of(&content);
    let at = rig.open_upload("a").await;
    let metrics = Metrics::new("test");
    let mut connection = connect(&rig, &metrics).await;
    send(&mut connection, format!("PATCH {at} HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n"))
        .await;
    for (n, piece) in content.chunks(33_333).enumerate() {
        if n == 1 {
            uploads(&metrics, 1).await;
        }
        send(&mut connection, format!("{:x}\r\n", piece.len())).await;
        send(&mut connection, piece).await;
        send(&mut connection, "\r\n").await;
    }
    send(&mut connection, "0\r\n\r\n").await;
    expect(&header(&mut connection).await, &["http/1.1 202 accepted", "range: 0-399999"]);
    uploads(&metrics, 0).await;
    let close = format!("PUT {at}?digest={digest} HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n");
    send(&mut connection, close).await;
    expect(
        &header(&mut connection).await,
        &["http/1.1 201 created", &format!("docker-content-digest: {digest}")],
    );

    let part = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\nRange: bytes=100000-299999\r\n\r\n");
    send(&mut connection, part).await;
    let place = "content-range: bytes 100000-299999/400000";
    expect(
        &header(&mut connection).await,
        &["http/1.1 206 partial content", "content-length: 200000", place],
    );
    let mut body = vec![0; 200_000];
    connection.read_exact(&mut body).await.expect("the body");
    assert!(body == content[100_000..300_000], "other bytes");

    let parts =
        format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\nRange: bytes=0-9,399990-399999\r\n\r\n");
    send(&mut connection, parts).await;
    let head = header(&mut connection).await;
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    connection.read_exact(&mut body).await.expect("the body");
    for range in [&content[..10], &content[399_990..]] {
        assert!(body.windows(10).any(|window| window == range), "a part is missing");
    }
}

/// With `Expect: 100-continue` a client learns that it need not send at all.
#[tokio::test]
async fn a_manifest_that_is_too_large_is_refused_before_it_is_sent() {
    let rig = Rig::new().await;
    let metrics = Metrics::new("test");
    let mut connection = connect(&rig, &metrics).await;
    let head = format!(
        "PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: r\r\nContent-Type: {OCI_MANIFEST}\r\n\
         Content-Length: 4194305\r\nExpect: 100-continue\r\n\r\n"
    );
    send(&mut connection, head).await;
    let refused = header(&mut connection).await;
    expect(
        &refused,
        &["http/1.1 413 payload too large", "content-type: application/json", "connection: close"],
    );
}
