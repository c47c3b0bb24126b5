//! How often a registry is asked that is busy or away, and how long it is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::fake::{Asked, Fake, Reply, Then};
use super::{challenge, client, digest, head, latest, manifest};
use crate::{Client, ClientError, Patience, RateLimit};

/// A registry that answers manifests with `bad` for the first `times`, and is well then. The clock jumps from now on.
async fn ill(times: usize, bad: Reply) -> (Fake, Client) {
    let asked = AtomicUsize::new(0);
    let fake = Fake::start(move |question: &Asked| {
        if question.target.contains("/blobs/") {
            return Reply::new(200, &[], "blob");
        }
        match asked.fetch_add(1, Ordering::Relaxed) {
            nth if nth < times => bad.clone(),
            _ => manifest(question),
        }
    })
    .await;
    let client = client(&fake);
    tokio::time::pause();
    (fake, client)
}

fn busy(retry_after: &str) -> Reply {
    Reply::new(429, &[("retry-after", retry_after)], "")
}

async fn short(client: &Client) -> Result<(), ClientError> {
    client.head_manifest("a/b", &latest(), Patience::Short).await.map(drop)
}

#[tokio::test]
async fn a_short_wait_that_the_registry_asks_for_is_waited() {
    let (fake, client) = ill(1, busy("7")).await;
    let began = Instant::now();
    head(&client).await.unwrap();
    assert_eq!((began.elapsed().as_secs(), fake.lines().len()), (7, 2));
}

#[tokio::test]
async fn a_long_wait_is_told_at_once_and_manifests_rest_while_blobs_go_on() {
    let (fake, client) = ill(1, busy("120")).await;
    let began = Instant::now();
    let error = head(&client).await.unwrap_err();
    assert!(matches!(error, ClientError::TooMany { retry_after: Some(_) }) && error.is_away(), "{error:?}");
    for _ in 0..3 {
        let mut blob = client.get_blob("a/b", &digest("blob")).await.unwrap();
        while blob.next().await.unwrap().is_some() {}
        let error = head(&client).await.unwrap_err();
        assert!(matches!(error, ClientError::TooMany { .. }) && error.is_away(), "{error:?}");
    }
    assert_eq!(began.elapsed().as_secs(), 0);
    assert_eq!(fake.lines().len(), 4, "a manifest, three blobs");
    let health = client.health();
    assert!(health.resting.unwrap() > Duration::from_secs(119) && health.trouble.unwrap().contains("429"));
    tokio::time::advance(Duration::from_secs(120)).await;
    head(&client).await.unwrap();
    assert_eq!((client.health().resting, client.health().trouble), (None, None));
}

#[tokio::test]
async fn who_has_another_answer_tries_once() {
    for bad in [busy("1"), Reply::new(503, &[], ""), Reply::raw("", Then::Cut)] {
        let (fake, client) = ill(1, bad).await;
        let began = Instant::now();
        assert!(short(&client).await.unwrap_err().is_away());
        assert_eq!((began.elapsed().as_secs(), fake.lines().len()), (0, 1));
        tokio::time::resume();
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times() {
    for bad in [
        Reply::new(500, &[], ""),
        Reply::new(502, &[], "<html>"),
        Reply::new(503, &[("retry-after", "3600")], ""),
        Reply::new(504, &[], ""),
        Reply::new(408, &[], ""),
        Reply::new(429, &[], ""),
        Reply::raw("", Then::Cut),
        Reply::raw("HTTP/1.1 200 x\r\ncontent-le", Then::Cut),
    ] {
        let (fake, client) = ill(2, bad.clone()).await;
        head(&client).await.unwrap();
        assert_eq!((fake.lines().len(), client.health().failures), (3, 0));
        tokio::time::resume();
        let (fake, client) = ill(3, bad).await;
        assert!(head(&client).await.unwrap_err().is_away());
        assert_eq!(fake.lines().len(), 3);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn what_does_not_pass_is_not_tried_again() {
    for status in [400, 403, 404, 405, 410, 418, 451] {
        let (fake, client) = ill(9, Reply::new(status, &[], "")).await;
        let error = head(&client).await.unwrap_err();
        assert_eq!(fake.lines().len(), 1, "{status}: {error:?}");
        assert_eq!(matches!(error, ClientError::NotFound), status == 404);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_registry_that_is_away_is_left_alone_and_tried_by_one_after_a_while() {
    let (fake, client) = ill(6, Reply::new(502, &[], "")).await;
    for _ in 0..5 {
        assert!(matches!(short(&client).await, Err(ClientError::Server { .. })));
    }
    assert!(matches!(short(&client).await, Err(ClientError::Resting { .. })));
    let blob = client.get_blob("a/b", &digest("blob")).await;
    assert!(matches!(blob.err(), Some(ClientError::Resting { .. })));
    assert_eq!(fake.lines().len(), 5);
    // One finds out, and it is still away.
    tokio::time::advance(Duration::from_secs(5)).await;
    let (one, other) = tokio::join!(short(&client), short(&client));
    assert!(matches!((one, other), (Err(ClientError::Server { .. }), Err(ClientError::Resting { .. }))));
    assert_eq!(fake.lines().len(), 1);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(matches!(short(&client).await, Err(ClientError::Resting { .. })));
    tokio::time::advance(Duration::from_secs(5)).await;
    short(&client).await.unwrap();
    let health = client.health();
    assert_eq!((health.failures, health.trouble, health.resting), (0, None, None));
    short(&client).await.unwrap();
}

/// The last of three tries was told as a rest, and nobody saw what was wrong.
#[tokio::test]
async fn what_it_rests_for_is_told_first() {
    let (fake, client) = ill(100, Reply::new(502, &[], "")).await;
    for _ in 0..2 {
        assert!(matches!(head(&client).await, Err(ClientError::Server { .. })));
    }
    assert_eq!(fake.lines().len(), 5);
    assert!(matches!(head(&client).await, Err(ClientError::Resting { .. })));
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_away() {
    let fake = Fake::start(manifest).await;
    let mut options = super::options(&fake);
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    options.origin = format!("http://{}", gone.local_addr().unwrap()).parse().unwrap();
    drop(gone);
    let client = Client::new(options).unwrap();
    tokio::time::pause();
    let error = head(&client).await.unwrap_err();
    assert!(error.is_away() && error.to_string().contains("127.0.0.1"), "{error:?}");
    let health = client.health();
    assert_eq!((health.failures, health.answered_at), (3, None));
    assert_eq!(health.trouble, Some(error.to_string()));
}

#[tokio::test]
async fn what_is_left_of_the_pulls_is_told() {
    let left = Arc::new(AtomicUsize::new(3));
    let storage = Fake::start(|_| {
        let theirs = [("ratelimit-limit", "9;w=1"), ("ratelimit-remaining", "9;w=1")];
        Reply::new(200, &theirs, "blob")
    })
    .await;
    let to = format!("http://{}/", storage.address);
    let fake = Fake::start(move |asked| {
        if asked.target.contains("/blobs/") {
            return Reply::new(307, &[("location", &to)], "");
        }
        let left = left.fetch_sub(1, Ordering::Relaxed) - 1;
        let remaining = format!("{left};w=21600");
        let rate = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", &remaining)];
        match left {
            2 => Reply::new(200, &rate, ""),
            1 => Reply::new(404, &rate, ""),
            _ => Reply::new(429, &[rate[0], rate[1], ("retry-after", "3600")], ""),
        }
    })
    .await;
    let client = client(&fake);
    assert_eq!(client.health().rate, None);
    for remaining in [2, 1, 0] {
        let _ = short(&client).await;
        // Storage counts something else.
        client.get_blob("a/b", &digest("blob")).await.unwrap();
        let window = Some(Duration::from_secs(21600));
        assert_eq!(client.health().rate, Some(RateLimit { limit: 100, remaining, window }));
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let fake = Fake::start(|_| challenge("Basic realm=\"x\"")).await;
    let client = client(&fake);
    for _ in 0..10 {
        assert!(matches!(short(&client).await, Err(ClientError::Unauthorized { .. })));
    }
    assert_eq!((client.health().failures, fake.lines().len()), (0, 10));
    assert!(client.health().answered_at.is_some());
}

/// Whoever mirrors himself is told so by himself, and has to see it in the status of the upstream.
#[tokio::test]
async fn what_a_registry_says_of_its_trouble_is_told() {
    let body =
        r#"{"errors":[{"code":"UNAVAILABLE","message":"this server is its own upstream","detail":{}}]}"#;
    let (_fake, client) = ill(1, Reply::new(503, &[], body)).await;
    let error = client.get_manifest("a/b", &latest(), Patience::Short).await.unwrap_err().to_string();
    assert!(error.contains("503") && error.contains("this server is its own upstream"), "{error}");
}
