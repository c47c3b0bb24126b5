//! What everyone meets on the first day.

use berth_oci::media_type::{DOCKER_MANIFEST, OCI_MANIFEST};
use serde_json::json;

use crate::support::{Rig, ask, delete, digest_of, get, head, image, noise, patch, post, put};

/// Without accounts the ping is open; with and without slash it is the same answer, not a redirect.
#[tokio::test]
async fn quirk_01_ping_is_200_with_json() {
    let rig = Rig::new().await;
    for path in ["/v2/", "/v2"] {
        let reply = get(path).send(&rig).await.expect_status(200);
        assert_eq!(reply.json(), json!({}));
        head(path).send(&rig).await.expect_status(200).expect_header("content-type", "application/json");
    }
}

/// The form is checked of every error by [`Ask::send`](crate::support::Ask::send); here each kind is asked for once.
#[tokio::test]
async fn quirk_06_refusals_keep_their_words() {
    let rig = Rig::new().await;
    rig.push_image("a", "1", 1).await;
    let none = digest_of(b"none");
    for (ask, status, code, message) in [
        (get("/v2/a/manifests/2"), 404, "MANIFEST_UNKNOWN", "manifest unknown"),
        (get("/v2/b/manifests/2"), 404, "NAME_UNKNOWN", "repository name not known to registry"),
        (get("/v2/b/tags/list"), 404, "NAME_UNKNOWN", "repository name not known to registry"),
        (get(format!("/v2/a/blobs/{none}")), 404, "BLOB_UNKNOWN", "blob unknown to registry"),
        (get("/unknown"), 404, "NOT_FOUND", "not found"),
        (ask("PATCH", "/v2/"), 405, "UNSUPPORTED", "The operation is unsupported."),
        (
            put("/v2/a/manifests/1").header("content-length", "9999999999"),
            413,
            "SIZE_INVALID",
            "provided length did not match content length",
        ),
    ] {
        let reply = ask.send(&rig).await.expect_error(status, code);
        let body = reply.json();
        assert_eq!(body["errors"][0]["message"], message);
        assert!(body["errors"][0]["detail"]["reason"].is_string(), "{body}");
        assert_eq!(body["errors"][0].as_object().map(serde_json::Map::len), Some(3), "{body}");
    }
}

/// No other 2xx will do; the table is in `contract`.
#[tokio::test]
async fn quirk_07_exact_statuses() {
    let rig = Rig::new().await;
    let (config, layer) = (noise(1, 10), noise(2, 100_000));
    rig.push_blob("other", &config).await;
    let mount = format!("/v2/a/blobs/uploads/?mount={}&from=other", digest_of(&config));
    post(mount).send(&rig).await.expect_status(201);
    let at = rig.open_upload("a").await;
    patch(&at).streamed(&layer).send(&rig).await.expect_status(202);
    get(&at).send(&rig).await.expect_status(204);
    put(format!("{at}?digest={}", digest_of(&layer))).body(b"").send(&rig).await.expect_status(201);
    let at = rig.open_upload("a").await;
    delete(&at).send(&rig).await.expect_status(204);
    let manifest = image(&config, &[&layer]);
    let ask = put("/v2/a/manifests/1").header("content-type", OCI_MANIFEST).body(&manifest);
    ask.send(&rig).await.expect_status(201);
    delete("/v2/a/manifests/1").send(&rig).await.expect_status(202);
    delete(format!("/v2/a/manifests/{}", digest_of(&manifest))).send(&rig).await.expect_status(202);
    delete(format!("/v2/a/blobs/{}", digest_of(&layer))).send(&rig).await.expect_status(202);
}

#[tokio::test]
async fn quirk_08_streaming_upload_without_length() {
    let rig = Rig::new().await;
    let content = noise(1, 3_000_000);
    let at = rig.open_upload("a").await;
    get(&at).send(&rig).await.expect_status(204).expect_header("range", "0-0");
    let reply = patch(&at).header("transfer-encoding", "chunked").streamed(&content).send(&rig).await;
    reply.expect_status(202).expect_header("range", "0-2999999");
    let digest = digest_of(&content);
    put(format!("{at}?digest={digest}")).body(b"").send(&rig).await.expect_status(201);
    get(format!("/v2/a/blobs/{digest}")).send(&rig).await.expect_status(200).expect_body(&content);
}

#[tokio::test]
async fn quirk_10_head_and_get_say_the_same() {
    let rig = Rig::new().await;
    let manifest = rig.push_image("a", "1", 1).await;
    let large = rig.push_blob("a", &noise(5, 200_000)).await;
    for (path, digest) in [
        ("/v2/a/manifests/1".to_owned(), digest_of(&manifest)),
        (format!("/v2/a/manifests/{}", digest_of(&manifest)), digest_of(&manifest)),
        (format!("/v2/a/blobs/{}", digest_of(&noise(2, 1000))), digest_of(&noise(2, 1000))),
        (format!("/v2/a/blobs/{large}"), large),
    ] {
        let (got, seen) = (get(&path).send(&rig).await, head(&path).send(&rig).await);
        assert_eq!(got.headers, seen.headers, "{path}");
        assert_eq!(got.header("docker-content-digest"), digest);
        assert_eq!(digest_of(&got.body), digest);
        assert!(!got.header("content-type").contains(';'), "{path}");
    }
    let rows = [
        "/v2/a/tags/list".to_owned(),
        "/v2/_catalog".to_owned(),
        format!("/v2/a/referrers/{}", digest_of(b"")),
    ];
    for path in rows {
        assert_eq!(get(&path).send(&rig).await.headers, head(&path).send(&rig).await.headers, "{path}");
    }
}

#[tokio::test]
async fn quirk_11_bytes_are_sacred() {
    let rig = Rig::new().await;
    let (config, layer) = (rig.push_blob("a", b"config").await, rig.push_blob("a", b"layer").await);
    let docker_layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let odd = format!(
        "{{\n\t\"layers\" : [ {{\"size\":5 ,\"digest\":\"{layer}\",\"mediaType\":\"{docker_layer}\",\"new\":1.50}} ],\r\n  \
         \"config\":{{\"mediaType\":\"application/vnd.example\\u002bjson\",\"size\":6,\"digest\":\"{config}\"}},\
         \"unknown\":{{\"z\":null,\"a\":[]}},   \"schemaVersion\":2\n}}\n\n"
    );
    for media_type in [OCI_MANIFEST, DOCKER_MANIFEST] {
        let repository = if media_type == OCI_MANIFEST { "a" } else { "b" };
        for blob in [&b"config"[..], b"layer"] {
            rig.push_blob(repository, blob).await;
        }
        let path = format!("/v2/{repository}/manifests/odd");
        let with_parameter = format!("{media_type}; charset=utf-8");
        let ask = put(&path).header("content-type", &with_parameter).body(odd.as_bytes());
        ask.send(&rig)
            .await
            .expect_status(201)
            .expect_header("docker-content-digest", &digest_of(odd.as_bytes()));
        let reply = get(&path).header("accept-encoding", "gzip, zstd").send(&rig).await;
        reply.expect_status(200).expect_header("content-type", media_type).expect_body(odd.as_bytes());
    }
    let text = vec![b'a'; 100_000];
    let digest = rig.push_blob("a", &text).await;
    let reply = get(format!("/v2/a/blobs/{digest}"))
        .header("accept-encoding", "zstd, gzip, deflate")
        .send(&rig)
        .await;
    reply.expect_body(&text);
}

/// Every way in which clients make the last request out of a `Location`.
#[tokio::test]
async fn quirk_12_location_survives_rewriting() {
    let rig = Rig::new().await;
    for (n, form) in [
        "{at}?digest={digest}",
        "{at}?digest={encoded}",
        "{at}?a=b&digest={encoded}&z=1",
        "{at}?digest={digest}&digest={digest}",
        "{at}&digest={digest}",
        "{at}&digest={encoded}",
        "{at}?x=y?digest={digest}",
        "http://registry.example.org:5000{at}?digest={digest}",
    ]
    .into_iter()
    .enumerate()
    {
        let content = noise(n as u64, 1000);
        let digest = digest_of(&content);
        let at = rig.open_upload("team/app").await;
        assert!(at.starts_with("/v2/team/app/blobs/uploads/") && !at.contains(['?', '&']), "{at}");
        let sent = patch(&at).body(&content).send(&rig).await.expect_status(202);
        let at = sent.header("location");
        let target = form
            .replace("{at}", at)
            .replace("{digest}", &digest)
            .replace("{encoded}", &digest.replace(':', "%3A"));
        put(&target).body(b"").send(&rig).await.expect_status(201);
        head(format!("/v2/team/app/blobs/{digest}")).send(&rig).await.expect_status(200);
    }
}
