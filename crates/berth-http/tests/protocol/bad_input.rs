//! What is wrong is refused: the right status and code, a detail that says what to do, and nothing stored.

use berth_oci::media_type::{DOCKER_SCHEMA1, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST};
use berth_registry::Policy;
use serde_json::json;

use crate::support::{
    Rig, delete, descriptor, digest_of, get, head, image, noise, patch, post, put, sha512_of,
};

const LARGE: usize = 100_000;

#[tokio::test]
async fn a_wrong_digest_stores_nothing() {
    let rig = Rig::new().await;
    for length in [10, LARGE] {
        let (content, wrong) = (noise(1, length), digest_of(b"something else"));
        let at_once = post(format!("/v2/a/blobs/uploads/?digest={wrong}")).body(&content);
        at_once.send(&rig).await.expect_error(400, "DIGEST_INVALID");

        let at = rig.open_upload("a").await;
        patch(&at).streamed(&content).send(&rig).await.expect_status(202);
        let refused = put(format!("{at}?digest={wrong}")).body(b"").send(&rig).await;
        let detail = refused.expect_error(400, "DIGEST_INVALID").json()["errors"][0]["detail"].to_string();
        assert!(detail.contains(&digest_of(&content)) && detail.contains(&wrong), "{detail}");
        get(&at).send(&rig).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");

        for digest in [&wrong, &digest_of(&content)] {
            head(format!("/v2/a/blobs/{digest}")).send(&rig).await.expect_status(404);
        }
    }
    assert_eq!(rig.files(), 0);
}

#[tokio::test]
async fn a_malformed_digest_is_refused_before_the_body_is_read() {
    let rig = Rig::new().await;
    let at = rig.open_upload("a").await;
    let hex = "a".repeat(64);
    for digest in [
        "sha256:short".to_owned(),
        "sha256:".to_owned(),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha384:{}", "a".repeat(96)),
        format!("md5:{}", "a".repeat(32)),
        format!("sha512:{hex}"),
        hex.clone(),
        "..%2F..%2Fetc%2Fpasswd".to_owned(),
        "sha256:%00".to_owned(),
        format!("sha256%3A{hex}%2F.."),
    ] {
        // The body breaks off, so whoever read it would answer otherwise.
        let ask = put(format!("{at}?digest={digest}")).cut();
        ask.send(&rig).await.expect_error(400, "DIGEST_INVALID");
        let ask = post(format!("/v2/a/blobs/uploads/?digest={digest}")).cut();
        ask.send(&rig).await.expect_error(400, "DIGEST_INVALID");
    }
    put(&at).body(b"x").send(&rig).await.expect_error(400, "DIGEST_INVALID");
    for path in ["blobs", "referrers"] {
        let ask = get(format!("/v2/a/{path}/sha256:short"));
        ask.send(&rig).await.expect_error(400, "DIGEST_INVALID");
    }
    get(&at).send(&rig).await.expect_status(204).expect_header("range", "0-0");
}

#[tokio::test]
async fn an_unknown_algorithm_is_refused() {
    let rig = Rig::new().await;
    for algorithm in ["md5", "sha384", "SHA256", "blake3", "../x"] {
        let ask = post(format!("/v2/a/blobs/uploads/?digest-algorithm={algorithm}"));
        ask.send(&rig).await.expect_error(400, "DIGEST_INVALID");
    }
}

#[tokio::test]
async fn malformed_names_are_refused_everywhere() {
    let rig = Rig::new().await;
    let long = "a".repeat(256);
    for name in [
        "Upper",
        "a/B",
        "a//b",
        "/a",
        "a/",
        "a/../b",
        "..",
        ".",
        "a/./b",
        "a b",
        "a%20b",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "_a",
        "a/%2e%2e/b",
        "..%2f..%2fetc",
        "a%2Fb",
        "a%00",
        "%ff",
        "a:b",
        "ä",
        &long,
    ] {
        let escaped = name.replace(' ', "%20").replace('ä', "%C3%A4");
        for rest in ["tags/list", "manifests/latest", "blobs/uploads/", &format!("blobs/{}", digest_of(b""))]
        {
            let ask = if rest.ends_with('/') { post } else { get };
            let reply = ask(format!("/v2/{escaped}/{rest}")).send(&rig).await;
            reply.expect_error(400, "NAME_INVALID");
        }
    }
    assert_eq!(rig.files(), 0);
    assert_eq!(get("/v2/_catalog").send(&rig).await.json(), json!({ "repositories": [] }));
}

#[tokio::test]
async fn upload_ids_are_no_paths() {
    let rig = Rig::new().await;
    rig.open_upload("a").await;
    let zeros = "0".repeat(32);
    for id in [
        "x",
        "..%2F..%2Fberth.db",
        "%2e%2e",
        ".",
        &zeros,
        &zeros[1..],
        &format!("{zeros}0"),
        &zeros.replace('0', "F"),
        "550e8400-e29b-41d4-a716-446655440000",
    ] {
        for ask in [get, delete, patch, put] {
            let target = format!("/v2/a/blobs/uploads/{id}?digest={}", digest_of(b""));
            let reply = ask(target).send(&rig).await;
            assert!(matches!(reply.status, 400 | 404), "{reply:?}");
            let code = reply.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned();
            assert!(matches!(code.as_str(), "BLOB_UPLOAD_UNKNOWN" | "NAME_INVALID"), "{reply:?}");
        }
    }
    assert_eq!(rig.files(), 0);
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let rig = Rig::new().await;
    let at = rig.open_upload("team/app").await;
    let foreign = at.replace("team/app", "other/app");
    let target = format!("{foreign}?digest={}", digest_of(b"x"));
    for ask in [get(&foreign), delete(&foreign), patch(&foreign).body(b"x"), put(target).body(b"x")] {
        ask.send(&rig).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    }
    get(&at).send(&rig).await.expect_status(204).expect_header("range", "0-0");
}

#[tokio::test]
async fn a_chunk_out_of_order_says_where_to_go_on() {
    let rig = Rig::new().await;
    let content = noise(1, LARGE);
    let at = rig.open_upload("a").await;
    let chunk = |from: usize, to: usize| {
        patch(&at).header("content-range", &format!("{from}-{to}")).body(&content[from..=to])
    };
    chunk(1, 9).send(&rig).await.expect_status(416).expect_header("range", "0-0");
    chunk(0, 49_999).send(&rig).await.expect_status(202).expect_header("range", "0-49999");
    for wrong in [chunk(0, 49_999), chunk(60_000, 60_001), chunk(49_999, 50_005)] {
        let reply = wrong.send(&rig).await.expect_error(416, "RANGE_INVALID");
        reply.expect_header("range", "0-49999").expect_header("location", &at);
    }
    let digest = digest_of(&content);
    let late = put(format!("{at}?digest={digest}")).header("content-range", "0-9").body(&content[..10]);
    late.send(&rig).await.expect_error(416, "RANGE_INVALID");
    let last =
        put(format!("{at}?digest={digest}")).header("content-range", "50000-99999").body(&content[50_000..]);
    last.send(&rig).await.expect_status(201);
    get(format!("/v2/a/blobs/{digest}")).send(&rig).await.expect_body(&content);
}

#[tokio::test]
async fn a_chunk_of_another_length_than_announced_is_refused() {
    let rig = Rig::new().await;
    let at = rig.open_upload("a").await;
    let chunk = |range: &str| patch(&at).header("content-range", range);
    chunk("0-9").body(b"12345").send(&rig).await.expect_error(400, "SIZE_INVALID");
    chunk("0-3").body(b"12345").send(&rig).await.expect_error(400, "SIZE_INVALID");
    get(&at).send(&rig).await.expect_header("range", "0-0");
    for malformed in ["bytes 0-4/5", "bytes=0-4", "0-", "-4", "4-0", "x", "0-4/5", ""] {
        chunk(malformed).body(b"12345").send(&rig).await.expect_error(400, "BLOB_UPLOAD_INVALID");
    }
    chunk("0-4").body(b"12345").send(&rig).await.expect_status(202).expect_header("range", "0-4");
}

#[tokio::test]
async fn what_came_before_a_cut_counts_and_a_blob_cut_short_does_not() {
    let rig = Rig::new().await;
    let content = noise(1, LARGE);
    let digest = digest_of(&content);
    let at = rig.open_upload("a").await;
    patch(&at).streamed(&content[..30_000]).cut().send(&rig).await.expect_error(400, "BLOB_UPLOAD_INVALID");
    get(&at).send(&rig).await.expect_header("range", "0-29999");
    let rest = put(format!("{at}?digest={digest}")).body(&content[30_000..]);
    rest.send(&rig).await.expect_status(201);

    let whole = noise(2, LARGE);
    let ask = post(format!("/v2/a/blobs/uploads/?digest={}", digest_of(&whole)))
        .streamed(&whole[..LARGE - 1])
        .cut();
    ask.send(&rig).await.expect_error(400, "BLOB_UPLOAD_INVALID");
    assert_eq!(rig.files(), 1, "only the first blob is there");
}

async fn refuse_manifest(rig: &Rig, media_type: &str, content: &[u8], status: u16, code: &str) -> String {
    let ask = put("/v2/a/manifests/latest").header("content-type", media_type).body(content);
    let reply = ask.send(rig).await.expect_error(status, code);
    head("/v2/a/manifests/latest").send(rig).await.expect_status(404);
    head(format!("/v2/a/manifests/{}", digest_of(content))).send(rig).await.expect_status(404);
    reply.json()["errors"][0]["detail"].to_string()
}

#[tokio::test]
async fn a_manifest_names_only_what_is_there() {
    let rig = Rig::new().await;
    rig.push_blob("a", b"config").await;
    rig.push_blob("elsewhere", b"layer").await;
    let content = image(b"config", &[b"layer", b"nowhere"]);
    let detail = refuse_manifest(&rig, OCI_MANIFEST, &content, 400, "MANIFEST_BLOB_UNKNOWN").await;
    assert!(detail.contains(&digest_of(b"layer")) && detail.contains(&digest_of(b"nowhere")), "{detail}");
    assert!(!detail.contains(&digest_of(b"config")), "{detail}");
}

#[tokio::test]
async fn a_manifest_has_one_meaning() {
    let rig = Rig::new().await;
    let (config, layer) = (descriptor(OCI_CONFIG, b"config"), descriptor(OCI_LAYER_GZIP, b"layer"));
    rig.push_blob("a", b"config").await;
    rig.push_blob("a", b"layer").await;
    let both = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer], "manifests": [],
    });
    let other = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "config": config, "layers": [layer] });
    let no_config = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [layer] });
    for content in [both, other, no_config, json!([]), json!("text"), json!({})] {
        refuse_manifest(&rig, OCI_MANIFEST, content.to_string().as_bytes(), 400, "MANIFEST_INVALID").await;
    }
    for text in ["", "{", "not json", "{}{}", "{\"schemaVersion\":2,\"schemaVersion\":2}", "\u{feff}{}"] {
        refuse_manifest(&rig, OCI_MANIFEST, text.as_bytes(), 400, "MANIFEST_INVALID").await;
    }
    let good = image(b"config", &[b"layer"]);
    for media_type in ["text/plain", "application/octet-stream", OCI_INDEX, "nonsense"] {
        refuse_manifest(&rig, media_type, &good, 400, "MANIFEST_INVALID").await;
    }
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"x\":{deep}}}");
    refuse_manifest(&rig, OCI_MANIFEST, deep.as_bytes(), 400, "MANIFEST_INVALID").await;
}

#[tokio::test]
async fn schema_1_is_refused_with_the_way_out() {
    let rig = Rig::new().await;
    let schema1 =
        json!({ "schemaVersion": 1, "name": "a", "tag": "1", "fsLayers": [], "history": [] }).to_string();
    let detail = refuse_manifest(&rig, DOCKER_SCHEMA1, schema1.as_bytes(), 400, "MANIFEST_INVALID").await;
    assert!(detail.contains("schema 1") && detail.contains("skopeo"), "{detail}");
}

#[tokio::test]
async fn a_manifest_by_digest_has_that_digest() {
    let rig = Rig::new().await;
    let content = rig.push_blobs("a", 1).await;
    for digest in [digest_of(b"other"), sha512_of(b"other")] {
        let ask =
            put(format!("/v2/a/manifests/{digest}")).header("content-type", OCI_MANIFEST).body(&content);
        ask.send(&rig).await.expect_error(400, "DIGEST_INVALID");
    }
    for digest in ["sha256:baddigeststring", "sha999:aa"] {
        for ask in [
            put(format!("/v2/a/manifests/{digest}")).body(&content),
            get(format!("/v2/a/manifests/{digest}")),
        ] {
            ask.send(&rig).await.expect_error(400, "DIGEST_INVALID");
        }
    }
    head(format!("/v2/a/manifests/{}", digest_of(&content))).send(&rig).await.expect_status(404);
}

#[tokio::test]
async fn a_malformed_tag_is_refused_and_never_found() {
    let rig = Rig::new().await;
    let content = rig.push_blobs("a", 1).await;
    let long = "a".repeat(129);
    for tag in [".hidden", "-x", "a%20b", "a%2Fb%2F", "%C3%A4", &long] {
        let path = format!("/v2/a/manifests/{tag}");
        let pushed = put(&path).header("content-type", OCI_MANIFEST).body(&content).send(&rig).await;
        assert_eq!(pushed.status, 400, "{pushed:?}");
        let asked = get(&path).send(&rig).await;
        assert!(matches!(asked.status, 400 | 404), "{asked:?}");
    }
    let by_digest = format!("/v2/a/manifests/{}?tag=good&tag=.bad", digest_of(&content));
    let ask = put(by_digest).header("content-type", OCI_MANIFEST).body(&content);
    ask.send(&rig).await.expect_error(400, "TAG_INVALID");
    get("/v2/a/manifests/.bad").send(&rig).await.expect_error(404, "MANIFEST_UNKNOWN");
    head("/v2/a/manifests/good").send(&rig).await.expect_status(404);
}

#[tokio::test]
async fn a_manifest_has_a_largest_size_however_it_is_sent() {
    let rig = Rig::new().await;
    rig.push_blob("a", b"config").await;
    let limit = 4 << 20;
    let mut content = image(b"config", &[]);
    content.resize(limit, b' ');
    let ask = || put("/v2/a/manifests/large").header("content-type", OCI_MANIFEST);
    ask().body(&content).send(&rig).await.expect_status(201);
    ask().streamed(&content).send(&rig).await.expect_status(201);
    get("/v2/a/manifests/large").send(&rig).await.expect_body(&content);
    content.push(b' ');
    let digest = digest_of(&content);
    ask().streamed(&content).send(&rig).await.expect_error(413, "SIZE_INVALID");
    // A body without end is not read to its end: it would break off.
    let endless = ask().streamed(&content).streamed(&content).cut();
    endless.send(&rig).await.expect_error(413, "SIZE_INVALID");
    let announced = ask().header("content-length", "4194305").cut();
    announced.send(&rig).await.expect_error(413, "SIZE_INVALID");
    head(format!("/v2/a/manifests/{digest}")).send(&rig).await.expect_status(404);
}

#[tokio::test]
async fn a_page_has_a_number() {
    let rig = Rig::new().await;
    rig.push_image("a", "1", 1).await;
    for n in ["abc", "-1", "1.5", "", "0x10", "%00"] {
        for path in ["/v2/a/tags/list", "/v2/_catalog"] {
            let reply = get(format!("{path}?n={n}")).send(&rig).await;
            reply.expect_error(400, "PAGINATION_NUMBER_INVALID");
        }
    }
}

#[tokio::test]
async fn deleting_can_be_switched_off() {
    let rig = Rig::with(Policy { delete: false, ..Policy::default() }).await;
    let manifest = rig.push_image("a", "1", 1).await;
    let of_manifests = ["/v2/a/manifests/1".to_owned(), format!("/v2/a/manifests/{}", digest_of(&manifest))];
    for path in of_manifests {
        let reply = delete(path).send(&rig).await.expect_error(405, "UNSUPPORTED");
        reply.expect_header("allow", "GET, HEAD, PUT");
    }
    let reply = delete(format!("/v2/a/blobs/{}", digest_of(&noise(1, 100)))).send(&rig).await;
    reply.expect_error(405, "UNSUPPORTED").expect_header("allow", "GET, HEAD");
    let at = rig.open_upload("a").await;
    delete(at).send(&rig).await.expect_status(204);
    get("/v2/a/manifests/1").send(&rig).await.expect_body(&manifest);
}

#[tokio::test]
async fn a_blob_in_use_stays() {
    let rig = Rig::new().await;
    let manifest = rig.push_image("a", "1", 1).await;
    let layer = digest_of(&noise(2, 1000));
    let detail = delete(format!("/v2/a/blobs/{layer}")).send(&rig).await.expect_error(403, "DENIED");
    assert!(detail.json().to_string().contains(&digest_of(&manifest)), "{detail:?}");
    head(format!("/v2/a/blobs/{layer}")).send(&rig).await.expect_status(200);
}

#[tokio::test]
async fn unknown_paths_are_json_too() {
    let rig = Rig::new().await;
    for path in
        ["/", "/favicon.ico", "/v1/", "/v3/", "/v2x", "/v2/a", "/v2/a/b/c", "/v2/tags/list", "/v2/a/blobs"]
    {
        let reply = get(path).send(&rig).await;
        assert!(matches!(reply.status, 400 | 404), "{reply:?}");
    }
    get("/v2/a/b/c").send(&rig).await.expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_full_disk_refuses_blobs_and_says_so() {
    let rig = Rig::full().await;
    let content = noise(1, LARGE);
    let digest = digest_of(&content);
    let at_once = post(format!("/v2/a/blobs/uploads/?digest={digest}")).body(&content).send(&rig).await;
    let detail = at_once.expect_error(503, "UNAVAILABLE").json()["errors"][0]["detail"].to_string();
    assert!(detail.contains("full"), "{detail}");
    // It is said before the client sends anything.
    post("/v2/a/blobs/uploads/").send(&rig).await.expect_error(503, "UNAVAILABLE");
    head(format!("/v2/a/blobs/{digest}")).send(&rig).await.expect_status(404);
    assert_eq!(rig.files(), 0);
    get("/v2/").send(&rig).await.expect_status(200);
}
