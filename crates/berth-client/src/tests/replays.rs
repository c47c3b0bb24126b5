//! The large registries as they answer: their challenges, tokens, addresses and budgets, with other hosts in place of
//! theirs.

use bytes::Bytes;

use super::fake::{Asked, Fake, Reply};
use super::{ALICE, alice, authorization, digest, manifest, options, seen};
use crate::{Client, ClientError, ClientOptions, Patience, Uploaded};

/// How a large registry is.
struct Large {
    /// Its challenge; `TOKENS` is the host for tokens, `SELF` its own, `SCOPE` what it wants.
    challenge: &'static str,
    /// What its token server says to somebody who signed in.
    granted: &'static str,
    /// Headers of its answers about manifests.
    manifests: &'static [(&'static str, &'static str)],
    /// Where an upload goes on, for `NAME` and with `SELF`.
    location: &'static str,
}

const HUB: Large = Large {
    challenge: "Bearer realm=\"http://TOKENS/token\",service=\"registry.docker.io\",scope=\"SCOPE\"",
    granted: r#"{"token":"t","access_token":"t","expires_in":300,"issued_at":"2026-11-26T10:00:00.123456789Z"}"#,
    manifests: &[
        ("docker-distribution-api-version", "registry/2.0"),
        ("ratelimit-limit", "100;w=21600"),
        ("ratelimit-remaining", "76;w=21600"),
        ("docker-ratelimit-source", "192.0.2.7"),
    ],
    location: "http://SELF/v2/NAME/blobs/uploads/5a6f4a1e?_state=k3Yx-_%3D%3D",
};
const QUAY: Large = Large {
    challenge: "Bearer realm=\"http://SELF/v2/auth\",service=\"SELF\",scope=\"SCOPE\"",
    granted: r#"{"token":"t"}"#,
    manifests: &[],
    location: "/v2/NAME/blobs/uploads/5a6f4a1e",
};
const GHCR: Large = Large {
    challenge: "Bearer realm=\"http://SELF/token\",service=\"SELF\",scope=\"SCOPE\"",
    granted: r#"{"token":"t"}"#,
    manifests: &[],
    // Another folder than the one that was asked.
    location: "/v2/NAME/blobs/upload/5a6f4a1e",
};

impl Large {
    /// The registry, and its host for tokens.
    async fn start(&'static self) -> (Fake, Fake) {
        let tokens = Fake::at("127.0.0.2:0", None, |asked| self.tokens(asked)).await;
        let storage = Fake::start(|_| Reply::new(200, &[], "blob")).await;
        let (at, cdn) = (tokens.address.to_string(), format!("http://{}/b?sig=x", storage.address));
        let registry = Fake::start(move |asked| match authorization(asked) {
            "Bearer t" => self.answer(asked, &cdn),
            _ if !asked.target.starts_with("/v2/a/") && asked.target != "/v2/" => self.tokens(asked),
            _ => {
                let challenge = self.challenge.replace("TOKENS", &at).replace("SELF", &asked.headers["host"]);
                super::challenge(&challenge.replace("SCOPE", "repository:a/b:pull"))
            }
        })
        .await;
        (registry, tokens)
    }

    fn tokens(&self, asked: &Asked) -> Reply {
        match authorization(asked) {
            ALICE => Reply::new(200, &[("content-type", "application/json")], self.granted),
            _ => Reply::new(401, &[], r#"{"details":"incorrect username or password"}"#),
        }
    }

    fn answer(&self, asked: &Asked, cdn: &str) -> Reply {
        let location = self.location.replace("SELF", &asked.headers["host"]).replace("NAME", "a/b");
        match asked.method.as_str() {
            "HEAD" if asked.target.contains("/manifests/") => {
                let reply = String::from_utf8(manifest(asked).bytes).unwrap();
                let mut more = String::new();
                self.manifests
                    .iter()
                    .for_each(|(name, value)| more.push_str(&format!("{name}: {value}\r\n")));
                Reply::raw(reply.replacen("\r\n", &format!("\r\n{more}"), 1), super::fake::Then::Keep)
            }
            "HEAD" => Reply::new(404, &[], ""),
            "GET" => Reply::new(307, &[("location", cdn)], ""),
            "POST" => Reply::new(202, &[("location", &location), ("range", "0-0")], ""),
            _ => Reply::new(201, &[("docker-content-digest", &digest("blob").to_string())], ""),
        }
    }
}

#[tokio::test]
async fn each_is_pulled_from_and_pushed_to() {
    for large in [&HUB, &QUAY, &GHCR] {
        let (registry, tokens) = large.start().await;
        let auth_hosts = vec![tokens.address.to_string()];
        let client =
            Client::new(ClientOptions { credentials: Some(alice()), auth_hosts, ..options(&registry) })
                .unwrap();
        client.head_manifest("a/b", &super::latest(), Patience::Long).await.unwrap();
        let rate = client.health().rate.map(|rate| (rate.limit, rate.remaining));
        assert_eq!(rate, Some((100, 76)).filter(|_| !large.manifests.is_empty()));
        let mut blob = client.get_blob("a/b", &digest("blob")).await.unwrap();
        assert_eq!(blob.next().await.unwrap().unwrap(), "blob");
        registry.take();
        let digest = digest("blob");
        let sent = client.upload("a/b", &digest).send(&Bytes::from_static(b"blob")).await.unwrap();
        assert_eq!(sent, Uploaded::Sent);
        let put = seen(&registry).pop().unwrap();
        let path = &large.location[large.location.find("/v2/").unwrap()..].replace("NAME", "a/b");
        let joint = if path.contains('?') { '&' } else { '?' };
        assert_eq!(put, format!("PUT {path}{joint}digest=sha256%3A{} Bearer t", digest.hex()));
    }
}

/// Docker Hub's words for who has pulled too much.
#[tokio::test]
async fn a_budget_that_is_used_up_is_told() {
    let body =
        r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
    let fake = Fake::start(move |_| Reply::new(429, &[("retry-after", "21600")], body)).await;
    let client = Client::new(options(&fake)).unwrap();
    let error = client.get_manifest("a/b", &super::latest(), Patience::Long).await.unwrap_err();
    assert!(matches!(error, ClientError::TooMany { retry_after: Some(wait) } if wait.as_secs() == 21600));
    assert_eq!(seen(&fake).len(), 1);
}
