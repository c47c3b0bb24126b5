//! What one client may take: time, header bytes, connections.

use std::time::{Duration, Instant};

use berth_http::server::{ConnInfo, Limits, Progress, RequestBody, ResponseBody, ServerConfig};
use futures_util::StreamExt;
use http::{Request, Response};

use crate::support::{config, file, file_handler, hello, start};

fn limited(limits: Limits) -> ServerConfig {
    ServerConfig { limits, ..config() }
}

#[tokio::test]
async fn a_header_that_drips_is_cut_and_a_whole_one_in_time_is_not() {
    let limits = Limits { header_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = start(limited(limits), hello);
    let mut honest = server.connect().await;
    let mut silent = server.connect().await;
    let mut dripping = server.connect().await;
    assert_eq!(honest.get("/").await.status, 200);
    let began = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nHost: a-long-host-name-that-takes-its-time\r\n\r\n" {
        if tokio::io::AsyncWriteExt::write_all(dripping.0.get_mut(), &[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(dripping.rest().await.unwrap_or_default(), b"");
    assert_eq!(silent.rest().await.unwrap_or_default(), b"");
    assert!(began.elapsed() > Duration::from_millis(300));
    // Idle between requests is not the same as late.
    assert_eq!(honest.get("/").await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
    let server = start(limited(limits), hello);
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    let began = Instant::now();
    assert_eq!(client.rest().await.expect("a clean end"), b"");
    assert!(began.elapsed() > Duration::from_millis(150) && began.elapsed() < Duration::from_secs(5));
}

async fn receive(mut request: Request<RequestBody>, _: ConnInfo) -> Response<ResponseBody> {
    let mut received = 0;
    while let Some(Ok(piece)) = request.body_mut().next().await {
        received += piece.len();
    }
    Response::new(ResponseBody::from(received.to_string()))
}

fn impatient() -> Limits {
    let progress = Progress { bytes: 10_000, window: Duration::from_millis(600) };
    Limits { progress, ..Limits::default() }
}

#[tokio::test]
async fn a_trickling_upload_is_cut_and_a_pausing_one_is_not() {
    let server = start(limited(impatient()), receive);
    let mut trickling = server.connect().await;
    let mut pausing = server.connect().await;
    let head = "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 40000\r\n\r\n";
    trickling.send(head).await;
    pausing.send(head).await;
    for _ in 0..4 {
        pausing.send(vec![b'x'; 10_000]).await;
        tokio::time::sleep(Duration::from_millis(350)).await;
        // Its end is looked at below.
        let _ = tokio::io::AsyncWriteExt::write_all(trickling.0.get_mut(), b"x").await;
    }
    assert_eq!(pausing.reply().await.body, b"40000");
    assert_eq!(trickling.rest().await.unwrap_or_default(), b"");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut() {
    let server = start(limited(impatient()), file_handler(file(&vec![1; 30_000_000])));
    let mut client = server.connect().await;
    client.send("GET /0/30000000 HTTP/1.1\r\nHost: test\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let received = client.rest().await.unwrap_or_default();
    assert!(received.len() < 30_000_000, "{}", received.len());
}

#[tokio::test]
async fn a_handler_may_think_longer_than_the_window() {
    let handler = |_: Request<RequestBody>, _: ConnInfo| async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Response::new(ResponseBody::from("done"))
    };
    let server = start(limited(impatient()), handler);
    assert_eq!(server.connect().await.get("/").await.body, b"done");
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_in_words() {
    let server = start(config(), hello);
    let reply = server.connect().await.get(&format!("/{}", "a".repeat(9 << 10))).await;
    assert_eq!(reply.status, 414);
    let errors: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(errors["errors"][0]["code"], "URI_TOO_LONG");

    let mut client = server.connect().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n", "a".repeat(40 << 10))).await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 431);
    serde_json::from_slice::<serde_json::Value>(&reply.body).expect("JSON");

    let mut client = server.connect().await;
    let many: String = (0..120).map(|n| format!("X-{n}: 1\r\n")).collect();
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{many}\r\n")).await;
    assert_eq!(client.reply().await.status, 431);

    let mut client = server.connect().await;
    let endless = format!("GET / HTTP/1.1\r\nX-Long: {}", "a".repeat(300 << 10));
    client.send(endless).await;
    assert_eq!(client.head().await.status, 431);
}

#[tokio::test]
async fn connections_above_the_limit_are_told_to_come_back() {
    let server = start(limited(Limits { connections: 2, ..Limits::default() }), hello);
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!((first.get("/").await.status, second.get("/").await.status), (200, 200));
    let mut third = server.connect().await;
    let reply = third.get("/").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
    assert_eq!(third.rest().await.expect("no reset"), b"");
    drop(first);
    loop {
        let mut next = server.connect().await;
        if next.get("/").await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_thousand_idle_connections_cost_little() {
    let server = start(config(), hello);
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(server.connect().await);
    }
    for client in &mut clients {
        client.get("/").await;
    }
    let before = resident();
    for _ in 0..1000 {
        let mut client = server.connect().await;
        client.get("/").await;
        // The raw socket, so that the client's own buffers do not count.
        clients.push(crate::support::Client(tokio::io::BufStream::with_capacity(
            1,
            1,
            client.0.into_inner(),
        )));
    }
    let each = (resident() - before) / 1000;
    assert!(each < 40 << 10, "{each} bytes for each");
    for client in &mut clients {
        assert_eq!(client.get("/").await.status, 200);
    }
}

/// The memory of this process that is in use, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}
