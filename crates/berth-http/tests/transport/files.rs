//! Bodies from files on a plain socket: `sendfile` must be invisible but for its speed.

use std::sync::Arc;

use berth_http::server::{ConnInfo, Part, RequestBody, ResponseBody};
use http::{Request, Response};
use tokio::io::AsyncReadExt;

use crate::support::{config, file, file_handler, pattern, start};

const LEN: usize = 9_000_001;

#[tokio::test]
async fn whole_files_and_ranges_arrive_byte_for_byte_on_one_connection() {
    let content = pattern(LEN, 1);
    let server = start(config(), file_handler(file(&content)));
    let mut client = server.connect().await;
    let ranges = [
        (0, LEN),
        (1, LEN - 1),
        (4095, 3_000_000),
        (0, 1),
        (LEN - 1, 1),
        (77, 0),
        (5, 40_000),
        (9, 32 << 10),
        (0, LEN),
    ];
    for (offset, len) in ranges {
        let reply = client.get(&format!("/{offset}/{len}")).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body == content[offset..offset + len], "bytes {offset}+{len} differ");
    }
}

#[tokio::test]
async fn pipelined_file_responses_do_not_mix() {
    let content = pattern(LEN, 2);
    let server = start(config(), file_handler(file(&content)));
    let mut client = server.connect().await;
    let places: Vec<_> = (0..40).map(|n| (n * 1000, 50_000 + n * 100_000)).collect();
    let requests: String = places
        .iter()
        .map(|(offset, len)| format!("GET /{offset}/{len} HTTP/1.1\r\nHost: test\r\n\r\n"))
        .collect();
    client.send(requests).await;
    for (offset, len) in places {
        assert!(client.reply().await.body == content[offset..offset + len], "bytes {offset}+{len} differ");
    }
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let content = pattern(LEN, 3);
    let server = start(config(), file_handler(file(&content)));
    let mut client = server.connect().await;
    client.send(format!("HEAD /0/{LEN} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    assert_eq!(client.head().await.header("content-length"), Some(LEN.to_string().as_str()));
    assert!(client.get("/100/70000").await.body == content[100..70_100]);
}

#[tokio::test]
async fn http_1_0_gets_files_too() {
    let content = pattern(LEN, 4);
    let server = start(config(), file_handler(file(&content)));
    let mut client = server.connect().await;
    client.send(format!("GET /0/{LEN} HTTP/1.0\r\n\r\n")).await;
    let reply = client.reply().await;
    assert!(reply.body == content);
    assert_eq!(client.rest().await.expect("a clean end"), b"");
}

#[tokio::test]
async fn parts_of_files_and_memory_arrive_in_order() {
    let content = pattern(LEN, 5);
    let shared = file(&content);
    let handler = move |_: Request<RequestBody>, _: ConnInfo| {
        let file = Arc::clone(&shared);
        async move {
            let parts = vec![
                Part::Bytes("first".into()),
                Part::File { file: Arc::clone(&file), offset: 10, len: 100_000 },
                Part::Bytes("second".into()),
                Part::File { file: Arc::clone(&file), offset: 0, len: 0 },
                Part::File { file, offset: 5, len: 5_000_000 },
            ];
            Response::new(ResponseBody::Parts(parts))
        }
    };
    let server = start(config(), handler);
    let mut client = server.connect().await;
    let expected = [b"first", &content[10..100_010], b"second", &content[5..5_000_005]].concat();
    for _ in 0..2 {
        assert!(client.get("/").await.body == expected);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_the_same_bytes() {
    let content = pattern(LEN, 6);
    let server = start(config(), file_handler(file(&content)));
    let mut client = server.connect().await;
    client.send(format!("GET /0/{LEN} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    client.head().await;
    let mut received = Vec::new();
    let mut piece = vec![0; 150_001];
    while received.len() < LEN {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let read = client.0.read(&mut piece).await.expect("read");
        assert!(read > 0, "ended after {}", received.len());
        received.extend_from_slice(&piece[..read]);
    }
    assert!(received == content);
}

#[tokio::test]
async fn a_file_shorter_than_promised_breaks_the_connection() {
    for len in [1000, 100_000, LEN] {
        let content = pattern(len, 7);
        let server = start(config(), file_handler(file(&content)));
        let mut client = server.connect().await;
        client.send(format!("GET /0/{} HTTP/1.1\r\nHost: test\r\n\r\n", len + 1)).await;
        // A reset may overtake bytes that were sent before it; what matters is that no zeros follow and nothing looks whole.
        let received = client.rest().await.unwrap_or_default();
        let body_at = received.windows(4).position(|w| w == b"\r\n\r\n").map_or(received.len(), |at| at + 4);
        let body = &received[body_at..];
        assert!(body.len() <= len && body == &content[..body.len()], "{} of {len}", body.len());
    }
}

#[tokio::test]
async fn a_length_that_contradicts_the_file_breaks_the_connection() {
    let content = pattern(200_000, 8);
    let shared = file(&content);
    let handler = move |_: Request<RequestBody>, _: ConnInfo| {
        let file = Arc::clone(&shared);
        async move {
            let body = ResponseBody::File { file, offset: 0, len: 200_000 };
            Response::builder().header("content-length", "150000").body(body).expect("a response")
        }
    };
    let server = start(config(), handler);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let received = client.rest().await.unwrap_or_default();
    assert!(received.len() < 150_000, "{}", received.len());
}

#[tokio::test]
async fn many_clients_get_many_files_at_once() {
    let content = Arc::new(pattern(LEN, 9));
    let server = start(config(), file_handler(file(&content)));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let mut client = server.connect().await;
        let content = Arc::clone(&content);
        tasks.spawn(async move {
            for round in 0..4 {
                let (offset, len) = (n * 1000 + round, 2_000_000 + n * 1001);
                assert!(client.get(&format!("/{offset}/{len}")).await.body == content[offset..offset + len]);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("bytes are equal");
    }
}
