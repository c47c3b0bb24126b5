//! HTTP/1 on a plain socket: what is spoken, what is refused, what is counted.

use berth_http::server::{ConnInfo, RequestBody, ResponseBody, RouteKind};
use futures_util::StreamExt;
use http::{Request, Response, StatusCode};

use crate::support::{config, hello, pattern, start};

#[tokio::test]
async fn a_tls_hello_gets_a_readable_answer() {
    let server = start(config(), hello);
    let mut client = server.connect().await;
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    let answer = String::from_utf8(client.rest().await.expect("no reset")).expect("text");
    assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");
    assert!(answer.contains("http://"), "{answer}");
}

#[tokio::test]
async fn a_hundred_pipelined_requests_are_answered_in_order() {
    let handler = |request: Request<RequestBody>, _: ConnInfo| async move {
        Response::new(ResponseBody::from(request.uri().path().to_owned()))
    };
    let server = start(config(), handler);
    let mut client = server.connect().await;
    let requests: String = (0..100).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
    client.send(requests).await;
    for n in 0..100 {
        assert_eq!(client.reply().await.body, format!("/{n}").as_bytes());
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let server = start(config(), hello);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let answer = String::from_utf8(client.rest().await.expect("a clean end")).expect("text");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
}

#[tokio::test]
async fn a_request_body_arrives_whole() {
    let handler = |mut request: Request<RequestBody>, _: ConnInfo| async move {
        let mut received = Vec::new();
        while let Some(piece) = request.body_mut().next().await {
            received.extend_from_slice(&piece.expect("a piece"));
        }
        Response::new(ResponseBody::from(received))
    };
    let server = start(config(), handler);
    let body = pattern(3_000_000, 7);
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send(format!("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        client.send(&body).await;
        assert_eq!(client.reply().await.body, body);
    }
}

#[tokio::test]
async fn a_client_that_expects_continue_is_invited_when_the_body_is_read() {
    let handler = |mut request: Request<RequestBody>, _: ConnInfo| async move {
        let piece = request.body_mut().next().await.expect("a piece").expect("read");
        Response::new(ResponseBody::from(piece))
    };
    let server = start(config(), handler);
    let mut client = server.connect().await;
    client.send("PUT / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    assert_eq!(client.head().await.status, 100);
    client.send("body").await;
    assert_eq!(client.reply().await.body, b"body");
}

async fn refuse(_request: Request<RequestBody>, _connection: ConnInfo) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from("no"));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

#[tokio::test]
async fn an_early_refusal_can_be_read_by_a_client_that_keeps_sending() {
    let server = start(config(), refuse);
    let mut client = server.connect().await;
    client.send("PATCH / HTTP/1.1\r\nHost: test\r\nContent-Length: 8000000\r\n\r\n").await;
    let body = vec![b'x'; 8_000_000];
    client.send(&body).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (403, Some("close")));
    assert_eq!(client.rest().await.expect("no reset"), b"");
}

#[tokio::test]
async fn a_small_body_that_nobody_read_does_not_cost_the_connection() {
    let server = start(config(), refuse);
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 10000\r\n\r\n").await;
        client.send(vec![b'x'; 10_000]).await;
        assert_eq!(client.reply().await.status, 403);
    }
}

#[tokio::test]
async fn a_refused_client_that_waits_for_continue_is_answered_without_it() {
    let server = start(config(), refuse);
    let mut client = server.connect().await;
    client.send("PUT / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (403, Some("close")));
}

#[tokio::test]
async fn operators_get_their_answers_and_requests_are_counted() {
    let handler = |_: Request<RequestBody>, _: ConnInfo| async {
        let mut response = Response::new(ResponseBody::from("hello"));
        response.extensions_mut().insert(RouteKind("blob"));
        response
    };
    let mut configuration = config();
    configuration.access_log = true;
    let server = start(configuration, handler);
    let mut client = server.connect().await;
    let reply = client.get("/v2/").await;
    assert_eq!(reply.header("x-request-id").expect("an id").len(), 16);
    assert_eq!(client.get("/healthz").await.status, 200);
    assert_eq!(client.get("/readyz").await.status, 200);
    let metrics = String::from_utf8(client.get("/metrics").await.body).expect("text");
    let line = r#"berth_http_requests_total{method="GET",route="blob",status="2xx"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains("berth_http_connections 1"), "{metrics}");
    server.operations.drain();
    assert_eq!(client.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_stream_shorter_than_declared_is_not_a_clean_end() {
    let handler = |_: Request<RequestBody>, _: ConnInfo| async {
        let pieces = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"half"))]);
        Response::new(ResponseBody::stream(Some(8), pieces))
    };
    let server = start(config(), handler);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_ne!(client.rest().await.unwrap_or_default().len(), 8);
}
