//! R23: every way to change or lose what an immutable tag names, tried by everybody who may do something there.

use serde_json::{Value, json};

use crate::town::{MANIFEST, Reply, Town, basic, digest};

/// One attempt: a method, a target, and a body.
type Attempt = (&'static str, String, Value);

async fn send(town: &Town, user: &str, (method, target, document): &Attempt) -> Reply {
    let body = match document {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        document => document.to_string(),
    };
    let kind = if target.starts_with("/v2/") { MANIFEST } else { "application/json" };
    let headers = [("authorization", &*basic(user)), ("content-type", kind)];
    town.send(method, target, &headers, body.as_bytes()).await
}

/// A manifest with the same configuration and another digest.
fn other(nonce: u32) -> String {
    let mut document: Value = serde_json::from_slice(&crate::town::manifest()).unwrap();
    document["annotations"] = json!({ "nonce": nonce.to_string() });
    document.to_string()
}

fn attempts(image: &str, spare: &str) -> Vec<Attempt> {
    let v2 = |rest: &str| format!("/v2/acme/app/{rest}");
    let api = |rest: &str| format!("/api/v1/repositories/acme/app{rest}");
    let put = |target: String, nonce| ("PUT", target, Value::String(other(nonce)));
    let copy = |reference: &str, to: &str| {
        let document =
            json!({ "from": "acme/spare", "reference": reference, "to": to, "tags": ["1.9.2", "x"] });
        ("POST", "/api/v1/copies".to_owned(), document)
    };
    let config = digest(b"{}");
    vec![
        put(v2("manifests/1.9.2"), 1),
        put(v2(&format!("manifests/{}?tag=1.9.2", digest(other(2).as_bytes()))), 2),
        put(v2(&format!("manifests/{}?tag=free&tag=1.9.2", digest(other(3).as_bytes()))), 3),
        put(v2("manifests/free?tag=1.9.2"), 4),
        put(v2("manifests/1.9"), 5),
        put(v2("manifests/latest"), 6),
        ("DELETE", v2("manifests/1.9.2"), Value::Null),
        ("DELETE", v2("manifests/1.9"), Value::Null),
        ("DELETE", v2(&format!("manifests/{image}")), Value::Null),
        ("DELETE", v2(&format!("blobs/{config}")), Value::Null),
        ("DELETE", api("/-/tags/1.9.2"), Value::Null),
        ("DELETE", api("/-/tags/latest"), Value::Null),
        ("DELETE", api(&format!("/-/manifests/{image}")), Value::Null),
        ("POST", api("/-/tags/1.9.2/rollback"), json!({})),
        ("POST", api("/-/tags/1.9.2/rollback"), json!({ "digest": spare })),
        ("POST", api("/-/tags/1.9.2/rollback"), json!({ "at": "2001-01-01" })),
        ("POST", api("/-/tags/latest/rollback"), json!({ "digest": spare })),
        ("POST", api(&format!("/-/manifests/{image}/restore")), Value::Null),
        ("DELETE", api(""), Value::Null),
        ("POST", api("/-/rename"), json!({ "to": "free/app" })),
        ("POST", api("/-/rename"), json!({ "to": "app" })),
        ("POST", api("/-/rename"), json!({ "to": "acme/deep/app", "redirect_seconds": 60 })),
        ("POST", api("/-/rename"), json!({ "to": "acme/spare" })),
        ("POST", api("/-/restore"), json!({})),
        ("POST", api("/-/restore"), json!({ "id": 1 })),
        copy("other", "acme/app"),
        copy(spare, "acme/app"),
        (
            "POST",
            "/api/v1/rules".to_owned(),
            json!({ "kind": "keep", "pattern": "acme/*", "tags": "*", "newest": 1 }),
        ),
        ("PUT", "/api/v1/quotas/acme".to_owned(), json!({ "bytes": 1 })),
        // What is allowed, and must take nothing of it.
        ("POST", api("/-/retention"), Value::Null),
        ("DELETE", api("/-/trash"), Value::Null),
        ("POST", "/api/v1/cleaning".to_owned(), Value::Null),
        (
            "POST",
            "/api/v1/rules".to_owned(),
            json!({ "kind": "keep", "pattern": "acme/app", "tags": "1*", "younger_seconds": 1 }),
        ),
        ("POST", api("/-/retention"), Value::Null),
        (
            "POST",
            "/api/v1/rules".to_owned(),
            json!({ "kind": "float", "pattern": "acme/app", "levels": ["latest"] }),
        ),
        put(v2("manifests/2.0.0-rc.1"), 7),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_leads_around_an_immutable_tag() {
    let town = Town::new().await;
    town.push("acme/spare").await;
    for rule in
        [json!({ "kind": "float", "pattern": "acme/*" }), json!({ "kind": "immutable", "pattern": "acme/*" })]
    {
        let reply = send(&town, "chief", &("POST", "/api/v1/rules".to_owned(), rule)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }
    town.push("acme/app").await;
    let pushed = Value::String(String::from_utf8(crate::town::manifest()).unwrap());
    let first = send(&town, "writer", &("PUT", "/v2/acme/app/manifests/1.9.2".to_owned(), pushed)).await;
    let image = first.header("docker-content-digest").to_owned();
    let put = ("PUT", "/v2/acme/spare/manifests/other".to_owned(), Value::String(other(99)));
    let spare = send(&town, "writer", &put).await.header("docker-content-digest").to_owned();
    let attempts = attempts(&image, &spare);
    assert!(attempts.len() >= 30, "{} ways", attempts.len());
    for attempt in &attempts {
        for user in ["bob", "reader", "writer", "chief", "root-of-all"] {
            let reply = send(&town, user, attempt).await;
            for tag in ["1.9.2", "1.9", "1", "latest", "1.0"] {
                let found = town.get(&format!("/v2/acme/app/manifests/{tag}"), &basic("reader")).await;
                let told = (found.status, found.header("docker-content-digest"));
                assert_eq!(told, (200, image.as_str()), "{tag} after {user} {attempt:?}: {reply:?}");
            }
            let blob = town.get(&format!("/v2/acme/app/blobs/{}", digest(b"{}")), &basic("reader")).await;
            assert_eq!(blob.status, 200, "a layer is gone after {user} {attempt:?}");
        }
    }
}
