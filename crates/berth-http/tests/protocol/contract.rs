//! The contract as a table: for each request the exact status and the headers that some client needs.

use berth_oci::media_type::{OCI_INDEX, OCI_MANIFEST};

use crate::support::{Ask, Rig, delete, digest_of, get, head, noise, patch, post, put};

/// One row: a request, its status, and what the header of the answer holds. `*` is any value.
type Row<'a> = (Ask, u16, &'a [(&'a str, &'a str)]);

async fn hold(rig: &Rig, rows: impl IntoIterator<Item = Row<'_>>) {
    for (ask, status, headers) in rows {
        let reply = ask.send(rig).await.expect_status(status);
        for (name, value) in headers {
            let found = reply.header(name);
            assert!(*value == "*" || found == *value, "{name} is {found}, not {value}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn reading() {
    let rig = Rig::new().await;
    let manifest = rig.push_image("team/app", "1.0", 1).await;
    let blob = noise(9, 200_000);
    let (m, b) = (digest_of(&manifest), rig.push_blob("team/app", &blob).await);
    let (length, etag) = (manifest.len().to_string(), format!("\"{m}\""));
    let of_manifest = [
        ("content-type", OCI_MANIFEST),
        ("content-length", &length),
        ("docker-content-digest", &m),
        ("etag", &etag),
    ];
    let of_blob = [
        ("content-length", "200000"),
        ("docker-content-digest", b.as_str()),
        ("accept-ranges", "bytes"),
        ("content-type", "application/octet-stream"),
        ("content-security-policy", "*"),
    ];
    let no_such = format!("sha256:{}", "0".repeat(64));
    let json: &[(&str, &str)] = &[("content-type", "application/json")];
    hold(
        &rig,
        [
            (get("/v2/"), 200, json),
            (get("/v2"), 200, json),
            (head("/v2/"), 200, json),
            (head("/v2/team/app/manifests/1.0"), 200, &of_manifest),
            (get("/v2/team/app/manifests/1.0"), 200, &of_manifest),
            (head(format!("/v2/team/app/manifests/{m}")), 200, &of_manifest),
            (get(format!("/v2/team/app/manifests/{m}")), 200, &of_manifest),
            (head("/v2/team/app/manifests/none"), 404, json),
            (get("/v2/team/app/manifests/none"), 404, json),
            (head(format!("/v2/team/app/blobs/{b}")), 200, &of_blob),
            (get(format!("/v2/team/app/blobs/{b}")), 200, &of_blob),
            (head(format!("/v2/team/app/blobs/{no_such}")), 404, json),
            (get(format!("/v2/team/app/blobs/{no_such}")), 404, json),
            (get("/v2/team/app/tags/list"), 200, json),
            (get("/v2/team/none/tags/list"), 404, json),
            (get("/v2/_catalog"), 200, json),
            (get(format!("/v2/team/app/referrers/{no_such}")), 200, &[("content-type", OCI_INDEX)]),
            (get(format!("/v2/no/where/referrers/{no_such}")), 200, &[("content-type", OCI_INDEX)]),
            (get("/v1/_ping"), 200, json),
            (get("/v1/search?q=x"), 200, json),
            (get("/"), 404, json),
        ],
    )
    .await;
}

#[tokio::test]
async fn parts_of_a_blob() {
    let rig = Rig::new().await;
    let digest = rig.push_blob("a", &noise(1, 1000)).await;
    let part = |range: &str| get(format!("/v2/a/blobs/{digest}")).header("range", range);
    hold(
        &rig,
        [
            (
                part("bytes=900-"),
                206,
                &[("content-range", "bytes 900-999/1000"), ("content-length", "100")][..],
            ),
            (
                part("bytes=-1"),
                206,
                &[("content-range", "bytes 999-999/1000"), ("docker-content-digest", "*")],
            ),
            (
                part("bytes=1000-"),
                416,
                &[("content-range", "bytes */1000"), ("content-type", "application/json")],
            ),
            (part("lines=1-2"), 200, &[("content-length", "1000")]),
        ],
    )
    .await;
}

#[tokio::test]
async fn uploading() {
    let rig = Rig::new().await;
    let content = noise(1, 100);
    let digest = digest_of(&content);
    let stored = format!("/v2/a/blobs/{digest}");
    let opened: &[_] =
        &[("location", "*"), ("docker-upload-uuid", "*"), ("range", "0-0"), ("content-length", "0")];
    let there = [("location", stored.as_str()), ("docker-content-digest", &digest), ("content-length", "0")];

    hold(
        &rig,
        [
            (post("/v2/a/blobs/uploads/"), 202, opened),
            (post("/v2/a/blobs/uploads"), 202, opened),
            (post(format!("/v2/a/blobs/uploads/?mount={digest}&from=b")), 202, opened),
            (post(format!("/v2/a/blobs/uploads/?digest={digest}")).body(&content), 201, &there),
        ],
    )
    .await;

    let at = rig.open_upload("a").await;
    let asked = [("location", at.as_str()), ("range", "0-99"), ("docker-upload-uuid", "*")];
    let mounted = [("location", "*"), ("docker-content-digest", digest.as_str()), ("content-length", "0")];
    hold(
        &rig,
        [
            (get(&at), 204, &[("location", at.as_str()), ("range", "0-0")][..]),
            (patch(&at).streamed(&content), 202, &asked),
            (get(&at), 204, &asked),
            (patch(&at).header("content-range", "5-9").body(&content[..5]), 416, &asked[..2]),
            (put(format!("{at}?digest={digest}")).body(b""), 201, &there),
            (get(&at), 404, &[]),
            (post(format!("/v2/b/blobs/uploads/?mount={digest}&from=a")), 201, &mounted),
        ],
    )
    .await;

    let at = rig.open_upload("a").await;
    hold(&rig, [(delete(&at), 204, &[][..]), (delete(&at), 404, &[]), (patch(&at).body(b"x"), 404, &[])])
        .await;
}

#[tokio::test]
async fn pushing_and_deleting_manifests() {
    let rig = Rig::new().await;
    let manifest = rig.push_blobs("a", 1).await;
    let digest = digest_of(&manifest);
    let push = |reference: &str| {
        put(format!("/v2/a/manifests/{reference}")).header("content-type", OCI_MANIFEST).body(&manifest)
    };
    let location = format!("/v2/a/manifests/{digest}");
    let stored =
        [("location", location.as_str()), ("docker-content-digest", &digest), ("content-length", "0")];
    let tagged = [("oci-tag", "1.0, 1"), ("docker-content-digest", &digest)];
    let layer = digest_of(&noise(2, 1000));
    hold(
        &rig,
        [
            (push("latest"), 201, &stored[..]),
            (push("latest"), 201, &stored),
            (push(&digest), 201, &stored),
            (push(&format!("{digest}?tag=1.0&tag=1")), 201, &tagged),
            (delete("/v2/a/manifests/latest"), 202, &[]),
            (delete("/v2/a/manifests/latest"), 404, &[]),
            (delete(format!("/v2/a/manifests/{digest}")), 202, &[]),
            (delete(format!("/v2/a/manifests/{digest}")), 404, &[]),
            (delete(format!("/v2/a/blobs/{layer}")), 202, &[]),
            (delete(format!("/v2/a/blobs/{layer}")), 404, &[]),
            (get("/v2/a/manifests/1.0"), 404, &[]),
        ],
    )
    .await;
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_exist() {
    let rig = Rig::new().await;
    let digest = digest_of(b"");
    let upload = format!("/v2/a/blobs/uploads/{}", "0".repeat(32));
    let table = [
        ("/v2/", "GET, HEAD", "POST"),
        ("/v2/_catalog", "GET, HEAD", "DELETE"),
        ("/v2/a/tags/list", "GET, HEAD", "PUT"),
        ("/v2/a/manifests/latest", "GET, HEAD, PUT, DELETE", "POST"),
        (&format!("/v2/a/blobs/{digest}"), "GET, HEAD, DELETE", "PUT"),
        ("/v2/a/blobs/uploads/", "POST", "GET"),
        (&upload, "GET, HEAD, PATCH, PUT, DELETE", "POST"),
        (&format!("/v2/a/referrers/{digest}"), "GET, HEAD", "PATCH"),
        ("/v1/_ping", "GET, HEAD", "POST"),
    ];
    for (path, allowed, method) in table {
        for method in [method, "OPTIONS", "TRACE", "PROPFIND"] {
            let reply = crate::support::ask(method, path).send(&rig).await;
            reply.expect_error(405, "UNSUPPORTED").expect_header("allow", allowed);
        }
    }
}
