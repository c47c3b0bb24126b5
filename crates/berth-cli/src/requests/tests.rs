//! What `--verbose` shows, of a registry with everything that is secret.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use berth_client::{Client, ClientOptions, Credentials, Patience, Reach, Secret};
use berth_oci::{Digest, Reference};
use tracing::dispatcher;

use super::shown;
use crate::tests::fake::{Asked, Fake, Reply};

/// `alice` and `pass-word`, as Basic has them.
const ALICE: &str = "Basic YWxpY2U6cGFzcy13b3Jk";
/// Everything that nobody may see.
const SECRETS: [&str; 6] = ["pass-word", "YWxpY2U6", "t0ken", "s1gnature", "st4te", "he4der"];

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn take(&self) -> String {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(std::mem::take(&mut bytes)).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A registry that wants a token, sends blobs to a signed address, and keeps a state in the addresses of uploads.
async fn registry() -> Fake {
    Fake::start(|asked: &Asked| {
        let sent = asked.headers.get("authorization").map_or("", String::as_str);
        let challenge = "Bearer realm=\"/token\",service=\"s\",scope=\"repository:a/b:pull\"";
        match (asked.method.as_str(), asked.target.split('?').next().unwrap_or_default(), sent) {
            ("GET", "/token", ALICE) => Reply::new(200, &[], "{\"token\":\"t0ken\"}"),
            ("GET", "/storage", "") => Reply::new(200, &[], "abc"),
            (_, _, "") => Reply::new(401, &[("www-authenticate", challenge)], ""),
            ("HEAD", ..) => Reply::new(404, &[], ""),
            ("GET", "/v2/a/b/tags/list", _) => Reply::new(200, &[], "{\"tags\":[]}"),
            ("POST", ..) => {
                Reply::new(202, &[("location", "/v2/a/b/blobs/uploads/1?_state=st4te"), ("range", "0-0")], "")
            }
            (_, target, _) if target.contains("/blobs/sha256") => {
                Reply::new(307, &[("location", "/storage?X-Amz-Signature=s1gnature")], "")
            }
            _ => Reply::new(404, &[], ""),
        }
    })
    .await
}

#[tokio::test]
async fn every_request_is_shown_and_no_secret() {
    let page = Page::default();
    let writer = page.clone();
    let _shown = dispatcher::set_default(&shown(move || writer.clone(), false).into());
    let fake = registry().await;
    let origin = format!("http://{}", fake.address).parse().unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("x-meta", "he4der".parse().unwrap());
    let client = Client::new(ClientOptions {
        credentials: Some(Credentials::password("alice", Secret::new("pass-word"))),
        reach: Reach::Private,
        headers,
        ..ClientOptions::new(origin)
    })
    .unwrap();
    client.all_tags("a/b").unwrap().all().await.unwrap();
    let digest = Digest::sha256(b"abc");
    client.get_blob("a/b", &digest).await.unwrap();
    let missing: Reference = "missing".parse().unwrap();
    client.head_manifest("a/b", &missing, Patience::Long).await.unwrap_err();
    let blob = berth_client::FileContent::new(file(b"abc").path()).await.unwrap();
    let _ = client.upload("a/b", &digest).send(&blob).await;
    let text = page.take();
    let asked = fake.lines();
    assert!(asked.iter().any(|line| line.contains("_state=st4te")), "{asked:?}");
    assert_eq!(text.lines().count(), asked.len(), "{text}\n{asked:?}");
    for part in [
        "/v2/a/b/tags/list?n=1000 -> 401 after ",
        "/token?scope=repository%3Aa%2Fb%3Apull&service=s&account=alice -> 200 after ",
        "/v2/a/b/tags/list?n=1000 -> 200 after ",
        "/storage?X-Amz-Signature=… -> 200 after ",
        "HEAD http://",
        "/v2/a/b/manifests/missing -> 404 after ",
        "/v2/a/b/blobs/uploads/1?_state=…",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}
