//! R22: what is private looks like what is not there, by every way to ask.

use http::header::DATE;
use serde_json::Value;

use crate::town::{MANIFEST, Reply, Town, basic, digest, manifest};

/// The answer without what names the repository or the moment.
fn shape(mut reply: Reply, name: &str) -> (u16, String, String) {
    reply.headers.remove(DATE);
    let text = |text: String| text.replace(name, "NAME");
    (
        reply.status,
        text(format!("{:?}", reply.headers)),
        text(String::from_utf8_lossy(&reply.body).into_owned()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_answers_as_one_that_is_not_there() {
    let town = Town::new().await;
    town.push("alice/private").await;
    let (known, unknown, id) = (digest(b"{}"), digest(b"unknown"), "0".repeat(32));
    let mut probes = 0;
    for (user, authorization) in [("nobody", String::new()), ("bob", basic("bob"))] {
        for (method, target, body) in [
            ("GET", "tags/list".to_owned(), Vec::new()),
            ("GET", "manifests/1.0".to_owned(), Vec::new()),
            ("HEAD", "manifests/1.0".to_owned(), Vec::new()),
            ("HEAD", format!("manifests/{}", digest(&manifest())), Vec::new()),
            ("GET", format!("manifests/{}", digest(&manifest())), Vec::new()),
            ("PUT", "manifests/1.0".to_owned(), manifest()),
            ("DELETE", "manifests/1.0".to_owned(), Vec::new()),
            ("DELETE", format!("manifests/{}", digest(&manifest())), Vec::new()),
            ("GET", format!("blobs/{known}"), Vec::new()),
            ("HEAD", format!("blobs/{known}"), Vec::new()),
            ("DELETE", format!("blobs/{known}"), Vec::new()),
            ("POST", "blobs/uploads/".to_owned(), Vec::new()),
            ("POST", format!("blobs/uploads/?digest={known}"), b"{}".to_vec()),
            ("POST", format!("blobs/uploads/?mount={known}&from=bob/x"), Vec::new()),
            ("PATCH", format!("blobs/uploads/{id}"), Vec::new()),
            ("PUT", format!("blobs/uploads/{id}?digest={known}"), Vec::new()),
            ("GET", format!("blobs/uploads/{id}"), Vec::new()),
            ("DELETE", format!("blobs/uploads/{id}"), Vec::new()),
            ("GET", format!("referrers/{unknown}"), Vec::new()),
        ] {
            for bearer in [false, true] {
                let mut shapes = Vec::new();
                for name in ["alice/private", "alice/missing"] {
                    let authorization = if bearer {
                        town.bearer(&authorization, &[&format!("repository:{name}:*")]).await
                    } else {
                        authorization.clone()
                    };
                    let reply =
                        town.ask(method, &format!("/v2/{name}/{target}"), &authorization, &body).await;
                    shapes.push(shape(reply, name));
                    probes += 1;
                }
                assert_eq!(shapes[0], shapes[1], "{user} {method} {target}");
                assert!(matches!(shapes[0].0, 401 | 403), "{user} {method} {target}: {:?}", shapes[0]);
            }
        }
        for target in
            ["repositories/NAME", "why?subject=alice&action=pull&repository=NAME", "audit?repository=NAME"]
        {
            let mut shapes = Vec::new();
            for name in ["alice/private", "alice/missing"] {
                let target = format!("/api/v1/{}", target.replace("NAME", name));
                shapes.push(shape(town.get(&target, &authorization).await, name));
            }
            assert_eq!(shapes[0], shapes[1], "{user} {target}");
        }
    }
    assert!(probes > 100);
    assert_eq!(
        town.get("/v2/alice/private/manifests/1.0", &basic("alice")).await.status,
        200,
        "nothing was changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_others_are_not_to_be_had_by_their_digest() {
    let town = Town::new().await;
    let (alice, bob) = (basic("alice"), basic("bob"));
    let secret = b"a layer of alice's";
    let known = digest(secret);
    let pushed =
        town.ask("POST", &format!("/v2/alice/private/blobs/uploads/?digest={known}"), &alice, secret).await;
    assert_eq!(pushed.status, 201);
    let own = format!("/v2/bob/x/blobs/{known}");
    assert_eq!(town.ask("HEAD", &own, &bob, b"").await.status, 404);
    for mount in [
        format!("/v2/bob/x/blobs/uploads/?mount={known}&from=alice/private"),
        format!("/v2/bob/x/blobs/uploads/?mount={known}"),
        format!("/v2/bob/x/blobs/uploads/?mount={known}&from=nobody/there"),
    ] {
        assert_eq!(town.ask("POST", &mount, &bob, b"").await.status, 202, "{mount}");
        let bearer =
            town.bearer(&bob, &["repository:bob/x:pull,push", "repository:alice/private:pull"]).await;
        assert_eq!(town.ask("POST", &mount, &bearer, b"").await.status, 202, "{mount}");
    }
    let names = String::from_utf8(manifest()).unwrap().replace(&digest(b"{}"), &known);
    let headers = [("authorization", bob.as_str()), ("content-type", MANIFEST)];
    let refused = town.send("PUT", "/v2/bob/x/manifests/1", &headers, names.as_bytes()).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(town.ask("GET", &own, &bob, b"").await.status, 404);
    town.grant("bob", "alice/private", "pull").await;
    let mount = format!("/v2/bob/x/blobs/uploads/?mount={known}&from=alice/private");
    assert_eq!(town.ask("POST", &mount, &bob, b"").await.status, 201, "with the right it is mounted");
    assert_eq!(town.ask("GET", &own, &bob, b"").await.body.as_ref(), secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_belongs_to_its_repository_and_to_who_began_it() {
    let town = Town::new().await;
    town.grant("bob", "alice/shared", "pull,push").await;
    let begun = town.ask("POST", "/v2/alice/shared/blobs/uploads/", &basic("alice"), b"").await;
    assert_eq!(begun.status, 202);
    let location = begun.header("location").to_owned();
    let id = location.rsplit('/').next().unwrap();
    for (who, target) in [
        ("bob", location.clone()),
        ("bob", format!("/v2/bob/x/blobs/uploads/{id}")),
        ("alice", format!("/v2/alice/other/blobs/uploads/{id}")),
    ] {
        for method in ["GET", "PATCH", "DELETE"] {
            let reply = town.ask(method, &target, &basic(who), b"x").await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (404, "BLOB_UPLOAD_UNKNOWN"),
                "{who} {method} {target}"
            );
        }
        let finish = format!("{target}?digest={}", digest(b"x"));
        assert_eq!(town.ask("PUT", &finish, &basic(who), b"x").await.status, 404);
    }
    let finish = format!("{location}?digest={}", digest(b"mine"));
    assert_eq!(town.ask("PUT", &finish, &basic("alice"), b"mine").await.status, 201, "it was not touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_searches_show_what_one_may_see() {
    let town = Town::new().await;
    for repository in ["alice/app", "alice/app-public", "acme/app", "app", "bob/app"] {
        town.push(repository).await;
    }
    town.open("alice/app-public").await;
    let names = |reply: Reply| -> Vec<String> {
        let list = reply.json();
        let entry = |entry: &Value| entry.as_str().or(entry["name"].as_str()).unwrap().to_owned();
        let list = if list["repositories"].is_array() { &list["repositories"] } else { &list["results"] };
        list.as_array().unwrap().iter().map(entry).collect()
    };
    for (user, expected) in [
        ("root-of-all", &["acme/app", "alice/app", "alice/app-public", "app", "bob/app"][..]),
        ("alice", &["alice/app", "alice/app-public"]),
        ("bob", &["alice/app-public", "bob/app"]),
        ("reader", &["acme/app", "alice/app-public"]),
    ] {
        let authorization = basic(user);
        assert_eq!(names(town.get("/v2/_catalog", &authorization).await), expected, "{user}");
        let bearer = town.bearer(&authorization, &["registry:catalog:*"]).await;
        assert_eq!(names(town.get("/v2/_catalog?n=1000000", &bearer).await), expected, "{user}");
        // The best come first in a search.
        let mut found = names(town.get("/v1/search?q=app&n=100", &authorization).await);
        found.sort();
        assert_eq!(found, expected, "{user}");
        let mut paged = Vec::new();
        let mut target = "/v2/_catalog?n=1".to_owned();
        loop {
            let page = town.get(&target, &authorization).await;
            let link = page.header("link").to_owned();
            paged.extend(names(page));
            match link.strip_prefix('<').and_then(|link| link.split('>').next()) {
                Some(next) => target = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(paged, expected, "{user} page by page");
    }
    let nobody = town.bearer("", &["registry:catalog:*"]).await;
    assert_eq!(names(town.get("/v2/_catalog", &nobody).await), ["alice/app-public"]);
    // docker says that it is docker; podman is sent to the catalog with its credentials.
    let docker = town.send("GET", "/v1/search?q=app&n=25", &[("x-docker-token", "true")], b"").await;
    assert_eq!(names(docker), ["alice/app-public"]);
    assert_eq!(town.get("/v1/search?q=app&n=25", "").await.status, 404);
}
