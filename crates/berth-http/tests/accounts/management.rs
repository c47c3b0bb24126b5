//! The management API: what it takes, what it refuses, and in which form.

use serde_json::{Value, json};

use crate::town::{PASSWORD, Reply, Town, basic, basic_with};

impl Town {
    async fn manage(&self, method: &str, path: &str, user: &str, document: &Value) -> Reply {
        let authorization = if user.is_empty() { String::new() } else { basic(user) };
        self.ask(method, &format!("/api/v1/{path}"), &authorization, document.to_string().as_bytes()).await
    }
}

/// A refusal of that status, in the form of a problem.
fn refused(reply: &Reply, status: u16) -> String {
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (status, "application/problem+json"),
        "{reply:?}"
    );
    let problem = reply.json();
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["type"].is_string());
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_a_name_and_others_are_told_that_they_may_not() {
    let town = Town::new().await;
    for (method, path) in [
        ("GET", "users"),
        ("POST", "users"),
        ("DELETE", "users/alice"),
        ("GET", "me"),
        ("GET", "teams"),
        ("GET", "tokens"),
        ("GET", "grants"),
        ("GET", "audit"),
        ("GET", "repositories/alice/x"),
        ("GET", "nothing/here"),
    ] {
        let document = if method == "POST" { json!({ "name": "eve" }) } else { json!({}) };
        let reply = town.manage(method, path, "", &document).await;
        refused(&reply, 401);
        assert!(reply.header("www-authenticate").starts_with("Basic "), "{method} {path}");
    }
    for (method, path) in [("GET", "users"), ("DELETE", "users/alice/link"), ("GET", "audit")] {
        let status = if method == "DELETE" { 405 } else { 403 };
        refused(&town.manage(method, path, "bob", &json!({})).await, status);
    }
    refused(&town.manage("POST", "users", "bob", &json!({ "name": "eve" })).await, 403);
    let bearer = town.bearer(&basic("root-of-all"), &[]).await;
    refused(&town.ask("GET", "/api/v1/users", &bearer, b"").await, 403);
    refused(&town.ask("GET", "/api/v1/users", &basic_with("alice", "wrong password"), b"").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_an_error_and_changes_nothing() {
    let town = Town::new().await;
    for (path, document) in [
        ("users", json!({ "name": "eve", "sysadmin": true })),
        ("users", json!({ "name": "EVE" })),
        ("users", json!({ "name": "a.b" })),
        ("users", json!({ "name": "eve", "password": "short" })),
        ("users", json!({})),
        ("users", json!([])),
        ("teams", json!({ "name": "-x" })),
        ("robots", json!({ "name": "norobot" })),
        ("tokens", json!({ "name": "t", "account": "alice", "actions": [] })),
        ("tokens", json!({ "name": "t", "account": "alice", "actions": ["fly"] })),
        ("tokens", json!({ "name": "", "account": "alice", "actions": ["pull"] })),
        (
            "tokens",
            json!({ "name": "t", "account": "alice", "actions": ["pull"], "sources": ["everywhere"] }),
        ),
        ("tokens", json!({ "name": "t", "account": "alice", "actions": ["pull"], "patterns": ["a**"] })),
        ("grants", json!({ "subject": "bob", "pattern": "**", "actions": ["pull"] })),
        ("grants", json!({ "subject": "bob", "pattern": "A", "actions": ["pull"] })),
        ("grants", json!({ "subject": "bob", "pattern": "alice/x", "actions": ["pull"], "extra": 1 })),
    ] {
        let detail = refused(&town.manage("POST", path, "root-of-all", &document).await, 400);
        assert!(!detail.is_empty(), "{path} {document}");
    }
    let users = town.manage("GET", "users", "root-of-all", &json!({})).await.json();
    assert_eq!(users["users"].as_array().unwrap().len(), 7);
    refused(&town.ask("POST", "/api/v1/users", &basic("root-of-all"), b"{not json").await, 400);
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(2 << 20));
    refused(&town.ask("POST", "/api/v1/users", &basic("root-of-all"), large.as_bytes()).await, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_made_changed_and_removed() {
    let town = Town::new().await;
    let made = town.manage("POST", "users", "root-of-all", &json!({ "name": "carol" })).await;
    assert_eq!(made.status, 201);
    let link = made.json()["link"]["path"].as_str().expect("a link to choose a password").to_owned();
    let form = "password=chosen+by+carol&again=chosen+by+carol";
    let chosen = town.send("POST", &link, &[], form.as_bytes()).await;
    assert_eq!(chosen.status, 200, "{chosen:?}");
    assert!(String::from_utf8_lossy(&chosen.body).contains("docker login r.example:5000"));
    let carol = basic_with("carol", "chosen by carol");
    assert_eq!(town.get("/api/v1/me", &carol).await.json(), json!({ "name": "carol", "kind": "user" }));
    let change = json!({ "password": "another password", "present_password": "chosen by carol" });
    let changed = town.ask("PATCH", "/api/v1/users/carol", &carol, change.to_string().as_bytes()).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let carol = basic_with("carol", "another password");
    let public = json!({ "default_visibility": "public" });
    let changed = town.ask("PATCH", "/api/v1/users/carol", &carol, public.to_string().as_bytes()).await;
    assert_eq!(changed.json()["default_visibility"], "public");
    town.push("carol/app").await;
    assert_eq!(town.get("/v2/carol/app/manifests/1.0", "").await.status, 200, "public, as her default says");
    let promoted = town.ask("PATCH", "/api/v1/users/carol", &carol, br#"{"admin":true}"#).await;
    refused(&promoted, 403);
    let detail = refused(&town.manage("DELETE", "users/carol", "root-of-all", &json!({})).await, 409);
    assert!(detail.contains("carol/app"), "{detail}");
    let removed = town.manage("DELETE", "users/carol?keep=true", "root-of-all", &json!({})).await;
    assert_eq!(removed.status, 204);
    assert_eq!(town.get("/v2/", &carol).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_described_by_who_administers_it() {
    let town = Town::new().await;
    town.push("acme/deep/app").await;
    let path = "repositories/acme/deep/app";
    let set = json!({ "description": "An app", "readme": "# App\n\n<script>alert(1)</script>", "visibility": "public" });
    for (user, status) in [("bob", 403), ("writer", 403), ("chief", 200)] {
        assert_eq!(town.manage("PATCH", path, user, &set).await.status, status, "{user}");
    }
    let shown = town.manage("GET", path, "bob", &json!({})).await.json();
    assert_eq!(
        (shown["visibility"].as_str(), shown["description"].as_str()),
        (Some("public"), Some("An app"))
    );
    for bad in [
        json!({ "visibility": "open" }),
        json!({ "description": "two\nlines" }),
        json!({ "description": "x".repeat(300) }),
        json!({ "stars": 5 }),
    ] {
        refused(&town.manage("PATCH", path, "chief", &bad).await, 400);
    }
    refused(&town.manage("GET", "repositories/acme/absent", "chief", &json!({})).await, 404);
    refused(&town.manage("GET", "repositories/..%2f..%2fetc", "chief", &json!({})).await, 400);
    let entries = town
        .manage("GET", "audit?repository=acme/deep/app&action=repository", "chief", &json!({}))
        .await
        .json();
    assert_eq!(entries["entries"][0]["detail"], "public, description, readme");
    refused(&town.manage("GET", "audit?repository=acme/deep/app", "writer", &json!({})).await, 403);
    refused(&town.manage("GET", "audit?since=yesterday", "root-of-all", &json!({})).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing() {
    let town = Town::new().await;
    let root = basic("root-of-all");
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 201), ("none", 201)] {
        let headers = [("authorization", root.as_str()), ("sec-fetch-site", site)];
        let body = json!({ "name": format!("team-{site}"), }).to_string();
        let reply = town.send("POST", "/api/v1/teams", &headers, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{site}");
    }
    let cookie = town.send("GET", "/v2/", &[("cookie", "session=x")], b"").await;
    assert_eq!(cookie.status, 401);
    assert!(!cookie.headers.contains_key("set-cookie"));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_told_once_and_nowhere_else() {
    let town = Town::new().await;
    let made = town.manage("POST", "tokens", "alice", &json!({ "name": "ci", "actions": ["pull"] })).await;
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    for (user, path) in [
        ("alice", "tokens"),
        ("root-of-all", "tokens?account=alice"),
        ("root-of-all", "audit"),
        ("root-of-all", "users"),
    ] {
        let text = String::from_utf8(town.manage("GET", path, user, &json!({})).await.body.to_vec()).unwrap();
        assert!(!text.contains(&secret) && !text.contains(PASSWORD) && !text.contains("$argon2"), "{path}");
    }
    refused(&town.manage("GET", "tokens?account=alice", "bob", &json!({})).await, 404);
}
