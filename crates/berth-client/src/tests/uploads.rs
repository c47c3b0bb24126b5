//! Uploads that are cut, refused, forgotten or mistaken, and what comes of them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proptest::prelude::*;

use super::blobs::in_a_runtime;
use super::fake::{Fake, Reply};
use super::shelf::{Fault, Habits, Shelf};
use super::{alice, challenge, client, digest, options, seen};
use crate::{Client, ClientError, ClientOptions, Content, EgressError, FileContent, Pieces, Uploaded};

async fn upload(shelf: &Shelf, content: &[u8]) -> Result<Uploaded, ClientError> {
    send(&client(&shelf.fake), content).await
}

async fn send(client: &Client, content: &[u8]) -> Result<Uploaded, ClientError> {
    client.upload("a/b", &digest(content)).send(&Bytes::copy_from_slice(content)).await
}

fn with(faults: impl IntoIterator<Item = Fault>) -> Habits {
    Habits { faults: faults.into_iter().collect(), ..Habits::default() }
}

/// What was asked, without the address of the blob and of the upload.
fn asked(shelf: &Shelf) -> Vec<String> {
    let short = |line: String| {
        let (method, target) = line.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        format!("{method} {}", path.rsplit('/').next().unwrap().split(':').next().unwrap())
    };
    shelf.fake.lines().into_iter().map(short).collect()
}

#[tokio::test]
async fn a_blob_goes_in_one_request_and_only_once() {
    let shelf = Shelf::start(Habits::default()).await;
    for content in [&b""[..], b"x", b"0123456789"] {
        assert_eq!(upload(&shelf, content).await.unwrap(), Uploaded::Sent);
        assert_eq!(asked(&shelf)[..2], ["HEAD sha256", "POST "]);
        assert_eq!(shelf.blob(content).as_deref(), Some(content));
        assert_eq!(upload(&shelf, content).await.unwrap(), Uploaded::Existed);
        assert_eq!(asked(&shelf), ["HEAD sha256"]);
    }
    assert_eq!(shelf.received(), 11);
    assert_eq!(shelf.open_uploads(), 0);
}

#[tokio::test]
async fn after_a_cut_only_the_rest_is_sent() {
    let shelf = Shelf::start(with([Fault::Cut { after: 4, kept: 4 }])).await;
    assert_eq!(upload(&shelf, b"0123456789").await.unwrap(), Uploaded::Sent);
    assert_eq!(shelf.blob(b"0123456789").unwrap(), b"0123456789");
    assert_eq!(asked(&shelf), ["HEAD sha256", "POST ", "PUT u1", "GET u1", "PATCH u1", "PUT u1"]);
    assert_eq!(shelf.received(), 10);
}

/// Cuts counted although each piece between them had come further, and the upload was given up.
#[tokio::test]
async fn as_long_as_it_comes_further_it_is_not_given_up() {
    tokio::time::pause();
    let shelf = Shelf::start(with([Fault::Cut { after: 100, kept: 100 }; 9])).await;
    let content = vec![3; 1000];
    assert_eq!(upload(&shelf, &content).await.unwrap(), Uploaded::Sent);
    assert_eq!(shelf.received(), 1000);
}

/// A single byte and none have the same `Range`.
#[tokio::test]
async fn one_byte_is_not_sent_twice() {
    for (kept, silent) in [(1, false), (0, false), (1, true)] {
        let faults = [Fault::Cut { after: 1, kept }].into();
        let shelf = Shelf::start(Habits { faults, silent, ..Habits::default() }).await;
        assert_eq!(upload(&shelf, b"0123456789").await.unwrap(), Uploaded::Sent);
        assert_eq!(shelf.blob(b"0123456789").unwrap(), b"0123456789");
    }
}

#[tokio::test]
async fn what_was_stored_without_an_answer_is_not_sent_again() {
    let shelf = Shelf::start(with([Fault::Deaf])).await;
    assert_eq!(upload(&shelf, b"0123456789").await.unwrap(), Uploaded::Sent);
    assert_eq!(asked(&shelf), ["HEAD sha256", "POST ", "PUT u1", "GET u1", "HEAD sha256"]);
}

#[tokio::test]
async fn an_upload_that_was_forgotten_begins_anew_but_not_for_ever() {
    let shelf = Shelf::start(with([Fault::Amnesia, Fault::Amnesia])).await;
    assert_eq!(upload(&shelf, b"0123456789").await.unwrap(), Uploaded::Sent);
    tokio::time::pause();
    let shelf = Shelf::start(with([Fault::Amnesia; 5])).await;
    let error = upload(&shelf, b"0123456789").await.unwrap_err();
    assert!(matches!(error, ClientError::Egress(EgressError::Broken(_))), "{error:?}");
}

#[tokio::test]
async fn what_is_too_large_goes_in_pieces_that_fit_and_the_next_blob_knows() {
    let mut content = vec![7; 3 << 20];
    let shelf = Shelf::start(Habits { largest: Some(1 << 20), ..Habits::default() }).await;
    let client = client(&shelf.fake);
    assert_eq!(send(&client, &content).await.unwrap(), Uploaded::Sent);
    assert_eq!(shelf.blob(&content).unwrap(), content);
    let lines = asked(&shelf);
    assert_eq!(lines[2..4], ["PUT u1", "PATCH u1"]);
    content[0] = 8;
    assert_eq!(send(&client, &content).await.unwrap(), Uploaded::Sent);
    assert!(shelf.fake.take().iter().all(|asked| asked.body.len() <= 1 << 20));
    assert_eq!(shelf.received(), 2 * content.len());
}

#[tokio::test]
async fn who_takes_nothing_at_all_is_told_with_the_size() {
    let shelf = Shelf::start(Habits { largest: Some(1000), ..Habits::default() }).await;
    let error = upload(&shelf, &vec![0; 600_000]).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { sent: 262_144 }), "{error:?}");
    assert!(error.to_string().contains("client_max_body_size"));
    assert_eq!(asked(&shelf).last().unwrap(), "DELETE u1");
    assert_eq!(shelf.open_uploads(), 0);
    // Pieces that are large enough for the registry are too large for the proxy before it.
    let habits = Habits { largest: Some(1 << 20), smallest: Some(2 << 20), ..Habits::default() };
    let error = upload(&Shelf::start(habits).await, &vec![0; 3 << 20]).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn pieces_are_as_large_as_the_registry_wants() {
    let content = vec![7; 5 << 20];
    let habits = Habits { largest: Some(3 << 20), smallest: Some(2 << 20), ..Habits::default() };
    let shelf = Shelf::start(habits).await;
    // The room that is tried (1.25 MiB) is less than the least that is taken.
    let error = upload(&shelf, &content).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { .. }), "{error:?}");
    let habits = Habits { largest: Some(9 << 20), smallest: Some(2 << 20), ..Habits::default() };
    let shelf = Shelf::start(habits).await;
    let content = vec![7; 33 << 20];
    assert_eq!(upload(&shelf, &content).await.unwrap(), Uploaded::Sent);
    let sizes: Vec<_> = shelf.fake.take().iter().map(|asked| asked.body.len() >> 20).collect();
    assert_eq!(sizes.iter().filter(|size| **size == 8).count(), 4, "{sizes:?}");
}

#[tokio::test]
async fn who_answers_loosely_is_understood() {
    for habits in [
        Habits { unit: true, ..Habits::default() },
        Habits { bare: true, ..Habits::default() },
        Habits { silent: true, ..Habits::default() },
        Habits { closing: Some(202), ..Habits::default() },
        Habits { closing: Some(204), ..Habits::default() },
    ] {
        let habits = Habits { faults: [Fault::Cut { after: 3, kept: 2 }].into(), ..habits };
        let shelf = Shelf::start(habits.clone()).await;
        assert_eq!(upload(&shelf, b"0123456789").await.unwrap(), Uploaded::Sent, "{habits:?}");
        assert_eq!(shelf.blob(b"0123456789").unwrap(), b"0123456789");
    }
}

#[tokio::test]
async fn trouble_that_passes_is_borne_and_trouble_that_stays_is_told() {
    tokio::time::pause();
    let shelf = Shelf::start(with([503, 429, 408, 500].map(Fault::Status))).await;
    assert_eq!(upload(&shelf, b"0123456789").await.unwrap(), Uploaded::Sent);
    let shelf = Shelf::start(with([Fault::Status(503); 5])).await;
    let error = upload(&shelf, b"0123456789").await.unwrap_err();
    assert!(matches!(error, ClientError::Server { .. }), "{error:?}");
    let shelf = Shelf::start(with([Fault::Status(403)])).await;
    let error = upload(&shelf, b"0123456789").await.unwrap_err();
    assert!(matches!(error, ClientError::Denied { .. }), "{error:?}");
    assert_eq!(shelf.open_uploads(), 0, "what is given up is taken away");
}

/// Content that cannot be read from some place on.
struct Damaged;

impl Content for Damaged {
    fn size(&self) -> u64 {
        10
    }

    fn read_from(&self, _: u64) -> BoxFuture<'_, std::io::Result<Pieces>> {
        async {
            let error = std::io::Error::other("the disk is gone");
            let pieces = [Ok(Bytes::from_static(b"01234")), Err(error)];
            Ok(futures_util::StreamExt::boxed(futures_util::stream::iter(pieces)))
        }
        .boxed()
    }
}

#[tokio::test]
async fn content_that_cannot_be_read_is_told_as_such_and_at_once() {
    let shelf = Shelf::start(Habits::default()).await;
    let error = client(&shelf.fake).upload("a/b", &digest("0123456789")).send(&Damaged).await.unwrap_err();
    assert!(matches!(&error, ClientError::Content(why) if why.to_string().contains("disk")), "{error:?}");
    assert_eq!(shelf.open_uploads(), 0);
}

#[tokio::test]
async fn content_with_another_digest_is_refused_in_the_words_of_the_registry() {
    let shelf = Shelf::start(Habits::default()).await;
    let content = Bytes::from_static(b"something else");
    let error = client(&shelf.fake).upload("a/b", &digest("it")).send(&content).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused { code, .. } if code == "DIGEST_INVALID"), "{error:?}");
    assert!(error.to_string().contains("did not match"), "{error}");
}

#[tokio::test]
async fn a_file_is_sent_and_the_progress_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer");
    let content = vec![9; 600_000];
    std::fs::write(&path, &content).unwrap();
    let shelf = Shelf::start(with([Fault::Cut { after: 100_000, kept: 100_000 }])).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let file = FileContent::new(&path).await.unwrap();
    let client = client(&shelf.fake);
    let digest = digest(&content);
    let upload = client.upload("a/b", &digest).watched(Arc::new(move |at| heard.lock().unwrap().push(at)));
    assert_eq!(upload.send(&file).await.unwrap(), Uploaded::Sent);
    assert_eq!(shelf.blob(&content).unwrap(), content);
    assert_eq!(told.lock().unwrap().last(), Some(&600_000));
}

#[tokio::test]
async fn a_mount_sends_nothing_and_one_that_is_refused_costs_nothing() {
    for (status, mounted) in
        [(201, true), (202, false), (400, false), (403, false), (404, false), (405, false)]
    {
        let fake = Fake::start(move |asked| match asked.method.as_str() {
            "HEAD" => Reply::new(404, &[], ""),
            "POST" if asked.target.contains("mount=") => {
                Reply::new(status, &[("location", "/v2/a/b/blobs/uploads/mount")], "")
            }
            "POST" => Reply::new(202, &[("location", "/v2/a/b/blobs/uploads/plain")], ""),
            _ => Reply::new(201, &[], ""),
        })
        .await;
        let (client, digest) = (client(&fake), digest("blob"));
        let upload = client.upload("a/b", &digest).mounted_from("c/d");
        let uploaded = upload.send(&Bytes::from_static(b"blob")).await.unwrap();
        assert_eq!(uploaded == Uploaded::Mounted, mounted, "{status}");
        let lines = fake.lines();
        let mount = format!("POST /v2/a/b/blobs/uploads/?mount=sha256%3A{}&from=c%2Fd", digest.hex());
        assert_eq!(lines[1], mount);
        assert_eq!(lines.len(), [3, 2][usize::from(mounted)] + usize::from(status >= 400), "{lines:?}");
    }
}

#[tokio::test]
async fn a_mount_asks_for_both_repositories_in_one_token() {
    let fake = Fake::start(|asked| match super::authorization(asked) {
        super::ALICE => Reply::new(200, &[], "{\"token\":\"t\"}"),
        "" => challenge("Bearer realm=\"/token\",service=\"s\""),
        _ if asked.method == "HEAD" => Reply::new(404, &[], ""),
        _ => Reply::new(201, &[], ""),
    })
    .await;
    let client = Client::new(ClientOptions { credentials: Some(alice()), ..options(&fake) }).unwrap();
    let digest = digest("blob");
    let upload = client.upload("a/b", &digest).mounted_from("c");
    assert_eq!(upload.send(&Bytes::from_static(b"blob")).await.unwrap(), Uploaded::Mounted);
    let tokens: Vec<_> = seen(&fake).into_iter().filter(|line| line.contains("/token")).collect();
    let push = "scope=repository%3Aa%2Fb%3Apull%2Cpush";
    let expected = [
        format!("GET /token?{push}&service=s&account=alice {}", super::ALICE),
        format!("GET /token?{push}&scope=repository%3Ac%3Apull&service=s&account=alice {}", super::ALICE),
    ];
    assert_eq!(tokens, expected);
}

#[tokio::test]
async fn another_origin_gets_the_bytes_and_no_credentials() {
    let storage = Fake::start(|_| Reply::new(201, &[], "")).await;
    let location = format!("http://{}/put?signature=1", storage.address);
    let fake = Fake::start(move |asked| match (asked.method.as_str(), super::authorization(asked)) {
        (_, "") => challenge("Basic realm=\"x\""),
        ("HEAD", _) => Reply::new(404, &[], ""),
        _ => Reply::new(202, &[("location", &location)], ""),
    })
    .await;
    let client = Client::new(ClientOptions { credentials: Some(alice()), ..options(&fake) }).unwrap();
    assert_eq!(send(&client, b"blob").await.unwrap(), Uploaded::Sent);
    let put = format!("PUT /put?signature=1&digest=sha256%3A{}", digest("blob").hex());
    assert_eq!(seen(&storage), [put]);
}

#[tokio::test]
async fn a_redirect_takes_no_body_along() {
    let sink = Fake::sink("127.0.0.1:0").await;
    let to = format!("http://{}/", sink.address);
    for method in ["POST", "PUT"] {
        let to = to.clone();
        let fake = Fake::start(move |asked| match asked.method.as_str() {
            "HEAD" => Reply::new(404, &[], ""),
            asked if asked == method => Reply::new(307, &[("location", &to)], ""),
            "POST" => Reply::new(202, &[("location", "/v2/u")], ""),
            _ => Reply::new(204, &[], ""),
        })
        .await;
        let error = send(&client(&fake), b"blob").await.unwrap_err();
        assert!(matches!(error, ClientError::Unexpected { .. }), "{error:?}");
    }
    assert_eq!(sink.connections(), 0);
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => (0..3000_usize, 0..3000_usize).prop_map(|(after, kept)| Fault::Cut { after, kept }),
        1 => Just(Fault::Deaf),
        1 => Just(Fault::Status(503)),
        1 => Just(Fault::Amnesia),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn an_upload_that_is_cut_anywhere_stores_exactly_the_right_bytes(
        content in proptest::collection::vec(any::<u8>(), 0..3000),
        faults in proptest::collection::vec(fault(), 0..6),
        (unit, bare, silent) in any::<(bool, bool, bool)>(),
    ) {
        let habits = Habits { unit, bare, silent, ..with(faults.clone()) };
        let (got, blob) = in_a_runtime(async {
            let shelf = Shelf::start(habits).await;
            (upload(&shelf, &content).await, shelf.blob(&content))
        });
        match got {
            Ok(_) => prop_assert_eq!(blob, Some(content)),
            // Five failures in a row are borne by nobody, nor is one who forgets each time.
            Err(error) => prop_assert!(faults.len() >= 5, "{:?}", error),
        }
    }
}
