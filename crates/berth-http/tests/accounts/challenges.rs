//! Who is asked for a name, and in which words (quirks 1, 3, 6, 18, 28, 31).

use berth_auth::{NewUser, Secret};
use berth_registry::WithoutAccounts;

use crate::town::{PASSWORD, Town, basic, basic_with, digest};

const REALM: &str = "Bearer realm=\"http://r.example:5000/token\",service=\"berth\"";

#[tokio::test(flavor = "multi_thread")]
async fn quirk_1_the_ping_always_challenges_and_a_token_opens_it() {
    let town = Town::new().await;
    town.push("alice/public").await;
    town.open("alice/public").await;
    for target in ["/v2/", "/v2"] {
        let reply = town.get(target, "").await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, REALM), "{target}");
        assert_eq!(reply.header("docker-distribution-api-version"), "registry/2.0");
        assert_eq!(reply.code(), "UNAUTHORIZED");
        for good in [basic("alice"), town.bearer("", &[]).await, town.bearer(&basic("bob"), &[]).await] {
            let reply = town.get(target, &good).await;
            assert_eq!((reply.status, reply.json()), (200, serde_json::json!({})));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_6_refusals_keep_their_words() {
    let town = Town::new().await;
    town.push("alice/public").await;
    town.open("alice/public").await;
    let push = "/v2/alice/public/blobs/uploads/";
    let scope = format!("{REALM},scope=\"repository:alice/public:pull,push\"");
    let nobody = town.ask("POST", push, "", b"").await;
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, scope.as_str()));
    let bearer = town.bearer(&basic("bob"), &["repository:alice/public:pull,push"]).await;
    let refused = town.ask("POST", push, &bearer, b"").await;
    let expected = format!("{scope},error=\"insufficient_scope\"");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, expected.as_str()));
    let refused = town.ask("POST", push, &basic("bob"), b"").await;
    assert_eq!(
        (refused.status, refused.code().as_str(), refused.header("www-authenticate")),
        (403, "DENIED", "")
    );
    let error = &refused.json()["errors"][0];
    assert_eq!(error["message"], "requested access to the resource is denied");
    assert_eq!(error["detail"]["missing"], "push", "who can see it may know what is missing");
    let hidden = town.ask("POST", "/v2/alice/private/blobs/uploads/", &basic("bob"), b"").await;
    assert_eq!(hidden.json()["errors"][0]["detail"].get("missing"), None);
    let delete = town.ask("DELETE", "/v2/alice/public/manifests/1.0", "", b"").await;
    assert!(delete.header("www-authenticate").contains("scope=\"repository:alice/public:delete\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_repository_is_pulled_without_and_with_an_anonymous_token() {
    let town = Town::new().await;
    town.push("alice/public").await;
    town.open("alice/public").await;
    let bearer = town.bearer("", &["repository:alice/public:pull"]).await;
    for authorization in ["", &bearer, &basic("bob")] {
        assert_eq!(town.get("/v2/alice/public/manifests/1.0", authorization).await.status, 200);
        let blob = town.get(&format!("/v2/alice/public/blobs/{}", digest(b"{}")), authorization).await;
        assert_eq!(blob.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_28_the_catalog_asks_for_its_scope() {
    let town = Town::new().await;
    let expected = format!("{REALM},scope=\"registry:catalog:*\"");
    let reply = town.get("/v2/_catalog", "").await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, expected.as_str()));
    let bearer = town.bearer(&basic("alice"), &[]).await;
    let reply = town.get("/v2/_catalog", &bearer).await;
    let expected = format!("{expected},error=\"insufficient_scope\"");
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, expected.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_31_basic_straight_on_the_api() {
    let town = Town::new().await;
    for (authorization, status) in [
        (basic("alice"), 200),
        (basic_with("alice", "wrong password"), 401),
        (basic_with("nobody-here", PASSWORD), 401),
        ("Basic Og==".to_owned(), 401),
        ("Basic ???".to_owned(), 401),
        ("Negotiate abc".to_owned(), 401),
        (format!("Bearer {}", "a".repeat(20_000)), 401),
    ] {
        let reply = town.get("/v2/", &authorization).await;
        assert_eq!(reply.status, status, "{authorization:.40}");
        if status == 401 {
            assert!(reply.header("www-authenticate").starts_with(REALM), "{reply:?}");
        }
    }
    let wrong = town.get("/v2/", &basic_with("alice", "wrong again")).await;
    let unknown = town.get("/v2/", &basic_with("nobody-here", "wrong again")).await;
    assert_eq!(wrong.body, unknown.body, "known and unknown users look alike");
    let stale = town.get("/v2/", "Bearer aaaa.bbbb.cccc").await;
    assert!(stale.header("www-authenticate").ends_with(",error=\"invalid_token\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn quirk_18_an_upload_goes_on_with_another_token() {
    let town = Town::new().await;
    let first = town.bearer(&basic("alice"), &["repository:alice/app:pull,push"]).await;
    let begun = town.ask("POST", "/v2/alice/app/blobs/uploads/", &first, b"").await;
    let location = begun.header("location").to_owned();
    assert_eq!(town.ask("PATCH", &location, "Bearer ended", b"part").await.status, 401);
    assert_eq!(town.ask("PATCH", &location, &first, b"part").await.status, 202);
    let second = town.bearer(&basic("alice"), &["repository:alice/app:pull,push"]).await;
    let finish = format!("{location}?digest={}", digest(b"part and rest"));
    assert_eq!(town.ask("PUT", &finish, &second, b" and rest").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_answered_429_and_says_when_to_come_back() {
    let town = Town::new().await;
    let mut last = town.get("/v2/", "").await;
    for _ in 0..12 {
        last = town.get("/v2/", &basic_with("alice", "a wrong guess")).await;
    }
    assert_eq!((last.status, last.code().as_str()), (429, "TOOMANYREQUESTS"));
    let seconds: u64 = last.header("retry-after").parse().unwrap();
    assert!((1..=600).contains(&seconds));
    assert_eq!(town.get("/v2/", &basic("bob")).await.status, 200, "others are not held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_accounts_all_is_open_or_nothing_is() {
    let open = Town::empty(WithoutAccounts::Open).await;
    for authorization in ["", "Basic ???", "Bearer x"] {
        assert_eq!(open.get("/v2/", authorization).await.status, 200);
        assert_eq!(open.ask("POST", "/v2/a/blobs/uploads/", authorization, b"").await.status, 202);
    }
    let closed = Town::empty(WithoutAccounts::Closed).await;
    for target in ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v1/search?q=a"] {
        let reply = closed.get(target, "").await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "UNAVAILABLE"), "{target}");
    }
    let user = NewUser { name: "alice".parse().unwrap(), admin: true, password: Some(Secret::new(PASSWORD)) };
    for town in [open, closed] {
        town.accounts.add_user(user.clone(), &town.owner).await.unwrap();
        assert_eq!(town.get("/v2/", "").await.status, 401, "from the first account on everybody is asked");
        assert_eq!(town.get("/v2/", &basic("alice")).await.status, 200);
    }
}
