//! Manifests, lists of tags and of referrers: what is taken, and what is not.

use berth_oci::Reference;

use super::fake::{Fake, Reply, Then};
use super::{MANIFEST, OCI, client, digest, head, latest, manifest};
use crate::{ClientError, FetchedManifest, ManifestHead, Patience};

async fn get(reply: Reply, at: &Reference) -> Result<FetchedManifest, ClientError> {
    let fake = Fake::start(move |_| reply.clone()).await;
    client(&fake).get_manifest("a/b", at, Patience::Short).await
}

#[tokio::test]
async fn a_manifest_is_what_its_digest_says() {
    let fake = Fake::start(manifest).await;
    let client = client(&fake);
    let head = client.head_manifest("a/b", &latest(), Patience::Long).await.unwrap();
    let (digest, size) = (digest(MANIFEST), Some(MANIFEST.len() as u64));
    assert_eq!(head, ManifestHead { digest: Some(digest.clone()), media_type: OCI.into(), size });
    for at in [latest(), digest.clone().into()] {
        let fetched = client.get_manifest("a/b", &at, Patience::Long).await.unwrap();
        let expected =
            FetchedManifest { digest: digest.clone(), media_type: OCI.into(), content: MANIFEST.into() };
        assert_eq!(fetched, expected);
    }
    let asked = fake.take().remove(1);
    assert_eq!(asked.target, "/v2/a/b/manifests/latest");
    assert!(asked.headers["accept"].contains(OCI) && asked.headers["accept"].contains("manifest.list.v2"));
    assert_eq!(asked.headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn bytes_that_do_not_have_the_digest_are_no_manifest() {
    let other = digest("other").to_string();
    let lying = Reply::new(200, &[("docker-content-digest", &other)], MANIFEST);
    for (reply, at) in [
        (lying.clone(), latest()),
        (lying, digest(MANIFEST).into()),
        (Reply::new(200, &[], "{\"schemaVersion\":3}"), digest(MANIFEST).into()),
        (Reply::new(200, &[("docker-content-digest", &other)], "other"), digest(MANIFEST).into()),
        (Reply::new(200, &[], "<html>"), digest(MANIFEST).into()),
        (Reply::new(200, &[], ""), digest(MANIFEST).into()),
    ] {
        let shown = format!("{reply:?} {at}");
        let error = get(reply, &at).await.unwrap_err();
        assert!(matches!(error, ClientError::Useless { .. }) && error.is_away(), "{shown}: {error:?}");
    }
    // Who says no digest, or none that can be read, is believed by the bytes.
    for headers in [&[][..], &[("docker-content-digest", "sha256:x")], &[("docker-content-digest", "")]] {
        let fetched = get(Reply::new(200, headers, MANIFEST), &latest()).await.unwrap();
        assert_eq!((fetched.digest, fetched.media_type.as_str()), (digest(MANIFEST), ""));
    }
}

/// By tag there was nothing to compare with, and packed bytes passed for a manifest.
#[tokio::test]
async fn what_was_packed_on_the_way_is_no_manifest() {
    let packed = Reply::new(200, &[("content-encoding", "gzip")], "\u{1f}");
    assert!(matches!(get(packed, &latest()).await, Err(ClientError::Useless { .. })));
    let identity = Reply::new(200, &[("content-encoding", "Identity")], MANIFEST);
    assert_eq!(get(identity, &latest()).await.unwrap().content, MANIFEST);
}

#[tokio::test]
async fn a_manifest_has_at_most_four_mebibytes() {
    let largest = " ".repeat(4 << 20);
    let larger = format!("{largest} ");
    let chunked = |text: &str| {
        let body = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
        Reply::new(200, &[("transfer-encoding", "chunked")], body)
    };
    for fits in [Reply::new(200, &[], &largest), chunked(&largest)] {
        assert_eq!(get(fits, &latest()).await.unwrap().content.len(), 4 << 20);
    }
    let announced = Reply::new(200, &[("content-length", "4194305")], "").then(Then::Hang);
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).into_bytes();
    let endless = Reply::new(200, &[("transfer-encoding", "chunked")], "");
    for too_large in [
        Reply::new(200, &[], &larger),
        chunked(&larger),
        announced,
        endless.then(Then::Again(piece, std::time::Duration::ZERO)),
    ] {
        let error = get(too_large, &latest()).await.unwrap_err();
        assert!(error.to_string().contains("larger than 4 MiB"), "{error:?}");
        assert!(matches!(error, ClientError::Useless { .. }));
    }
}

/// A cut in the body was told at once, though one more try would have had it.
#[tokio::test]
async fn a_manifest_that_is_cut_is_asked_for_again() {
    let times = std::sync::atomic::AtomicUsize::new(0);
    let fake = Fake::start(move |asked| match times.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => manifest(asked).cut(7),
        _ => manifest(asked),
    })
    .await;
    let fetched = client(&fake).get_manifest("a/b", &latest(), Patience::Long).await.unwrap();
    assert_eq!((fetched.content.as_ref(), fake.lines().len()), (MANIFEST.as_bytes(), 2));
}

#[tokio::test]
async fn tags_come_in_pages() {
    let fake = Fake::start(|asked| match asked.target.as_str() {
        "/v2/a/b/tags/list?n=2" => {
            let next = "</v2/a/b/tags/list?n=2&last=b>; rel=\"next\"";
            Reply::new(200, &[("link", next)], r#"{"name":"a/b","tags":["a","b"]}"#)
        }
        "/v2/a/b/tags/list?n=2&last=b%26x" => Reply::new(200, &[], r#"{"tags":null}"#),
        "/v2/c/tags/list?n=2" => Reply::new(200, &[], "<html>"),
        _ => Reply::new(404, &[], ""),
    })
    .await;
    let client = client(&fake);
    let page = client.tags("a/b", 2, "").await.unwrap();
    assert_eq!((page.tags, page.more), (vec!["a".to_owned(), "b".to_owned()], true));
    let page = client.tags("a/b", 2, "b&x").await.unwrap();
    assert_eq!((page.tags.len(), page.more), (0, false));
    assert!(matches!(client.tags("c", 2, "").await, Err(ClientError::Useless { .. })));
    assert!(matches!(client.tags("d", 2, "").await, Err(ClientError::NotFound)));
}

#[tokio::test]
async fn referrers_are_read_as_they_are() {
    let list = r#"{"schemaVersion":2,"manifests":[]}"#;
    let fake = Fake::start(move |asked| match asked.target.starts_with("/v2/a/b/referrers/sha256:") {
        true => Reply::new(200, &[], list),
        false => Reply::new(404, &[], ""),
    })
    .await;
    let client = client(&fake);
    assert_eq!(client.referrers("a/b", &digest("x")).await.unwrap(), list);
    assert!(matches!(client.referrers("c", &digest("x")).await, Err(ClientError::NotFound)));
}

/// The sign-in page of a network in a hotel was taken for a manifest, and had a digest.
#[tokio::test]
async fn a_web_page_is_no_manifest() {
    let page = [("content-type", "text/html; charset=utf-8")];
    let fake = Fake::start(move |_| Reply::new(200, &page, "<html>Welcome</html>")).await;
    for error in [
        head(&client(&fake)).await.map(drop).unwrap_err(),
        client(&fake).get_manifest("a/b", &latest(), Patience::Long).await.map(drop).unwrap_err(),
        client(&fake).sign_in().await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, ClientError::Useless { .. }), "{error:?}");
    }
    // quay.io's, which is no page for all that.
    let fake = Fake::start(move |_| Reply::new(200, &page, "true")).await;
    assert!(!client(&fake).sign_in().await.unwrap().verified);
}
