//! Blobs that are cut, stop, begin anew or are something else.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::fake::{Asked, Fake, Reply, Then};
use super::{client, digest, seen};
use crate::{Client, ClientError, EgressError};

/// How a server of blobs is.
#[derive(Debug, Clone, Copy)]
struct Habits {
    ranges: bool,
    chunked: bool,
    redirects: bool,
}

impl Habits {
    /// The answer to a question for the blob, or for the rest of it.
    fn answer(self, asked: &Asked, blob: &[u8]) -> Reply {
        let range = asked.headers.get("range").filter(|_| self.ranges);
        let from = range.map(|range| range["bytes=".len()..range.len() - 1].parse::<usize>().unwrap());
        let total = blob.len();
        if from.is_some_and(|from| from >= total) {
            return Reply::new(416, &[("content-range", &format!("bytes */{total}"))], "");
        }
        let rest = &blob[from.unwrap_or(0)..];
        let part = format!("bytes {}-{}/{total}", from.unwrap_or(0), total.saturating_sub(1));
        let status = if from.is_some() { 206 } else { 200 };
        let mut headers = vec![];
        if from.is_some() {
            headers.push(("content-range", part.as_str()));
        }
        if !self.chunked {
            return Reply::new(status, &headers, rest);
        }
        headers.push(("transfer-encoding", "chunked"));
        let mut body = Vec::new();
        for piece in rest.chunks(7) {
            body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            body.extend_from_slice(&[piece, b"\r\n"].concat());
        }
        body.extend_from_slice(b"0\r\n\r\n");
        Reply::new(status, &headers, body)
    }
}

/// A server that cuts its answers at these places, one after the other, and none any more afterwards.
async fn server(blob: Vec<u8>, habits: Habits, cuts: Vec<usize>) -> Fake {
    let cuts = Mutex::new(VecDeque::from(cuts));
    Fake::start(move |asked| {
        if habits.redirects && !asked.target.starts_with("/storage") {
            // The next address has another signature.
            let left = cuts.lock().unwrap().len();
            return Reply::new(307, &[("location", &format!("/storage?cuts={left}"))], "");
        }
        let reply = habits.answer(asked, &blob);
        match cuts.lock().unwrap().pop_front() {
            Some(at) if reply.bytes.starts_with(b"HTTP/1.1 20") => reply.cut(at),
            _ => reply,
        }
    })
    .await
}

async fn download(client: &Client, blob: &[u8]) -> Result<Vec<u8>, ClientError> {
    let mut download = client.get_blob("a/b", &digest(blob)).await?;
    let mut all = Vec::new();
    while let Some(bytes) = download.next().await? {
        assert!(!bytes.is_empty());
        all.extend_from_slice(&bytes);
    }
    assert_eq!(download.next().await?, None);
    Ok(all)
}

pub(super) fn in_a_runtime<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_download_that_is_cut_anywhere_has_exactly_the_right_bytes(
        blob in proptest::collection::vec(any::<u8>(), 0..3000),
        cuts in proptest::collection::vec(0..4000_usize, 0..8),
        (ranges, chunked, redirects) in any::<(bool, bool, bool)>(),
    ) {
        let habits = Habits { ranges, chunked, redirects };
        let got = in_a_runtime(async {
            let fake = server(blob.clone(), habits, cuts.clone()).await;
            download(&client(&fake), &blob).await
        });
        match got {
            Ok(got) => prop_assert_eq!(got, blob),
            // Four cuts without a byte in between are borne by nobody.
            Err(error) => {
                prop_assert!(matches!(error, ClientError::Egress(EgressError::Broken(_))), "{:?}", error);
                prop_assert!(cuts.len() >= 4);
            }
        }
    }
}

const PLAIN: Habits = Habits { ranges: true, chunked: false, redirects: false };

#[tokio::test]
async fn after_a_cut_the_rest_is_asked_for() {
    let fake = server(b"0123456789".to_vec(), PLAIN, vec![4, 3]).await;
    assert_eq!(download(&client(&fake), b"0123456789").await.unwrap(), b"0123456789");
    let ranges: Vec<_> = fake.take().iter().map(|asked| asked.headers.get("range").cloned()).collect();
    assert_eq!(ranges, [None, Some("bytes=4-".to_owned()), Some("bytes=7-".to_owned())]);
}

#[tokio::test]
async fn each_try_has_a_redirect_of_its_own() {
    let fake = server(b"0123456789".to_vec(), Habits { redirects: true, ..PLAIN }, vec![4, 3]).await;
    assert_eq!(download(&client(&fake), b"0123456789").await.unwrap(), b"0123456789");
    let path = format!("GET /v2/a/b/blobs/{}", digest("0123456789"));
    let storage = |left| format!("GET /storage?cuts={left}");
    let expected = [2, 1, 0].map(|left| [path.clone(), storage(left)]);
    assert_eq!(seen(&fake), expected.concat());
}

#[tokio::test]
async fn four_cuts_without_a_byte_in_between_are_the_end() {
    let fake = server(b"0123456789".to_vec(), PLAIN, vec![4, 0, 0, 0]).await;
    let error = download(&client(&fake), b"0123456789").await.unwrap_err();
    assert!(matches!(error, ClientError::Egress(EgressError::Broken(_))), "{error:?}");
    assert_eq!(seen(&fake).len(), 4);
    let fake = server(b"0123456789".to_vec(), PLAIN, vec![4, 0, 0, 1, 0, 0, 0]).await;
    assert!(download(&client(&fake), b"0123456789").await.is_err());
    let fake = server(b"0123456789".to_vec(), PLAIN, vec![4, 0, 0, 1, 0, 0, 1, 1, 1]).await;
    assert_eq!(download(&client(&fake), b"0123456789").await.unwrap(), b"0123456789");
    // Who begins anew each time and never comes further makes no progress.
    let fake = server(b"0123456789".to_vec(), Habits { ranges: false, ..PLAIN }, vec![4; 9]).await;
    assert!(download(&client(&fake), b"0123456789").await.is_err());
    assert_eq!(seen(&fake).len(), 4);
}

#[tokio::test]
async fn another_part_than_was_asked_for_is_refused() {
    for part in ["bytes 3-9/10", "bytes 5-9/10", "bytes 9-9/10", "bytes */10", "0-9", ""] {
        let fake = Fake::start(move |asked| match asked.headers.contains_key("range") {
            true => Reply::new(206, &[("content-range", part)], "456789"),
            false => Reply::new(200, &[], "0123456789").cut(4),
        })
        .await;
        let error = download(&client(&fake), b"0123456789").await.unwrap_err();
        assert!(matches!(error, ClientError::Useless { .. }), "{part}: {error:?}");
    }
    // From the beginning is as good as from where it stopped.
    let fake = Fake::start(move |asked| match asked.headers.contains_key("range") {
        true => Reply::new(206, &[("content-range", "bytes 0-9/10")], "0123456789"),
        false => Reply::new(200, &[], "0123456789").cut(4),
    })
    .await;
    assert_eq!(download(&client(&fake), b"0123456789").await.unwrap(), b"0123456789");
}

/// A rest that was shorter than announced ended the blob as if it were whole.
#[tokio::test]
async fn a_part_of_the_rest_is_not_the_rest() {
    let fake = Fake::start(|asked| match asked.headers.get("range").map(String::as_str) {
        None => Reply::new(200, &[], "0123456789").cut(4),
        Some("bytes=4-") => Reply::new(206, &[("content-range", "bytes 4-6/10")], "456"),
        _ => Reply::new(206, &[("content-range", "bytes 7-9/10")], "789"),
    })
    .await;
    assert_eq!(download(&client(&fake), b"0123456789").await.unwrap(), b"0123456789");
    let fake = Fake::start(|asked| match asked.headers.contains_key("range") {
        false => Reply::new(200, &[], "0123456789").cut(4),
        true => Reply::new(206, &[("content-range", "bytes 4-10/11")], "456789X"),
    })
    .await;
    let error = download(&client(&fake), b"0123456789").await.unwrap_err();
    assert!(matches!(error, ClientError::Useless { .. }), "{error:?}");
}

/// Nobody has a rest of no bytes, and a blob that was there already was taken for one that cannot be had.
#[tokio::test]
async fn a_blob_whose_end_alone_is_cut_off_is_whole() {
    let chunked = Habits { chunked: true, ..PLAIN };
    let fake = server(b"0123456".to_vec(), chunked, vec!["7\r\n0123456\r\n".len()]).await;
    assert_eq!(download(&client(&fake), b"0123456").await.unwrap(), b"0123456");
    assert_eq!(seen(&fake).len(), 2);
}

#[tokio::test]
async fn what_was_packed_on_the_way_is_no_blob() {
    let fake = Fake::start(|asked| {
        assert_eq!(asked.headers["accept-encoding"], "identity");
        match asked.headers.contains_key("range") {
            false => Reply::new(200, &[], "0123456789").cut(4),
            true => Reply::new(200, &[("content-encoding", "gzip")], "\u{1f}"),
        }
    })
    .await;
    let error = download(&client(&fake), b"0123456789").await.unwrap_err();
    assert!(matches!(error, ClientError::Useless { .. }), "{error:?}");
    let fake = Fake::start(|_| Reply::new(200, &[("content-encoding", "gzip")], "\u{1f}")).await;
    assert!(matches!(download(&client(&fake), b"x").await, Err(ClientError::Useless { .. })));
}

#[tokio::test]
async fn a_blob_that_stops_is_gone_on_with_after_the_idle_limit() {
    let fake = Fake::start(|asked| match asked.headers.contains_key("range") {
        false => Reply::new(200, &[("content-length", "10")], "0123").then(Then::Hang),
        true => Reply::new(206, &[("content-range", "bytes 4-9/10")], "456789"),
    })
    .await;
    let client = client(&fake);
    tokio::time::pause();
    let began = Instant::now();
    assert_eq!(download(&client, b"0123456789").await.unwrap(), b"0123456789");
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_slow_blob_is_borne_as_long_as_it_moves() {
    let fake = Fake::start(|_| {
        let drops = Then::Again(b"x".to_vec(), Duration::from_secs(29));
        Reply::new(200, &[("content-length", "100")], "").then(drops)
    })
    .await;
    let client = client(&fake);
    tokio::time::pause();
    assert_eq!(download(&client, &[b'x'; 100]).await.unwrap(), [b'x'; 100]);
}

#[tokio::test]
async fn a_registry_that_is_away_in_the_middle_is_told() {
    let fake = Fake::start(|asked| match asked.headers.contains_key("range") {
        false => Reply::new(200, &[], "0123456789").cut(4),
        true => Reply::new(404, &[], ""),
    })
    .await;
    assert!(matches!(download(&client(&fake), b"0123456789").await, Err(ClientError::NotFound)));
}

#[tokio::test]
async fn a_look_tells_the_length() {
    let fake = Fake::start(|asked| match asked.target.ends_with(&digest("here").to_string()) {
        true => Reply::new(200, &[("content-length", "4")], ""),
        false => Reply::new(404, &[], ""),
    })
    .await;
    let client = client(&fake);
    let look = |what: &str| {
        let (client, digest) = (client.clone(), digest(what));
        async move { client.head_blob("a/b", &digest, crate::Patience::Short).await }
    };
    assert_eq!(look("here").await.unwrap(), Some(4));
    assert!(matches!(look("gone").await, Err(ClientError::NotFound)));
    let fake = server(b"0123456789".to_vec(), PLAIN, vec![]).await;
    let download = super::client(&fake).get_blob("a/b", &digest("0123456789")).await.unwrap();
    assert_eq!(download.size(), Some(10));
}
