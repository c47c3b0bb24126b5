//! Bodies on their way out: of exactly the length that was said, and as long as they move.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Response};
use tokio::time::Instant;

use super::fake::{Fake, Reply, Then};
use super::private;
use crate::{Egress, EgressError, Incoming, Limits, Outgoing};

async fn put(fake: &Fake, body: Outgoing) -> Result<Response<Incoming>, EgressError> {
    let egress = Egress::new(&private(&["127.0.0.1"])).unwrap();
    let link = format!("http://{}/", fake.address).parse().unwrap();
    egress.send(Method::PUT, &link, HeaderMap::new(), body).await
}

fn pieces(of: &'static [&'static str]) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::iter(of).map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
}

#[tokio::test]
async fn a_body_has_its_length_and_its_bytes() {
    let fake = Fake::start(|_| Reply::new(201, &[], "")).await;
    put(&fake, crate::stream(pieces(&["ab", "", "cde"]), 5)).await.unwrap();
    put(&fake, crate::bytes("abcde".into())).await.unwrap();
    for asked in fake.take() {
        assert_eq!((asked.headers["content-length"].as_str(), asked.body.as_slice()), ("5", &b"abcde"[..]));
        assert!(!asked.headers.contains_key("transfer-encoding"));
    }
}

#[tokio::test]
async fn a_body_that_is_longer_or_shorter_than_it_was_said_to_be_is_never_whole() {
    let fake = Fake::start(|_| Reply::new(201, &[], "")).await;
    let unread = stream::iter([Ok(Bytes::from_static(b"ab")), Err(io::Error::other("the disk is gone"))]);
    for body in [
        crate::stream(pieces(&["abc"]), 5),
        crate::stream(pieces(&["abc", "def"]), 5),
        crate::stream(unread, 5),
    ] {
        let error = put(&fake, body).await.err().unwrap();
        assert!(matches!(error, EgressError::Broken(_)), "{error:?}");
    }
    assert!(fake.take().is_empty());
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_is_heard() {
    let fake = Fake::picky(|_| 1000, |_| Reply::new(413, &[], "")).await;
    let piece = Bytes::from(vec![0; 64 * 1024]);
    let body = stream::iter((0..256).map(move |_| Ok::<_, io::Error>(piece.clone())));
    assert_eq!(put(&fake, crate::stream(body, 256 * 64 * 1024)).await.unwrap().status(), 413);
}

/// The limit of the head counted from the beginning, so nothing that took half a minute could be sent.
#[tokio::test]
async fn a_body_has_no_time_limit_as_long_as_it_moves() {
    let fake = Fake::start(|_| Reply::new(201, &[], "")).await;
    let drops = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(29)).await;
        Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
    });
    tokio::time::pause();
    let began = Instant::now();
    put(&fake, crate::stream(drops, 20)).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 20 * 29);
}

#[tokio::test]
async fn what_stands_still_is_given_up_and_a_hard_task_is_given_time() {
    let fake = Fake::start(|_| Reply::raw("", Then::Hang)).await;
    let stuck = stream::pending::<io::Result<Bytes>>();
    tokio::time::pause();
    let began = Instant::now();
    let error = put(&fake, crate::stream(stuck, 5)).await.err().unwrap();
    assert!(matches!(error, EgressError::TooSlow(_)), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 30);
    let limits = Limits { head: Duration::from_secs(10), ..Limits::default() };
    let egress = Egress::new(&crate::EgressOptions { limits, ..private(&["127.0.0.1"]) }).unwrap();
    let link = format!("http://{}/", fake.address).parse().unwrap();
    let (method, body, longer) = (Method::PUT, crate::empty(), Duration::from_secs(100));
    let began = Instant::now();
    let sent = egress.send_patiently(method, &link, HeaderMap::new(), body, longer).await;
    assert!(matches!(sent, Err(EgressError::TooSlow(limit)) if limit.as_secs() == 110));
    assert_eq!(began.elapsed().as_secs(), 110);
}
