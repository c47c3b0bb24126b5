//! The life of an image over the API: who may ask for what, and what is answered.

use serde_json::{Value, json};

use crate::town::{MANIFEST, Reply, Town, basic};

impl Town {
    async fn api(&self, method: &str, path: &str, user: &str, document: &Value) -> Reply {
        let authorization = if user.is_empty() { String::new() } else { basic(user) };
        let body = if document.is_null() { String::new() } else { document.to_string() };
        self.ask(method, &format!("/api/v1/{path}"), &authorization, body.as_bytes()).await
    }

    /// Pushes another manifest with the blobs of [`Town::push`].
    async fn push_as(&self, user: &str, name: &str, tag: &str, nonce: u32) -> Reply {
        self.push(name).await;
        let manifest = self.get(&format!("/v2/{name}/manifests/1.0"), &basic("root-of-all")).await;
        let mut document = manifest.json();
        document["annotations"] = json!({ "nonce": nonce.to_string() });
        let headers = [("authorization", &*basic(user)), ("content-type", MANIFEST)];
        let target = format!("/v2/{name}/manifests/{tag}");
        self.send("PUT", &target, &headers, document.to_string().as_bytes()).await
    }
}

/// The callers of the table below, in its order.
const CALLERS: [&str; 6] = ["", "bob", "reader", "writer", "chief", "root-of-all"];

#[tokio::test(flavor = "multi_thread")]
async fn each_question_needs_its_right() {
    let town = Town::new().await;
    town.push("acme/app").await;
    let digest = town
        .get("/v2/acme/app/manifests/1.0", &basic("chief"))
        .await
        .header("docker-content-digest")
        .to_owned();
    let absent = format!("sha256:{}", "0".repeat(64));
    let inside = |rest: &str| format!("repositories/acme/app/-/{rest}");
    let dry = json!({ "to": "acme/other" });
    let (pull, push, delete, admin, server) = (
        [401, 403, 200, 200, 200, 200],
        [401, 403, 403, 404, 404, 404],
        [401, 403, 403, 403, 200, 200],
        [401, 403, 403, 403, 200, 200],
        [401, 403, 403, 403, 403, 200],
    );
    let table: Vec<(&str, String, Value, [u16; 6])> = vec![
        ("GET", inside("tags"), Value::Null, pull),
        ("GET", inside("tags/1.0"), Value::Null, pull),
        ("GET", inside("tags/1.0/history"), Value::Null, pull),
        ("GET", inside("tags/1.0/floating"), Value::Null, pull),
        ("GET", inside("history"), Value::Null, pull),
        ("GET", inside("rules"), Value::Null, pull),
        ("GET", inside("usage"), Value::Null, pull),
        ("GET", inside("usage/1.0"), Value::Null, pull),
        ("GET", inside("usage?unused_seconds=1"), Value::Null, pull),
        ("GET", inside("why-kept/1.0"), Value::Null, pull),
        ("GET", inside(&format!("why-deleted/{digest}")), Value::Null, pull),
        ("POST", inside("tags/nothing/rollback"), json!({}), push),
        ("POST", inside(&format!("manifests/{absent}/restore")), Value::Null, push),
        ("DELETE", inside("tags/1.0?dry_run=1"), Value::Null, delete),
        ("DELETE", inside(&format!("manifests/{digest}?dry_run=true")), Value::Null, delete),
        ("GET", inside("trash"), Value::Null, delete),
        ("GET", inside("retention"), Value::Null, delete),
        ("POST", inside("retention"), Value::Null, delete),
        ("DELETE", inside("trash"), Value::Null, admin),
        ("DELETE", "repositories/acme/app?dry_run=1".to_owned(), Value::Null, admin),
        ("POST", inside("rename?dry_run=1"), dry, admin),
        ("GET", "usage".to_owned(), Value::Null, server),
        ("GET", "usage/largest".to_owned(), Value::Null, server),
        ("GET", "usage/namespaces/acme".to_owned(), Value::Null, [401, 403, 403, 403, 200, 200]),
        ("GET", "usage/namespaces/-".to_owned(), Value::Null, server),
        ("GET", "quotas".to_owned(), Value::Null, server),
        ("PUT", "quotas/acme".to_owned(), json!({ "bytes": 1 << 30 }), server),
        ("GET", "cleaning".to_owned(), Value::Null, server),
        ("POST", "cleaning".to_owned(), Value::Null, server),
    ];
    for (method, path, document, expected) in table {
        for (user, status) in CALLERS.iter().zip(expected) {
            let reply = town.api(method, &path, user, &document).await;
            assert_eq!(reply.status, status, "{user:?} {method} {path}: {:?}", reply.body);
        }
        // What one may not see answers as what is not there.
        let elsewhere = path.replace("acme/app", "acme/absent");
        let (hidden, absent) = (
            town.api(method, &path, "bob", &document).await,
            town.api(method, &elsewhere, "bob", &document).await,
        );
        assert_eq!((hidden.status, hidden.body), (absent.status, absent.body), "{method} {path}");
    }
    assert_eq!(
        town.get("/v2/acme/app/manifests/1.0", &basic("reader")).await.status,
        200,
        "nothing was changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_belong_to_those_who_own_the_namespace() {
    let town = Town::new().await;
    let float = |pattern: &str| json!({ "kind": "float", "pattern": pattern });
    for (user, status) in CALLERS.iter().zip([401, 403, 403, 403, 201, 400]) {
        let reply = town.api("POST", "rules", user, &float("acme/*")).await;
        assert_eq!(reply.status, status, "{user}: {:?}", reply.body);
    }
    assert_eq!(town.api("POST", "rules", "chief", &float("alice/*")).await.status, 403);
    assert_eq!(town.api("POST", "rules", "chief", &float("**")).await.status, 403);
    for bad in [
        json!({ "kind": "float", "pattern": "**" }),
        json!({ "kind": "float", "pattern": "a/*", "newest": 3 }),
        json!({ "kind": "float", "pattern": "a/*", "levels": ["micro"] }),
        json!({ "kind": "keep", "pattern": "a/*", "newest": 0 }),
        json!({ "kind": "keep", "pattern": "a/*", "levels": ["major"] }),
        json!({ "kind": "keep", "pattern": "A/*", "newest": 1 }),
        json!({ "kind": "immutable", "pattern": "a/*", "tags": "-" }),
        json!({ "kind": "forever", "pattern": "a/*" }),
        json!({ "kind": "immutable", "pattern": "a/*", "surprise": 1 }),
    ] {
        assert_eq!(town.api("POST", "rules", "root-of-all", &bad).await.status, 400, "{bad}");
    }
    let listed = |reply: Reply| reply.json()["rules"].as_array().unwrap().len();
    assert_eq!(listed(town.api("GET", "rules", "chief", &Value::Null).await), 1);
    assert_eq!(listed(town.api("GET", "rules", "alice", &Value::Null).await), 0);
    assert_eq!(town.api("DELETE", "rules/1", "alice", &Value::Null).await.status, 404);
    assert_eq!(town.api("DELETE", "rules/1", "chief", &Value::Null).await.status, 204);
    assert_eq!(town.api("DELETE", "rules/1", "chief", &Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_told_which_tags_followed_and_why_it_is_refused() {
    let town = Town::new().await;
    town.push("acme/app").await;
    for rule in [
        json!({ "kind": "float", "pattern": "acme/*" }),
        json!({ "kind": "immutable", "pattern": "acme/*", "tags": "{version}" }),
    ] {
        assert_eq!(town.api("POST", "rules", "chief", &rule).await.status, 201);
    }
    let pushed = town.push_as("writer", "acme/app", "1.9.2", 1).await;
    assert_eq!((pushed.status, pushed.header("berth-moved-tags")), (201, "1.9, 1, latest"));
    assert_eq!(pushed.header("warning"), "299 - \"these tags follow and name it too: 1.9, 1, latest\"");
    let again = town.push_as("writer", "acme/app", "1.9.2", 1).await;
    assert_eq!((again.status, again.header("warning")), (201, ""), "the same once more is fine");
    let refused = town.push_as("writer", "acme/app", "1.9.2", 2).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "DENIED"));
    let detail = refused.json()["errors"][0]["detail"].clone();
    assert_eq!((&detail["tag"], &detail["rule"]), (&json!("1.9.2"), &json!(2)));
    let removed = town.api("DELETE", "repositories/acme/app/-/tags/1.9.2", "chief", &Value::Null).await;
    assert_eq!(removed.status, 409);
    let (target, chief) = ("/v2/acme/app/manifests/1.9.2", basic("chief"));
    let removed = town.ask("DELETE", target, &chief, b"").await;
    assert_eq!((removed.status, removed.code().as_str()), (403, "DENIED"));
    assert_eq!(town.api("DELETE", "repositories/acme/app", "chief", &Value::Null).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_warns_and_then_refuses() {
    let town = Town::new().await;
    town.push("acme/app").await;
    let used = town.api("GET", "usage", "root-of-all", &Value::Null).await.json();
    let used = used["namespaces"][0]["bytes"].as_u64().unwrap();
    let set = |bytes: u64| json!({ "bytes": bytes });
    assert_eq!(town.api("PUT", "quotas/acme", "root-of-all", &set(used - 1)).await.status, 409);
    assert_eq!(town.api("PUT", "quotas/ac/me", "root-of-all", &set(used)).await.status, 404);
    assert_eq!(town.api("PUT", "quotas/ACME", "root-of-all", &set(used)).await.status, 400);
    let room = town.get("/v2/acme/app/manifests/1.0", &basic("chief")).await.body.len() as u64 + 60;
    assert_eq!(town.api("PUT", "quotas/acme", "root-of-all", &set(used + room)).await.status, 200);
    let pushed = town.push_as("writer", "acme/app", "2.0", 1).await;
    assert_eq!(pushed.status, 201);
    assert!(pushed.header("warning").contains("percent of its quota"), "{:?}", pushed.headers);
    let refused = town.push_as("writer", "acme/app", "3.0", 2).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "DENIED"));
    assert!(refused.json()["errors"][0]["detail"]["reason"].as_str().unwrap().contains("empty the trash"));
    assert_eq!(town.push_as("writer", "acme/app", "3.0", 1).await.status, 201, "another tag costs nothing");
    let quotas = town.api("GET", "quotas", "root-of-all", &Value::Null).await.json();
    assert!(quotas["quotas"][0]["percent"].as_u64().unwrap() > 80);
    assert_eq!(town.api("DELETE", "quotas/acme", "root-of-all", &Value::Null).await.status, 204);
    assert_eq!(town.push_as("writer", "acme/app", "3.0", 3).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_name_leads_on_for_those_who_may_see_where() {
    let town = Town::new().await;
    town.push("acme/app").await;
    town.push("acme/there").await;
    let rename = |to: &str| json!({ "to": to, "redirect_seconds": 3600 });
    let path = "repositories/acme/app/-/rename";
    assert_eq!(town.api("POST", path, "writer", &rename("acme/new")).await.status, 403);
    assert_eq!(town.api("POST", path, "chief", &rename("alice/new")).await.status, 403);
    assert_eq!(town.api("POST", path, "chief", &rename("acme/there")).await.status, 409);
    assert_eq!(town.api("POST", path, "chief", &rename("acme/new")).await.status, 200);
    let old = "/v2/acme/app/manifests/1.0";
    for (user, status) in CALLERS.iter().zip([401, 403, 200, 200, 200, 200]) {
        let authorization = if user.is_empty() { String::new() } else { basic(user) };
        let (led, never) = (
            town.get(old, &authorization).await,
            town.get("/v2/acme/never/manifests/1.0", &authorization).await,
        );
        assert_eq!(led.status, status, "{user}");
        if status != 200 {
            assert_eq!(led.code(), never.code(), "{user}");
        }
        // As docker does it: a token for the name that was typed.
        let bearer = town.bearer(&authorization, &["repository:acme/app:pull"]).await;
        let led = town.get(old, &bearer).await;
        assert_eq!(led.status == 200, status == 200, "{user} with a token");
    }
    let other = town.bearer(&basic("reader"), &["repository:acme/there:pull"]).await;
    assert_ne!(town.get(old, &other).await.status, 200, "a token for another name opens nothing");
    let refused = town.ask("POST", "/v2/acme/app/blobs/uploads/", &basic("writer"), b"").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "DENIED"));
    assert!(refused.json()["errors"][0]["detail"]["reason"].as_str().unwrap().contains("acme/new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_comes_back_and_what_is_gone_says_so() {
    let town = Town::new().await;
    town.push("acme/app").await;
    let tag = "repositories/acme/app/-/tags/1.0";
    let gone = town.api("DELETE", tag, "chief", &Value::Null).await.json();
    assert_eq!((&gone["tags"], &gone["manifest_count"]), (&json!(["1.0"]), &json!(1)));
    assert_eq!(town.api("DELETE", tag, "chief", &Value::Null).await.status, 404);
    let why = town.api("GET", "repositories/acme/app/-/why-deleted/1.0", "reader", &Value::Null).await.json();
    assert_eq!((&why["gone"], &why["by"], &why["restorable"]), (&json!(true), &json!("chief"), &json!(true)));
    let back = town.api("POST", &format!("{tag}/rollback"), "writer", &json!({})).await;
    assert_eq!((back.status, &back.json()["moved"]), (200, &json!(true)));
    assert_eq!(
        town.api("POST", &format!("{tag}/rollback"), "writer", &json!({ "at": "1999-01-01" })).await.status,
        404
    );
    assert_eq!(
        town.api("POST", &format!("{tag}/rollback"), "writer", &json!({ "at": "soon" })).await.status,
        400
    );
    assert_eq!(town.api("GET", &format!("{tag}?at=2999-01-01"), "reader", &Value::Null).await.status, 200);

    assert_eq!(town.api("DELETE", "repositories/acme/app", "chief", &Value::Null).await.status, 200);
    assert_eq!(town.get("/v2/acme/app/manifests/1.0", &basic("chief")).await.status, 404);
    for (user, expected) in [("chief", 1), ("writer", 0), ("alice", 0), ("root-of-all", 1)] {
        let trash = town.api("GET", "trash", user, &Value::Null).await.json();
        assert_eq!(trash["repositories"].as_array().unwrap().len(), expected, "{user}");
    }
    let restore = "repositories/acme/app/-/restore";
    assert_eq!(town.api("POST", restore, "writer", &json!({})).await.status, 403);
    // Nobody gets at another's trash by its number.
    assert_eq!(
        town.api("POST", "repositories/alice/x/-/restore", "alice", &json!({ "id": 1 })).await.status,
        404
    );
    assert_eq!(town.api("POST", restore, "chief", &json!({})).await.status, 200);
    assert_eq!(town.api("POST", restore, "chief", &json!({})).await.status, 404);
    assert_eq!(town.get("/v2/acme/app/manifests/1.0", &basic("reader")).await.status, 200);
    let audit =
        town.api("GET", "audit?repository=acme/app&action=repository", "chief", &Value::Null).await.json();
    let actions: Vec<_> =
        audit["entries"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["repository.restore", "repository.delete", "repository.make"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_needs_both_ends() {
    let town = Town::new().await;
    town.push("acme/app").await;
    let copy = |from: &str, to: &str| json!({ "from": from, "reference": "1.0", "to": to, "tags": ["1.0"] });
    for (user, from, to, status) in [
        ("bob", "acme/app", "bob/app", 403),
        ("reader", "acme/app", "acme/two", 403),
        ("reader", "acme/app", "reader/app", 200),
        ("writer", "acme/app", "acme/two", 200),
        ("writer", "acme/absent", "acme/two", 404),
        ("", "acme/app", "acme/two", 401),
    ] {
        let reply = town.api("POST", "copies", user, &copy(from, to)).await;
        assert_eq!(reply.status, status, "{user} {from} {to}: {:?}", reply.body);
    }
    assert_eq!(town.get("/v2/acme/two/manifests/1.0", &basic("reader")).await.status, 200);
    assert_eq!(town.get("/v2/reader/app/manifests/1.0", &basic("reader")).await.status, 200);
    let bad = json!({ "from": "acme/app", "reference": "-", "to": "acme/two" });
    assert_eq!(town.api("POST", "copies", "writer", &bad).await.status, 400);
}
