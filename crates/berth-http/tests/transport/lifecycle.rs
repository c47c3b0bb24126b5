//! Shutdown: what is under way is finished, and nothing waits forever.

use std::time::{Duration, Instant};

use berth_http::server::{ConnInfo, RequestBody, ResponseBody, ServerConfig};
use http::{Request, Response};
use tokio::net::TcpStream;

use crate::support::{config, file, file_handler, hello, pattern, start};

async fn slow(request: Request<RequestBody>, _: ConnInfo) -> Response<ResponseBody> {
    let millis = request.uri().path()[1..].parse().expect("a number");
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Response::new(ResponseBody::from("done"))
}

#[tokio::test]
async fn requests_under_way_are_finished_and_idle_connections_closed() {
    let mut server = start(config(), slow);
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/0").await.status, 200);
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.send("GET /500 HTTP/1.1\r\nHost: test\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.shut_down();
    assert_eq!(idle.rest().await.expect("a clean end"), b"");
    assert_eq!(silent.rest().await.expect("a clean end"), b"");
    assert!(TcpStream::connect(server.address).await.is_err(), "nothing new is accepted");
    let reply = busy.reply().await;
    assert_eq!((reply.body.as_slice(), reply.header("connection")), (b"done".as_slice(), Some("close")));
    server.ended().await;
}

#[tokio::test]
async fn a_download_under_way_is_finished() {
    let content = pattern(30_000_000, 1);
    let mut server = start(config(), file_handler(file(&content)));
    let mut client = server.connect().await;
    client.send("GET /0/30000000 HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(head.status, 200);
    server.shut_down();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(client.rest().await.expect("a clean end") == content);
    server.ended().await;
}

#[tokio::test]
async fn the_wait_is_bounded_and_a_second_signal_ends_it() {
    let mut server = start(ServerConfig { drain: Duration::from_millis(200), ..config() }, slow);
    let mut client = server.connect().await;
    client.send("GET /60000 HTTP/1.1\r\nHost: test\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    server.shut_down();
    server.ended().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(client.rest().await.unwrap_or_default(), b"");

    let mut server = start(config(), slow);
    let mut client = server.connect().await;
    client.send("GET /60000 HTTP/1.1\r\nHost: test\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.shut_down();
    server.hurry();
    server.ended().await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn readiness_ends_before_connections_are_refused() {
    let mut server = start(ServerConfig { notice: Duration::from_millis(300), ..config() }, hello);
    let mut client = server.connect().await;
    assert_eq!(client.get("/readyz").await.status, 200);
    server.shut_down();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.connect().await.get("/readyz").await.status, 503);
    server.ended().await;
}
