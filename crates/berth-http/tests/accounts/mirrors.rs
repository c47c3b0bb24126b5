//! Upstreams by the management API: who may, what stays and what is told.

use serde_json::{Value, json};

use crate::town::{PASSWORD, Reply, Town, basic};
use crate::upstream::Upstream;

async fn ask(town: &Town, method: &str, path: &str, body: Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    town.ask(method, &format!("/api/v1/{path}"), &basic("root-of-all"), body.as_bytes()).await
}

async fn document(town: &Town, method: &str, path: &str, body: Value) -> Value {
    let reply = ask(town, method, path, body).await;
    assert_eq!(reply.status, 200, "{method} {path}: {reply:?}");
    reply.json()
}

/// The sentence of a refusal.
async fn refused(town: &Town, method: &str, path: &str, body: Value, status: u16) -> String {
    let reply = ask(town, method, path, body).await;
    assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
    reply.json()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_manage_upstreams() {
    let town = Town::new().await;
    for (method, path) in [
        ("GET", "mirrors"),
        ("GET", "mirrors/quay.io"),
        ("PUT", "mirrors/quay.io"),
        ("PATCH", "mirrors/quay.io"),
        ("DELETE", "mirrors/quay.io"),
        ("GET", "mirrors/quay.io/rehearsal"),
        ("GET", "mirrors/quay.io/pins"),
        ("PUT", "repositories/quay.io/org/app/-/pins/1"),
    ] {
        for (authorization, status) in [(basic("alice"), 403), (String::new(), 401)] {
            let reply = town.ask(method, &format!("/api/v1/{path}"), &authorization, b"").await;
            assert_eq!(reply.status, status, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_absent_stays_and_null_takes_away() {
    let town = Town::new().await;
    let new = document(&town, "PUT", "mirrors/docker.io", json!({})).await;
    assert_eq!(new["url"], "https://registry-1.docker.io");
    assert_eq!((&new["max_age_seconds"], &new["max_bytes"]), (&json!(90 * 86_400), &Value::Null));
    let set = json!({ "user": "me", "password": PASSWORD, "max_bytes": 7, "allow": ["library/*"], "fresh_seconds": 0 });
    document(&town, "PATCH", "mirrors/docker.io", set).await;
    let set = json!({ "max_age_seconds": null, "deny": ["library/mysql"] });
    let changed = document(&town, "PATCH", "mirrors/docker.io", set).await;
    assert_eq!((&changed["max_age_seconds"], &changed["max_bytes"]), (&Value::Null, &json!(7)));
    assert_eq!((&changed["allow"], &changed["deny"]), (&json!(["library/*"]), &json!(["library/mysql"])));
    assert_eq!((&changed["user"], &changed["has_password"]), (&json!("me"), &json!(true)));
    let shown = ask(&town, "GET", "mirrors/docker.io", Value::Null).await;
    assert_eq!(shown.json(), changed);
    assert!(!String::from_utf8_lossy(&shown.body).contains(PASSWORD), "a password is never shown");
    let bare = document(&town, "PATCH", "mirrors/docker.io", json!({ "user": null })).await;
    assert_eq!((&bare["user"], &bare["has_password"]), (&Value::Null, &json!(false)));
    let anew = document(&town, "PUT", "mirrors/docker.io", json!({})).await;
    assert_eq!(anew, new, "what is put is all there is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_kept_as_long_as_the_address_is() {
    let town = Town::new().await;
    let set = json!({ "url": "https://a.example", "user": "me", "password": PASSWORD });
    document(&town, "PUT", "mirrors/corp.example", set).await;
    let moved =
        refused(&town, "PATCH", "mirrors/corp.example", json!({ "url": "https://b.example" }), 400).await;
    assert!(moved.contains("a user needs a password"), "{moved}");
    let shown = document(&town, "GET", "mirrors/corp.example", Value::Null).await;
    assert_eq!((&shown["url"], &shown["has_password"]), (&json!("https://a.example"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_in_a_sentence() {
    let town = Town::new().await;
    town.push("quay.io/own").await;
    for (name, body, status, part) in [
        ("corp.example", json!({}), 400, "say where it is"),
        ("corp", json!({ "url": "https://corp.example" }), 400, "a word with a dot in it"),
        ("corp.example", json!({ "url": "corp.example" }), 400, "no address of a registry"),
        ("corp.example", json!({ "url": "https://c", "password": "x" }), 400, "a user needs a password"),
        ("corp.example", json!({ "url": "https://c", "allow": ["/"] }), 400, "no pattern"),
        (
            "corp.example",
            json!({ "url": "https://c", "visibility": "secret" }),
            400,
            "expected private or public",
        ),
        ("corp.example", json!({ "url": "https://c", "reserve_percent": 101 }), 400, "per cent"),
        ("corp.example", json!({ "urll": "https://c" }), 400, "urll"),
        ("quay.io", json!({}), 409, "quay.io/own"),
    ] {
        let detail = refused(&town, "PUT", &format!("mirrors/{name}"), body, status).await;
        assert!(detail.contains(part), "{detail}");
    }
    for (method, path) in [
        ("GET", "mirrors/ghcr.io"),
        ("PATCH", "mirrors/ghcr.io"),
        ("DELETE", "mirrors/ghcr.io"),
        ("GET", "mirrors/ghcr.io/rehearsal"),
        ("GET", "mirrors/ghcr.io/pins"),
    ] {
        let detail = refused(&town, method, path, Value::Null, 404).await;
        assert!(detail.contains("there is no upstream ghcr.io"), "{detail}");
    }
    let detail = refused(&town, "PUT", "repositories/acme/app/-/pins/1", Value::Null, 400).await;
    assert!(detail.contains("belongs to no upstream"), "{detail}");
    assert_eq!(document(&town, "GET", "mirrors", Value::Null).await, json!({ "mirrors": [], "next": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_change_the_same_upstream_do_not_overwrite_each_other() {
    let town = Town::new().await;
    document(&town, "PUT", "mirrors/quay.io", json!({})).await;
    let read = ask(&town, "GET", "mirrors/quay.io", Value::Null).await;
    let (root, tag) = (basic("root-of-all"), read.header("etag").to_owned());
    let headers = [("authorization", root.as_str()), ("if-match", tag.as_str())];
    for status in [200, 412] {
        let reply = town.send("PATCH", "/api/v1/mirrors/quay.io", &headers, br#"{"fresh_seconds":9}"#).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_fetched_and_then_does_without_its_upstream() {
    let (town, upstream) = (Town::new().await, Upstream::start().await);
    let set = json!({ "url": format!("http://{}", upstream.address), "private": true });
    document(&town, "PUT", "mirrors/up.test", set).await;
    let unasked = document(&town, "GET", "mirrors", Value::Null).await;
    assert_eq!(unasked["mirrors"][0]["health"], "unasked");
    let names = [
        "up.test/acme/app:1.0".to_owned(),
        format!("{}/acme/app:1.0", upstream.address),
        "localhost:5000/up.test/acme/app:1.0".to_owned(),
    ];
    for (n, image) in names.iter().enumerate() {
        let done = document(&town, "POST", "prefetches", json!({ "image": image })).await;
        assert_eq!(done["repository"], "up.test/acme/app", "{image}");
        let counts = ["manifests", "blobs", "fetched", "bytes"].map(|name| done[name].as_u64().unwrap());
        assert_eq!(counts, if n == 0 { [1, 1, 1, 2] } else { [1, 1, 0, 0] }, "{image}");
    }
    let status = document(&town, "GET", "mirrors", Value::Null).await;
    let had = &status["mirrors"][0]["last_30_days"];
    assert_eq!((&status["mirrors"][0]["health"], &had["misses"]), (&json!("well"), &json!(1)));
    upstream.stop().await;
    let path = "mirrors/up.test/rehearsal";
    let rehearsed = document(&town, "GET", path, Value::Null).await;
    assert_eq!(rehearsed, json!({ "mirror": "up.test", "good": 1, "fail": [] }));
    let away = refused(&town, "POST", "prefetches", json!({ "image": "up.test/acme/other" }), 503).await;
    assert!(away.contains("up.test cannot be asked now"), "{away}");
    let status = document(&town, "GET", "mirrors", Value::Null).await;
    assert_eq!(status["mirrors"][0]["health"], "failing");
    assert!(status["mirrors"][0]["servers"][0]["trouble"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_pull_it_may_have_it_fetched() {
    let (town, upstream) = (Town::new().await, Upstream::start().await);
    let set =
        json!({ "url": format!("http://{}", upstream.address), "private": true, "visibility": "private" });
    document(&town, "PUT", "mirrors/up.test", set).await;
    let body = br#"{"image":"up.test/acme/app:1.0"}"#;
    let asked = async |user: &str| town.ask("POST", "/api/v1/prefetches", &basic(user), body).await.status;
    assert_eq!(asked("bob").await, 403);
    town.grant("bob", "up.test/**", "pull").await;
    assert_eq!(asked("bob").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_no_upstream_are_fetched_from_nowhere() {
    let town = Town::new().await;
    town.push("acme/app").await;
    for (image, status, part) in [
        ("localhost:5000/acme/app:1.0", 400, "acme/app belongs to no upstream"),
        ("r.example:5000/acme/app:1.0", 400, "acme/app belongs to no upstream"),
        ("alpine", 404, "no registry \"docker.io\" is mirrored here"),
        ("ghcr.io/x/y", 404, "no registry \"ghcr.io\" is mirrored here"),
        ("A B", 400, "A B"),
    ] {
        let detail = refused(&town, "POST", "prefetches", json!({ "image": image }), status).await;
        assert!(detail.contains(part), "{image}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_have_the_name_that_the_image_is_kept_under() {
    let town = Town::new().await;
    document(&town, "PUT", "mirrors/docker.io", json!({})).await;
    let path = "repositories/docker.io/alpine/-/pins/3";
    for _ in 0..2 {
        assert_eq!(ask(&town, "PUT", path, Value::Null).await.status, 204);
    }
    let pins = document(&town, "GET", "mirrors/docker.io/pins", Value::Null).await;
    let pin = &pins["pins"][0];
    assert_eq!((&pin["repository"], &pin["reference"]), (&json!("docker.io/library/alpine"), &json!("3")));
    assert_eq!(pin["made_by"], "root-of-all");
    assert_eq!(ask(&town, "DELETE", path, Value::Null).await.status, 204);
    assert_eq!(document(&town, "GET", "mirrors/docker.io/pins", Value::Null).await, json!({ "pins": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_to_who_set_it_and_to_who_pulls() {
    let (town, upstream) = (Town::new().await, Upstream::closed().await);
    let url = format!("http://{}", upstream.address);
    let set = json!({ "url": url, "private": true, "user": "reader", "password": "wrong password" });
    document(&town, "PUT", "mirrors/up.test", set).await;
    let image = json!({ "image": "up.test/acme/app:1.0" });
    let told = refused(&town, "POST", "prefetches", image.clone(), 404).await;
    assert!(told.contains("refuses the credentials"), "{told}");
    let status = document(&town, "GET", "mirrors", Value::Null).await;
    let trouble = status["mirrors"][0]["trouble"]["what"].as_str().unwrap();
    assert!(trouble.contains("acme/app: it refuses the credentials"), "{trouble}");
    document(&town, "PATCH", "mirrors/up.test", json!({ "password": PASSWORD })).await;
    assert_eq!(document(&town, "POST", "prefetches", image).await["fetched"], 1);
    let status = document(&town, "GET", "mirrors", Value::Null).await;
    assert_eq!(status["mirrors"][0]["trouble"], Value::Null);
}
