//! Lists in pages: together they are the list, whatever the size of a page.

use serde_json::{Value, json};

use crate::town::{MANIFEST, Town, basic, digest, manifest};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// All entries of a list, in pages of `limit`, and the number of pages.
async fn pages(town: &Town, path: &str, user: &str, name: &str, limit: usize) -> (Vec<Value>, usize) {
    let cursor = if path.contains("history") || path.contains("audit") { "before" } else { "after" };
    let (mut all, mut after, mut n_pages) = (Vec::new(), String::new(), 0);
    loop {
        let join = if path.contains('?') { '&' } else { '?' };
        let authorization = if user.is_empty() { String::new() } else { basic(user) };
        let page = town.get(&format!("/api/v1/{path}{join}limit={limit}{after}"), &authorization).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        let page = page.json();
        let entries = page[name].as_array().unwrap();
        assert!(entries.len() <= limit, "{path}");
        all.extend(entries.iter().cloned());
        n_pages += 1;
        after = match &page["next"] {
            Value::Null => return (all, n_pages),
            Value::String(next) => format!("&{cursor}={next}"),
            next => format!("&{cursor}={next}"),
        };
        assert!(n_pages < 100, "{path} does not end");
    }
}

/// What goes with an index goes at one moment: pages must tell it apart.
async fn delete_an_index(town: &Town) {
    let root = basic("root-of-all");
    let put = |reference: String, media_type: &'static str, body: Vec<u8>| {
        let root = &root;
        async move {
            let target = format!("/v2/acme/a/manifests/{reference}");
            let headers = [("authorization", root.as_str()), ("content-type", media_type)];
            assert_eq!(town.send("PUT", &target, &headers, &body).await.status, 201);
        }
    };
    let mut entries = Vec::new();
    for nonce in ["1", "2", "3"] {
        let mut platform: Value = serde_json::from_slice(&manifest()).unwrap();
        platform["annotations"] = json!({ "nonce": nonce });
        let platform = platform.to_string().into_bytes();
        entries.push(json!({ "mediaType": MANIFEST, "digest": digest(&platform), "size": platform.len() }));
        put(digest(&platform), MANIFEST, platform).await;
    }
    let index =
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string().into_bytes();
    let target = format!("/api/v1/repositories/acme/a/-/manifests/{}", digest(&index));
    put("all".to_owned(), INDEX, index).await;
    assert_eq!(town.ask("DELETE", &target, &root, b"").await.status, 200);
}

async fn filled() -> Town {
    let town = Town::new().await;
    let root = basic("root-of-all");
    for name in ["acme/a", "acme/b", "acme/c", "acme/d", "bob/e"] {
        town.push(name).await;
        town.grant("bob", name, "pull").await;
    }
    let post = |path: &'static str, body: Value| {
        let (town, root) = (&town, &root);
        async move {
            let reply = town.ask("POST", &format!("/api/v1/{path}"), root, body.to_string().as_bytes()).await;
            assert_eq!(reply.status, 201, "{reply:?}");
        }
    };
    delete_an_index(&town).await;
    for n in 0..4 {
        post("teams", json!({ "name": format!("team-{n}") })).await;
        post("robots", json!({ "name": format!("acme.r{n}") })).await;
        post("tokens", json!({ "name": format!("t{n}"), "actions": ["pull"] })).await;
        post("rules", json!({ "kind": "immutable", "pattern": "acme/*", "tags": format!("v{n}") })).await;
        let quota = town.ask("PUT", &format!("/api/v1/quotas/team-{n}"), &root, br#"{"bytes":100000}"#).await;
        assert_eq!(quota.status, 200);
        let name = format!("gone/{n}");
        town.push(&name).await;
        assert_eq!(town.ask("DELETE", &format!("/api/v1/repositories/{name}"), &root, b"").await.status, 200);
    }
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_are_the_whole_list() {
    let town = filled().await;
    for (path, name, n_entries) in [
        ("repositories", "repositories", 5),
        ("users", "users", 7),
        ("teams", "teams", 5),
        ("robots", "robots", 4),
        ("tokens", "tokens", 4),
        ("grants", "grants", 5),
        ("rules", "rules", 4),
        ("repositories/acme/a/-/rules", "rules", 4),
        ("quotas", "quotas", 4),
        ("trash", "repositories", 4),
        ("repositories/acme/a/-/trash", "manifests", 4),
        ("usage", "namespaces", 3),
        ("usage/namespaces/acme", "repositories", 4),
        ("audit?action=token", "entries", 4),
        ("repositories/acme/a/-/history", "history", 1),
        ("repositories/acme/a/-/tags", "tags", 1),
    ] {
        let (whole, _) = pages(&town, path, "root-of-all", name, 1000).await;
        assert!(whole.len() >= n_entries, "{path}: {}", whole.len());
        for limit in [1, 2, 3] {
            let (all, n_pages) = pages(&town, path, "root-of-all", name, limit).await;
            assert_eq!(all, whole, "{path} in pages of {limit}");
            assert!(n_pages >= whole.len().div_ceil(limit), "{path}");
        }
    }
    let root = basic("root-of-all");
    for limit in ["0", "-5", "100000"] {
        assert_eq!(town.get(&format!("/api/v1/users?limit={limit}"), &root).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_repositories_holds_what_the_caller_may_see() {
    let town = filled().await;
    town.open("acme/b").await;
    let described = town
        .ask("PATCH", "/api/v1/repositories/acme/b", &basic("chief"), r#"{"description":"Äpfel"}"#.as_bytes())
        .await;
    assert_eq!(described.status, 200);
    for (user, expected) in [
        ("", vec!["acme/b"]),
        ("alice", vec!["acme/b"]),
        ("reader", vec!["acme/a", "acme/b", "acme/c", "acme/d"]),
        ("bob", vec!["acme/a", "acme/b", "acme/c", "acme/d", "bob/e"]),
    ] {
        for limit in [1, 100] {
            let (all, _) = pages(&town, "repositories", user, "repositories", limit).await;
            let names: Vec<_> = all.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
            assert_eq!(names, expected, "{user}");
        }
    }
    let found = town.get("/api/v1/repositories?q=pfel", &basic("reader")).await.json();
    let entry = json!({ "name": "acme/b", "visibility": "public", "description": "Äpfel" });
    assert_eq!(found, json!({ "repositories": [entry], "next": null }));
}
