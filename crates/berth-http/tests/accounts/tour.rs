//! A walk through the whole management API, so that each answer of success is held against the description once.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::conformance::operation;
use crate::town::{MANIFEST, Town, basic, digest, manifest};
use crate::upstream::Upstream;

/// The walk: what is asked, and with which body.
fn steps(image: &str, upstream: SocketAddr) -> Vec<(&'static str, String, Value)> {
    let app = |rest: &str| format!("repositories/acme/app/-/{rest}");
    let step = |method, path: &str, body| (method, path.to_owned(), body);
    vec![
        step("GET", "openapi.json", Value::Null),
        step("GET", "me", Value::Null),
        step("POST", "users", json!({ "name": "carol" })),
        step("GET", "users", Value::Null),
        step("GET", "users/carol", Value::Null),
        step("PATCH", "users/carol", json!({ "default_visibility": "public" })),
        step("POST", "users/carol/link", Value::Null),
        step("POST", "users/import-htpasswd", json!("dora:{SHA}x")),
        step("POST", "teams", json!({ "name": "ops" })),
        step("GET", "teams", Value::Null),
        step("GET", "teams/ops", Value::Null),
        step("PATCH", "teams/ops", json!({ "default_visibility": "public" })),
        step("PUT", "teams/ops/members/carol", json!({ "role": "admin" })),
        step("DELETE", "teams/ops/members/carol", Value::Null),
        step("DELETE", "teams/ops", Value::Null),
        step("DELETE", "users/carol", Value::Null),
        step("POST", "robots", json!({ "name": "acme.ci" })),
        step("GET", "robots", Value::Null),
        step(
            "POST",
            "tokens",
            json!({ "name": "t", "account": "acme.ci", "actions": ["pull"], "expires_in": 60 }),
        ),
        step("GET", "tokens?account=acme.ci", Value::Null),
        step("DELETE", "tokens/1", Value::Null),
        step("POST", "grants", json!({ "subject": "acme.ci", "pattern": "acme/**", "actions": ["pull"] })),
        step("GET", "grants", Value::Null),
        step("DELETE", "grants/1", Value::Null),
        step("DELETE", "robots/acme.ci", Value::Null),
        step("GET", "why?subject=bob&action=pull&repository=acme/app", Value::Null),
        step("PUT", "quotas/acme", json!({ "bytes": 1 << 30 })),
        step("GET", "quotas", Value::Null),
        step("GET", "usage", Value::Null),
        step("GET", "usage/largest", Value::Null),
        step("GET", "usage/namespaces/acme", Value::Null),
        step("DELETE", "quotas/acme", Value::Null),
        step("POST", "rules", json!({ "kind": "float", "pattern": "acme/*" })),
        step("POST", "rules", json!({ "kind": "keep", "pattern": "acme/*", "tags": "ci-*", "newest": 3 })),
        step("POST", "rules", json!({ "kind": "immutable", "pattern": "acme/*", "tags": "v*" })),
        step("GET", "rules", Value::Null),
        ("GET", app("rules"), Value::Null),
        ("GET", app("retention"), Value::Null),
        ("POST", app("retention"), Value::Null),
        step("DELETE", "rules/1", Value::Null),
        step("GET", "repositories", Value::Null),
        step("GET", "search?q=app", Value::Null),
        step("GET", "repositories/acme/app", Value::Null),
        step("PATCH", "repositories/acme/app", json!({ "description": "An app" })),
        ("GET", app("tags"), Value::Null),
        ("GET", app("tags/1.0"), Value::Null),
        ("GET", app("tags/1.0/history"), Value::Null),
        ("GET", app("tags/1.0/floating"), Value::Null),
        ("POST", app("tags/1.0/rollback?dry_run=1"), json!({ "digest": image })),
        ("GET", app("history"), Value::Null),
        ("GET", app("usage"), Value::Null),
        ("GET", app("usage?unused_seconds=0"), Value::Null),
        ("GET", app("usage/1.0"), Value::Null),
        ("GET", app("why-kept/1.0"), Value::Null),
        ("GET", app("why-deleted/1.0"), Value::Null),
        step(
            "POST",
            "copies",
            json!({ "from": "acme/app", "reference": "1.0", "to": "acme/copy", "tags": ["2"] }),
        ),
        ("DELETE", app("tags/1.0"), Value::Null),
        ("GET", app(&format!("why-deleted/{image}")), Value::Null),
        ("DELETE", app(&format!("manifests/{image}")), Value::Null),
        ("GET", app("trash"), Value::Null),
        ("GET", app(&format!("why-deleted/{image}")), Value::Null),
        ("POST", app(&format!("manifests/{image}/restore")), Value::Null),
        ("DELETE", app("trash"), Value::Null),
        ("POST", app("rename"), json!({ "to": "acme/new", "redirect_seconds": 60 })),
        step("DELETE", "repositories/acme/new", Value::Null),
        step("GET", "trash", Value::Null),
        step("POST", "repositories/acme/new/-/restore", json!({})),
        step("PUT", "mirrors/up.test", json!({ "url": format!("http://{upstream}"), "private": true })),
        step("PATCH", "mirrors/up.test", json!({ "max_bytes": null, "visibility": "private" })),
        step("GET", "mirrors/up.test", Value::Null),
        step("POST", "prefetches", json!({ "image": "up.test/acme/app:1.0", "platforms": ["linux/amd64"] })),
        step("PUT", "repositories/up.test/acme/app/-/pins/1.0", Value::Null),
        step("GET", "mirrors/up.test/pins", Value::Null),
        step("GET", "mirrors/up.test/rehearsal?used_within_seconds=60", Value::Null),
        step("GET", "mirrors", Value::Null),
        step("DELETE", "repositories/up.test/acme/app/-/pins/1.0", Value::Null),
        step("DELETE", "mirrors/up.test?purge=true", Value::Null),
        step("GET", "cleaning", Value::Null),
        step("POST", "cleaning", Value::Null),
        step("GET", "audit", Value::Null),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_as_described() {
    let (town, upstream) = (Town::new().await, Upstream::start().await);
    let root = basic("root-of-all");
    town.push("acme/app").await;
    let headers = [("authorization", root.as_str()), ("content-type", MANIFEST)];
    assert_eq!(town.send("PUT", "/v2/acme/app/manifests/1.0", &headers, &manifest()).await.status, 201);
    let mut seen = BTreeSet::new();
    for (method, path, body) in steps(&digest(&manifest()), upstream.address) {
        let body = match &body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        // What is answered is held against the description where it is sent.
        let reply = town.ask(method, &format!("/api/v1/{path}"), &root, body.as_bytes()).await;
        assert!((200..300).contains(&reply.status), "{method} {path}: {reply:?}");
        let path = format!("/{}", path.split('?').next().unwrap());
        seen.insert(operation(&method.to_lowercase(), &path).unwrap()["operationId"].to_string());
    }
    let document = berth_http::openapi();
    let paths = document["paths"].as_object().unwrap().values();
    let all: BTreeSet<_> = paths
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].to_string())
        .collect();
    let missed: Vec<_> = all.difference(&seen).collect();
    assert!(missed.is_empty(), "the walk leaves out {missed:?}");
}
