//! Refusals below `/api/`: always a problem, and who is refused.

use serde_json::json;

use crate::town::{Reply, Town, basic, basic_with};

fn problem(reply: &Reply, status: u16) {
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (status, "application/problem+json"),
        "{reply:?}"
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    let problem = reply.json();
    assert_eq!((&problem["type"], &problem["status"]), (&json!("about:blank"), &json!(status)));
    assert!(problem["title"].is_string() && !problem["detail"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem() {
    let town = Town::new().await;
    let root = basic("root-of-all");
    for path in ["/api/", "/api/v2/users", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/users/a/b/c"] {
        problem(&town.get(path, &root).await, 404);
        let head = town.ask("HEAD", path, &root, b"").await;
        assert_eq!((head.status, head.body.len()), (404, 0));
    }
    let refused = town.ask("PUT", "/api/v1/users/alice", &root, b"{}").await;
    problem(&refused, 405);
    assert_eq!(refused.header("allow"), "GET, PATCH, DELETE, HEAD");
    for credentials in [basic_with("alice", "wrong password"), "Bearer x".to_owned(), "Digest y".to_owned()] {
        let refused = town.get("/api/v1/me", &credentials).await;
        problem(&refused, 401);
        assert!(refused.header("www-authenticate").starts_with("Basic "));
    }
    for (body, status) in [("{", 400), ("[]", 400), ("{\"name\":1}", 400), ("{\"name\":\"x\",\"x\":1}", 400)]
    {
        problem(&town.ask("POST", "/api/v1/teams", &root, body.as_bytes()).await, status);
    }
    for (query, detail) in [("limit=x", "\"x\" is no number"), ("after=x", "\"x\" is no number")] {
        let refused = town.get(&format!("/api/v1/tokens?{query}"), &root).await;
        problem(&refused, 400);
        assert_eq!(refused.json()["detail"], detail);
    }
    problem(&town.get("/api/v1/trash?after=x", &root).await, 400);
    town.push("acme/app").await;
    problem(&town.ask("DELETE", "/api/v1/repositories/acme/app?dry_run=yes", &root, b"").await, 400);
    assert_eq!(town.get("/api/v1/repositories/acme/app", &root).await.status, 200, "nothing was deleted");
    let long = "a".repeat(2 << 20);
    problem(&town.ask("POST", "/api/v1/users/import-htpasswd", &root, long.as_bytes()).await, 413);
    problem(&town.ask("POST", "/api/v1/users/import-htpasswd", &root, b"\xff").await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_said_to_be_something_else_is_not_json() {
    let town = Town::new().await;
    let root = basic("root-of-all");
    for (media_type, status) in [
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("application/jsonx", 415),
        ("", 415),
    ] {
        let headers = [("authorization", &*root), ("content-type", media_type)];
        let body = json!({ "name": format!("t{}", media_type.len()) }).to_string();
        let reply = town.send("POST", "/api/v1/teams", &headers, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{media_type}");
        if status != 201 {
            problem(&reply, 415);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_page_changes_nothing_whatever_the_browser_tells() {
    let town = Town::new().await;
    let root = basic("root-of-all");
    for (i, (origin, status)) in [
        ("http://r.example:5000", 201),
        ("HTTP://R.example:5000", 201),
        ("http://r.example", 403),
        ("https://r.example:5000", 403),
        ("http://evil.example", 403),
        ("http://r.example:5000.evil.example", 403),
        ("null", 403),
        ("", 403),
    ]
    .into_iter()
    .enumerate()
    {
        let headers = [("authorization", &*root), ("origin", origin)];
        let body = json!({ "name": format!("team-{i}") }).to_string();
        let reply = town.send("POST", "/api/v1/teams", &headers, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{origin}");
        if status == 403 {
            problem(&reply, 403);
        }
        let read = town.send("GET", "/api/v1/me", &headers, b"").await;
        assert_eq!(read.status, 200);
        assert!(!read.headers.contains_key("access-control-allow-origin"), "its page cannot read this");
    }
    let both =
        [("authorization", &*root), ("origin", "http://r.example:5000"), ("sec-fetch-site", "same-site")];
    problem(&town.send("POST", "/api/v1/teams", &both, br#"{"name":"t"}"#).await, 403);
    let program = town.ask("POST", "/api/v1/teams", &root, br#"{"name":"by-curl"}"#).await;
    assert_eq!(program.status, 201, "programs send neither header");
}
