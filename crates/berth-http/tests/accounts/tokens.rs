//! The token server (quirks 2, 4, 5, 14).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::town::{PASSWORD, Reply, Town, basic, basic_with};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

impl Town {
    async fn post(&self, form: &str) -> Reply {
        self.send("POST", "/token", &[FORM], form.as_bytes()).await
    }
}

/// What a token was issued for, name by name.
fn access(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let entry = |entry: &Value| {
        let actions: Vec<_> =
            entry["actions"].as_array().unwrap().iter().map(|action| action.as_str().unwrap()).collect();
        format!("{}:{}", entry["name"].as_str().unwrap(), actions.join(","))
    };
    claims["access"].as_array().unwrap().iter().map(entry).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_4_the_answer_is_what_every_client_reads() {
    let town = Town::new().await;
    let reply = town.get("/token?account=alice&client_id=docker&service=berth", &basic("alice")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    assert_eq!(reply.header("cache-control"), "no-store");
    let body = reply.json();
    assert_eq!(body["token"], body["access_token"]);
    assert!(body["expires_in"].as_u64().is_some_and(|seconds| seconds >= 60));
    let issued = body["issued_at"].as_str().unwrap();
    assert!(issued.len() == 20 && issued.ends_with('Z') && issued.as_bytes()[10] == b'T', "{issued}");
    assert!(body.get("refresh_token").is_none(), "nobody asked for it");
    let scopes: Vec<_> =
        (0..20).map(|n| format!("scope=repository:alice/{}-{n}:pull,push", "x".repeat(100))).collect();
    let reply = town.get(&format!("/token?{}", scopes.join("&")), &basic("alice")).await;
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    assert!(token.len() < 8000, "{}", token.len());
    assert_eq!(town.get("/v2/", &format!("Bearer {token}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_2_anonymous_tokens_hold_what_everybody_may() {
    let town = Town::new().await;
    town.push("alice/public").await;
    town.push("alice/private").await;
    town.open("alice/public").await;
    let reply = town
        .get("/token?scope=repository:alice/public:pull,push&scope=repository:alice/private:pull", "")
        .await;
    assert_eq!(access(&reply), ["alice/private:", "alice/public:pull"]);
    let missing = town.get("/token?scope=repository:alice/missing:pull", "").await;
    assert_eq!(access(&missing), ["alice/missing:"], "as one that is private");
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_14_scopes_of_any_shape() {
    let town = Town::new().await;
    let alice = basic("alice");
    for (query, expected) in [
        ("scope=repository:alice/a:pull", &["alice/a:pull"][..]),
        ("scope=repository:alice/a:pull+repository:alice/b:push", &["alice/a:pull", "alice/b:push"]),
        ("scope=repository:alice/a:pull%20repository:alice/b:push", &["alice/a:pull", "alice/b:push"]),
        ("scope=repository:alice/a:pull&scope=repository:alice/a:push,pull", &["alice/a:pull,push"]),
        ("scope=repository:alice/a:*", &["alice/a:pull,push,delete,admin"]),
        ("scope=repository(plugin):alice/a:pull", &["alice/a:pull"]),
        ("scope=repository%3Aalice%2Fa%3Apull%2Cdelete", &["alice/a:pull,delete"]),
        ("scope=repository:bob/a:pull,push", &["bob/a:"]),
        ("scope=repository:localhost:5000/alice/a:pull", &[]),
        ("scope=registry:catalog:*", &["catalog:pull"]),
        ("scope=registry:catalog:search", &["catalog:pull"]),
        ("scope=nonsense&scope=&scope=a:b:c:d", &[]),
        ("", &[]),
    ] {
        assert_eq!(access(&town.get(&format!("/token?{query}"), &alice).await), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_5_two_ways_to_the_same_token() {
    let town = Town::new().await;
    let scope = "scope=repository%3Aalice%2Fa%3Apull%2Cpush";
    let by_get = town.get(&format!("/token?{scope}"), &basic("alice")).await;
    let form = format!(
        "grant_type=password&username=alice&password={}&service=berth&{scope}",
        PASSWORD.replace(' ', "+")
    );
    assert_eq!(access(&by_get), access(&town.post(&form).await));
    for (form, message) in [
        ("grant_type=password&username=alice&password=wrong+password", "incorrect username or password"),
        (
            "grant_type=password&username=nobody-here&password=wrong+password",
            "incorrect username or password",
        ),
        ("grant_type=refresh_token&refresh_token=berth_nonsense", "incorrect username or password"),
        ("grant_type=authorization_code&code=x", "unsupported grant type"),
        ("", "unsupported grant type"),
        ("\u{0}&&&=", "unsupported grant type"),
    ] {
        let refused = town.post(form).await;
        assert_eq!(refused.status, 401, "never 400, 403 or 415: {form}");
        assert_eq!(refused.json()["errors"][0]["message"], message, "{form}");
        assert_eq!(refused.code(), "UNAUTHORIZED");
    }
    let bearer = town.bearer(&basic("alice"), &["repository:alice/a:pull"]).await;
    let renewed = town.get("/token?scope=repository:alice/a:pull,push", &bearer).await;
    assert_eq!(renewed.status, 401, "a bearer token gets no other one");
    let refused = town.get("/token", &basic_with("alice", "wrong password")).await;
    assert_eq!(refused.json()["errors"][0]["message"], "incorrect username or password");
    assert_eq!(town.send("PUT", "/token", &[], b"").await.status, 405);
    assert_eq!(town.send("POST", "/token", &[FORM], &vec![b'a'; 100_000]).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_keeps_for_a_password_works_until_it_is_revoked() {
    let town = Town::new().await;
    let kept = town.get("/token?offline_token=true&client_id=docker", &basic("alice")).await.json();
    let kept = kept["refresh_token"].as_str().expect("a token to keep").to_owned();
    let form = format!("grant_type=refresh_token&refresh_token={kept}&scope=repository:alice/a:pull,push");
    assert_eq!(access(&town.post(&form).await), ["alice/a:pull,push"]);
    let narrow = town.token("alice", "pull", &["alice/a"]).await;
    let form = format!(
        "grant_type=password&username=x&password={}&scope=repository:alice/a:pull,push&access_type=offline",
        narrow.reveal()
    );
    let reply = town.post(&form).await;
    assert_eq!(access(&reply), ["alice/a:pull"], "a narrowed token stays narrow");
    assert!(reply.json().get("refresh_token").is_none(), "and gets no other one");
    let tokens = town.get("/api/v1/tokens", &basic("alice")).await.json();
    let login =
        tokens["tokens"].as_array().unwrap().iter().find(|token| token["kind"] == "login").unwrap().clone();
    assert_eq!(login["name"], "login of docker");
    let revoked = town.ask("DELETE", &format!("/api/v1/tokens/{}", login["id"]), &basic("alice"), b"").await;
    assert_eq!(revoked.status, 204);
    let form = format!("grant_type=refresh_token&refresh_token={kept}");
    assert_eq!(town.post(&form).await.status, 401);
}
