//! Bodies and heads that do not end, stop, come in drops, or are cut.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::fake::{Fake, Reply, Then};
use super::{get, private};
use crate::{Egress, EgressError, Incoming, whole};

async fn egress() -> Egress {
    Egress::new(&private(&["127.0.0.1"])).unwrap()
}

/// The body of an answer.
async fn body(reply: Reply) -> Incoming {
    let server = Fake::start(move |_| reply.clone()).await;
    let response = get(&egress().await, &format!("http://{}/", server.address)).await.unwrap();
    response.into_body()
}

fn endless(piece: &str, pause: Duration) -> Reply {
    let length = [("content-length", "1000000000")];
    Reply::new(200, &length, "").then(Then::Again(piece.as_bytes().to_vec(), pause))
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    for (length, limit, fits) in
        [(0, 0, true), (1, 0, false), (1000, 1000, true), (1001, 1000, false), (300_000, 299_999, false)]
    {
        let read = whole(body(Reply::new(200, &[], "x".repeat(length))).await, limit).await;
        match read {
            Ok(bytes) => assert!(fits && bytes.len() == length, "{length} {limit}"),
            Err(error) => assert!(!fits && matches!(error, EgressError::TooLong { .. }), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_given_up_at_the_limit() {
    let read = whole(body(endless(&"x".repeat(1000), Duration::ZERO)).await, 100_000).await;
    assert!(matches!(read, Err(EgressError::TooLong { limit: 100_000 })), "{read:?}");
}

#[tokio::test]
async fn a_body_that_stops_is_waited_for_as_long_as_the_idle_limit() {
    let mut body = body(Reply::new(200, &[("content-length", "10")], "half").then(Then::Hang)).await;
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    // The clock now jumps to whatever is waited for.
    tokio::time::pause();
    let began = Instant::now();
    let error = body.next().await.unwrap().unwrap_err();
    assert!(matches!(error, EgressError::TooSlow(_)) && error.is_passing(), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_body_that_moves_has_no_time_limit_as_a_stream() {
    let mut body = body(endless("x", Duration::from_secs(29))).await;
    tokio::time::pause();
    for _ in 0..100 {
        assert_eq!(body.next().await.unwrap().unwrap(), "x");
    }
}

#[tokio::test]
async fn a_body_that_comes_in_drops_is_not_read_whole() {
    let drops = body(endless("x", Duration::from_secs(29))).await;
    tokio::time::pause();
    let began = Instant::now();
    let error = whole(drops, 1000).await.unwrap_err();
    assert!(matches!(error, EgressError::TooSlow(_)), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 120);
}

#[tokio::test]
async fn the_time_that_a_reader_takes_is_not_the_servers() {
    let mut body = body(endless("x", Duration::from_secs(20))).await;
    tokio::time::pause();
    for _ in 0..10 {
        assert!(!body.next().await.unwrap().unwrap().is_empty());
        tokio::time::sleep(Duration::from_secs(47)).await;
    }
}

#[tokio::test]
async fn a_body_that_is_cut_does_not_end_well() {
    let chunked = [("transfer-encoding", "chunked")];
    for reply in [
        Reply::new(200, &[], "whole").cut(4),
        Reply::new(200, &[], "whole").cut(0),
        Reply::new(200, &chunked, "5\r\nwhole\r\n0\r\n\r\n").cut(10),
        Reply::new(200, &chunked, "5\r\nwho").then(Then::Cut),
        Reply::new(200, &chunked, "who knows").then(Then::Cut),
    ] {
        let read = whole(body(reply.clone()).await, 1000).await;
        assert!(matches!(read, Err(EgressError::Broken(_))), "{reply:?} {read:?}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_is_waited_for_as_long_as_its_limit() {
    for reply in [
        Reply::raw("", Then::Hang),
        Reply::raw("HTTP/1.1 200 x\r\n", Then::Hang),
        Reply::raw("HTTP/1.1 200 x\r\n", Then::Again(b"a: b\r\n".to_vec(), Duration::from_secs(9))),
        Reply::raw(
            "HTTP/1.1 100 x\r\n\r\n",
            Then::Again(b"HTTP/1.1 100 x\r\n\r\n".to_vec(), Duration::from_secs(1)),
        ),
    ] {
        let shown = format!("{reply:?}");
        let server = Fake::start(move |_| reply.clone()).await;
        let egress = egress().await;
        tokio::time::pause();
        let began = Instant::now();
        let error = get(&egress, &format!("http://{}/", server.address)).await.err().unwrap();
        assert!(matches!(error, EgressError::TooSlow(_)) && error.is_passing(), "{shown}: {error:?}");
        assert_eq!(began.elapsed().as_secs(), 30);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told_as_a_broken_connection() {
    for reply in [
        Reply::raw("", Then::Cut),
        Reply::raw("SSH-2.0-OpenSSH_9.6\r\n", Then::Cut),
        Reply::raw("<html>", Then::Cut),
        Reply::raw("HTTP/1.1 200 x\r\ncontent-length: x\r\n\r\n", Then::Cut),
        Reply::raw("HTTP/1.1 200 x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx", Then::Cut),
        // Heads have an end.
        Reply::raw("HTTP/1.1 200 x\r\n", Then::Again(vec![b'a'; 10_000], Duration::ZERO)),
        Reply::raw("HTTP/1.1 200 x\r\n", Then::Again(b"a: b\r\n".repeat(1000), Duration::ZERO)),
    ] {
        let shown = format!("{:.80?}", String::from_utf8_lossy(&reply.bytes));
        let server = Fake::start(move |_| reply.clone()).await;
        let error = get(&egress().await, &format!("http://{}/", server.address)).await.err().unwrap();
        assert!(matches!(error, EgressError::Broken(_)) && error.is_passing(), "{shown}: {error:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = Fake::start(|_| Reply::new(200, &[], "good")).await;
    let egress = egress().await;
    for _ in 0..10 {
        let response = get(&egress, &format!("http://{}/", server.address)).await.unwrap();
        assert_eq!(whole(response.into_body(), 10).await.unwrap(), "good");
    }
    assert_eq!(server.connections(), 1);
}
