//! Entity tags: what need not be sent again, and changes only to what was read.

use serde_json::json;

use crate::town::{Reply, Town, basic};

async fn send(town: &Town, method: &str, path: &str, header: (&str, &str), body: &str) -> Reply {
    let headers = [("authorization", &*basic("root-of-all")), header];
    town.send(method, &format!("/api/v1/{path}"), &headers, body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_has_is_not_sent_again() {
    let town = Town::new().await;
    let root = basic("root-of-all");
    let first = town.get("/api/v1/users/alice", &root).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    assert_eq!(first.header("cache-control"), "no-cache, private");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let again = send(&town, method, "users/alice", ("if-none-match", &known), "").await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
            assert_eq!(again.header("etag"), tag);
            assert!(!again.headers.contains_key("content-type"));
        }
    }
    for method in ["GET", "HEAD"] {
        let other = send(&town, method, "users/alice", ("if-none-match", "\"other\""), "").await;
        assert_eq!((other.status, other.header("etag")), (200, &*tag));
        assert_eq!(other.header("content-length"), first.body.len().to_string());
    }
    let disabled = town.ask("PATCH", "/api/v1/users/alice", &root, br#"{"disabled":true}"#).await;
    assert_eq!((disabled.status, disabled.header("cache-control")), (200, "no-store"));
    assert!(!disabled.headers.contains_key("etag"));
    assert_eq!(send(&town, "GET", "users/alice", ("if-none-match", &tag), "").await.status, 200);
    let secret = town.ask("POST", "/api/v1/tokens", &root, br#"{"name":"t","actions":["pull"]}"#).await;
    assert_eq!((secret.status, secret.header("cache-control")), (201, "no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_happens_only_to_what_was_read() {
    let town = Town::new().await;
    town.push("acme/app").await;
    let path = "repositories/acme/app";
    let tag = town.get(&format!("/api/v1/{path}"), &basic("root-of-all")).await.header("etag").to_owned();
    let first = send(&town, "PATCH", path, ("if-match", &tag), r#"{"description":"one"}"#).await;
    assert_eq!(first.status, 200);
    let second = send(&town, "PATCH", path, ("if-match", &tag), r#"{"description":"two"}"#).await;
    assert_eq!(
        (second.status, &second.json()["detail"]),
        (412, &json!("changed since you read it; read again"))
    );
    let weak =
        format!("W/{}", town.get(&format!("/api/v1/{path}"), &basic("root-of-all")).await.header("etag"));
    assert_eq!(send(&town, "PATCH", path, ("if-match", &weak), r#"{"readme":"x"}"#).await.status, 412);
    let shown = town.get(&format!("/api/v1/{path}"), &basic("root-of-all")).await;
    assert_eq!((&shown.json()["description"], &shown.json()["readme"]), (&json!("one"), &json!("")));
    assert_eq!(send(&town, "PATCH", path, ("if-match", "*"), r#"{"description":"three"}"#).await.status, 200);
    // The query of a change is not one of what is read.
    let tag = town.get(&format!("/api/v1/{path}"), &basic("root-of-all")).await.header("etag").to_owned();
    assert_eq!(
        send(&town, "DELETE", &format!("{path}?dry_run=true"), ("if-match", &tag), "").await.status,
        200
    );
    assert_eq!(send(&town, "DELETE", path, ("if-match", "\"0\""), "").await.status, 412);
    assert_eq!(send(&town, "DELETE", path, ("if-match", &tag), "").await.status, 200);
    // What is not there says so, with a condition as without; where nothing can be read there is nothing to match.
    assert_eq!(send(&town, "DELETE", path, ("if-match", "*"), "").await.status, 404);
    assert_eq!(send(&town, "PUT", "quotas/acme", ("if-match", "*"), r#"{"bytes":1}"#).await.status, 412);
    let large = format!("{{\"description\":\"{}\"}}", "a".repeat(2 << 20));
    assert_eq!(send(&town, "PATCH", path, ("if-match", "*"), &large).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_read_the_same_one_changes_it() {
    let town = Town::new().await;
    town.push("acme/app").await;
    let path = "repositories/acme/app";
    let tag = town.get(&format!("/api/v1/{path}"), &basic("root-of-all")).await.header("etag").to_owned();
    let bodies: Vec<_> = (0..8).map(|n| format!("{{\"description\":\"{n}\"}}")).collect();
    let changes = bodies.iter().map(|body| send(&town, "PATCH", path, ("if-match", &tag), body));
    let replies = futures_util::future::join_all(changes).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_tells_nothing_to_those_who_may_not_read() {
    let town = Town::new().await;
    town.push("acme/app").await;
    for path in ["acme/app", "acme/absent"] {
        for (user, status) in [("bob", 403), ("", 401)] {
            let authorization = if user.is_empty() { String::new() } else { basic(user) };
            let mut headers = vec![("if-match", "*")];
            if !user.is_empty() {
                headers.push(("authorization", &authorization));
            }
            let target = format!("/api/v1/repositories/{path}");
            assert_eq!(town.send("DELETE", &target, &headers, b"").await.status, status, "{user} {path}");
        }
    }
}
