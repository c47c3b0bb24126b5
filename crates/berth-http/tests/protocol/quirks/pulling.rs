//! What everyone meets who pulls a lot.

use berth_oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use berth_registry::Policy;
use serde_json::{Value, json};

use crate::support::{Reply, Rig, delete, digest_of, get, head, image, index, noise, put};

/// The parts of a `multipart/byteranges` body, each with its place.
fn parts(reply: &Reply) -> Vec<(String, Vec<u8>)> {
    let kind = reply.header("content-type");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("several parts");
    let line = format!("--{boundary}");
    let mut rest = &reply.body[..];
    let mut found = Vec::new();
    loop {
        rest = rest.strip_prefix(line.as_bytes()).expect("a boundary");
        if rest == b"--\r\n" {
            return found;
        }
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of a header");
        let header = String::from_utf8(rest[..end].to_vec()).expect("text");
        let place =
            header.lines().find_map(|line| line.strip_prefix("Content-Range: bytes ")).expect("a place");
        let (from, to) = place.split_once('/').expect("a size").0.split_once('-').expect("a range");
        let length = to.parse::<usize>().unwrap() - from.parse::<usize>().unwrap() + 1;
        let body = &rest[end + 4..];
        found.push((place.to_owned(), body[..length].to_vec()));
        rest = body[length..].strip_prefix(b"\r\n").expect("the end of a part");
    }
}

#[tokio::test]
async fn quirk_23_range() {
    let rig = Rig::new().await;
    // One that is kept as a row, and one that is kept as a file.
    for length in [1000, 200_000] {
        let content = noise(1, length);
        let digest = rig.push_blob("a", &content).await;
        let blob = || get(format!("/v2/a/blobs/{digest}"));
        for (range, from, to) in [
            ("bytes=0-".to_owned(), 0, length - 1),
            ("bytes=5-".to_owned(), 5, length - 1),
            ("bytes=5-9".to_owned(), 5, 9),
            (format!("bytes=5-{}", length * 2), 5, length - 1),
            ("bytes=-7".to_owned(), length - 7, length - 1),
            ("bytes=0-0".to_owned(), 0, 0),
        ] {
            let reply = blob().header("range", &range).send(&rig).await.expect_status(206);
            assert_eq!(reply.header("content-range"), format!("bytes {from}-{to}/{length}"));
            reply.expect_header("accept-ranges", "bytes").expect_body(&content[from..=to]);
        }

        let reply = blob().header("range", &format!("bytes={length}-")).send(&rig).await.expect_status(416);
        assert_eq!(reply.header("content-range"), format!("bytes */{length}"));

        let reply = blob().header("range", "bytes=0-1, 100-199, -3").send(&rig).await.expect_status(206);
        let expected = [
            (format!("0-1/{length}"), content[..2].to_vec()),
            (format!("100-199/{length}"), content[100..200].to_vec()),
            (format!("{}-{}/{length}", length - 3, length - 1), content[length - 3..].to_vec()),
        ];
        assert_eq!(parts(&reply), expected);

        let many = format!("bytes={}", (0..200).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(","));
        blob().header("range", &many).send(&rig).await.expect_status(200).expect_body(&content);

        let etag = format!("\"{digest}\"");
        let ranged = |condition: &str| blob().header("range", "bytes=5-9").header("if-range", condition);
        ranged(&etag).send(&rig).await.expect_status(206).expect_body(&content[5..10]);
        for other in ["\"other\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            ranged(other).send(&rig).await.expect_status(200).expect_body(&content);
        }
        let whole = head(format!("/v2/a/blobs/{digest}")).header("range", "bytes=5-9").send(&rig).await;
        whole.expect_status(200).expect_header("content-length", &length.to_string());
    }
}

#[tokio::test]
async fn quirk_23_what_a_client_has_is_not_sent_again() {
    let rig = Rig::new().await;
    let manifest = rig.push_image("a", "1", 1).await;
    let layer = digest_of(&noise(2, 1000));
    let known = [
        ("/v2/a/manifests/1".to_owned(), digest_of(&manifest), "no-cache"),
        (
            format!("/v2/a/manifests/{}", digest_of(&manifest)),
            digest_of(&manifest),
            "max-age=31536000, immutable",
        ),
        (format!("/v2/a/blobs/{layer}"), layer.clone(), "max-age=31536000, immutable"),
    ];
    for (path, digest, freshness) in known {
        for ask in [get, head] {
            let reply = ask(path.clone()).header("if-none-match", &format!("\"{digest}\"")).send(&rig).await;
            let reply = reply.expect_status(304).expect_header("cache-control", freshness);
            reply
                .expect_header("etag", &format!("\"{digest}\""))
                .expect_header("docker-content-digest", &digest);
            let reply = ask(path.clone()).header("if-none-match", "\"other\"").send(&rig).await;
            reply.expect_status(200);
        }
    }
    let reply = get("/v2/a/manifests/2").header("if-none-match", "*").send(&rig).await;
    reply.expect_error(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn quirk_24_delete() {
    let rig = Rig::new().await;
    let manifest = rig.push_image("a", "1.9", 1).await;
    rig.push_manifest("a", "latest", OCI_MANIFEST, &manifest).await;
    delete("/v2/a/manifests/latest").send(&rig).await.expect_status(202);
    get("/v2/a/manifests/latest").send(&rig).await.expect_error(404, "MANIFEST_UNKNOWN");
    get("/v2/a/manifests/1.9").send(&rig).await.expect_body(&manifest);

    rig.push_manifest("a", "latest", OCI_MANIFEST, &manifest).await;
    let by_digest = format!("/v2/a/manifests/{}", digest_of(&manifest));
    delete(&by_digest).send(&rig).await.expect_status(202);
    for tag in ["1.9", "latest"] {
        get(format!("/v2/a/manifests/{tag}")).send(&rig).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
    assert_eq!(get("/v2/a/tags/list").send(&rig).await.json()["tags"], json!([]));
    delete(&by_digest).send(&rig).await.expect_error(404, "MANIFEST_UNKNOWN");
    delete("/v2/none/manifests/1").send(&rig).await.expect_error(404, "NAME_UNKNOWN");

    let off = Rig::with(Policy { delete: false, ..Policy::default() }).await;
    off.push_image("a", "1", 1).await;
    delete("/v2/a/manifests/1").send(&off).await.expect_error(405, "UNSUPPORTED");
}

#[tokio::test]
async fn quirk_25_accept_is_a_hint() {
    let rig = Rig::new().await;
    let child = rig.push_image("a", "child", 1).await;
    let content = index(&[crate::support::descriptor(OCI_MANIFEST, &child)]);
    rig.push_manifest("a", "all", OCI_INDEX, &content).await;
    let lines: &[&[&str]] = &[
        &["application/json", DOCKER_LIST, OCI_INDEX, "*/*", DOCKER_MANIFEST, OCI_MANIFEST],
        &["application/vnd.oci.image.manifest.v1+json, */*;q=0.1"],
        &["*/*"],
        &[],
        &[DOCKER_MANIFEST],
        &["text/html"],
        &["nonsense"],
    ];
    for accept in lines {
        for ask in [get, head] {
            let asked = accept
                .iter()
                .fold(ask("/v2/a/manifests/all".to_owned()), |asked, line| asked.header("accept", line));
            let reply = asked.send(&rig).await.expect_status(200).expect_header("content-type", OCI_INDEX);
            assert!(reply.body.is_empty() || reply.body == content);
            assert_eq!(reply.header("content-length"), content.len().to_string());
        }
    }
}

/// Sets many tags with few requests.
async fn tag(rig: &Rig, count: usize) -> Vec<String> {
    let manifest = rig.push_blobs("a", 1).await;
    let mut tags: Vec<String> = (0..count).map(|n| format!("v{n}")).collect();
    for some in tags.chunks(250) {
        let parameters: Vec<_> = some.iter().map(|tag| format!("tag={tag}")).collect();
        let target = format!("/v2/a/manifests/{}?{}", digest_of(&manifest), parameters.join("&"));
        let ask = put(target).header("content-type", OCI_MANIFEST).body(&manifest);
        ask.send(rig).await.expect_status(201).expect_header("oci-tag", &some.join(", "));
    }
    tags.sort_unstable();
    tags
}

/// Follows the links of a list from its first page.
async fn walk(rig: &Rig, first: &str, field: &str) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut next) = (Vec::new(), 0, Some(first.to_owned()));
    while let Some(target) = next {
        let reply = get(target).send(rig).await.expect_status(200);
        items.extend(reply.json()[field].as_array().expect("a list").iter().cloned());
        pages += 1;
        next = reply.next();
    }
    (items, pages)
}

#[tokio::test]
async fn quirk_26_tag_list() {
    let rig = Rig::new().await;
    get("/v2/a/tags/list").send(&rig).await.expect_error(404, "NAME_UNKNOWN");
    let tags = tag(&rig, 2500).await;
    for first in ["/v2/a/tags/list", "/v2/a/tags/list?n=10000", "/v2/a/tags/list?n=1000"] {
        assert_eq!(
            walk(&rig, first, "tags").await,
            (tags.iter().map(|tag| json!(tag)).collect(), 3),
            "{first}"
        );
    }
    let list = |query: &str| get(format!("/v2/a/tags/list?{query}"));
    let none = list("n=0").send(&rig).await.expect_status(200);
    assert_eq!((none.json(), none.next()), (json!({ "name": "a", "tags": [] }), None));
    let behind = list("n=2&last=v2a").send(&rig).await;
    let at = tags.iter().position(|tag| tag.as_str() > "v2a").unwrap();
    assert_eq!(behind.json()["tags"], json!(tags[at..at + 2]));
    let end = list("last=zzz").send(&rig).await.expect_status(200);
    assert_eq!((end.json()["tags"].clone(), end.next()), (json!([]), None));
    list("n=some").send(&rig).await.expect_error(400, "PAGINATION_NUMBER_INVALID");
}

#[tokio::test]
async fn quirk_26_a_repository_without_tags_has_an_empty_list() {
    let rig = Rig::new().await;
    rig.push_blobs("a", 1).await;
    let manifest = image(&noise(1, 100), &[&noise(2, 1000)]);
    rig.push_manifest("a", &digest_of(&manifest), OCI_MANIFEST, &manifest).await;
    let reply = get("/v2/a/tags/list").send(&rig).await.expect_status(200);
    assert_eq!(reply.body, br#"{"name":"a","tags":[]}"#);
}

#[tokio::test]
async fn quirk_27_link() {
    let rig = Rig::new().await;
    tag(&rig, 5).await;
    let first = get("/v2/a/tags/list?n=2").send(&rig).await;
    assert_eq!(first.next().as_deref(), Some("/v2/a/tags/list?n=2&last=v1"));
    let last = get("/v2/a/tags/list?n=5").send(&rig).await;
    assert!(!last.has("link"), "all was said");
}

#[tokio::test]
async fn quirk_28_catalog() {
    let rig = Rig::new().await;
    assert_eq!(get("/v2/_catalog").send(&rig).await.json(), json!({ "repositories": [] }));
    let mut names = ["b", "a/z", "a-b", "a", "quay.io/x/y", "0"];
    for name in names {
        rig.push_image(name, "1", 1).await;
    }
    names.sort_unstable();
    let all = get("/v2/_catalog?n=1000000").send(&rig).await.expect_status(200);
    assert_eq!((all.json()["repositories"].clone(), all.next()), (json!(names), None));
    let expected = names.iter().map(|name| json!(name)).collect();
    assert_eq!(walk(&rig, "/v2/_catalog?n=2", "repositories").await, (expected, 3));
}
