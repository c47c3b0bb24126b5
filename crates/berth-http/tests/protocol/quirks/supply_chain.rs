//! What teams meet that sign, attest and resume.

use berth_oci::media_type::{OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST};
use serde_json::{Value, json};

use crate::support::{
    Rig, delete, descriptor, digest_of, get, head, image, index, noise, patch, post, put, sha512_of,
};

/// An artifact about `subject`.
fn artifact(subject: &Value, artifact_type: Option<&str>, note: &str) -> Vec<u8> {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_EMPTY, b"{}"),
        "layers": [descriptor(OCI_EMPTY, b"{}")],
        "subject": subject,
        "annotations": { "org.example.note": note },
    });
    if let Some(artifact_type) = artifact_type {
        manifest["artifactType"] = json!(artifact_type);
    }
    manifest.to_string().into_bytes()
}

async fn push(rig: &Rig, content: &[u8], subject: &str) {
    let ask = put(format!("/v2/a/manifests/{}", digest_of(content))).header("content-type", OCI_MANIFEST);
    ask.body(content).send(rig).await.expect_status(201).expect_header("oci-subject", subject);
}

#[tokio::test]
async fn quirk_35_referrers() {
    let rig = Rig::new().await;
    rig.push_blob("a", b"{}").await;
    // The subject need not exist.
    let subject = descriptor(OCI_MANIFEST, b"not there");
    let digest = digest_of(b"not there");
    let artifacts = [
        artifact(&subject, Some("application/vnd.example.sbom+json"), "one"),
        artifact(&subject, Some("application/vnd.example.sbom+json"), "two"),
        artifact(&subject, Some("application/vnd.example.signature"), "three"),
        artifact(&subject, None, "four"),
    ];
    for content in &artifacts {
        push(&rig, content, &digest).await;
    }

    let path = format!("/v2/a/referrers/{digest}");
    let all = get(&path).send(&rig).await.expect_status(200).expect_header("content-type", OCI_INDEX);
    assert!(!all.has("oci-filters-applied"));
    let listed = all.json();
    assert_eq!((&listed["schemaVersion"], &listed["mediaType"]), (&json!(2), &json!(OCI_INDEX)));
    let mut expected: Vec<String> = artifacts.iter().map(|content| digest_of(content)).collect();
    expected.sort_unstable();
    let entries = listed["manifests"].as_array().expect("a list");
    assert_eq!(entries.iter().map(|entry| entry["digest"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    let four =
        entries.iter().find(|entry| entry["annotations"]["org.example.note"] == "four").expect("annotations");
    assert_eq!(four["artifactType"], OCI_EMPTY, "the type falls back to the config's");
    assert_eq!((&four["mediaType"], &four["size"]), (&json!(OCI_MANIFEST), &json!(artifacts[3].len())));

    for filter in ["application/vnd.example.sbom%2Bjson", "application/vnd.example.sbom+json"] {
        let some = get(format!("{path}?artifactType={filter}")).send(&rig).await;
        let some = some.expect_status(200).expect_header("oci-filters-applied", "artifactType");
        let notes: Vec<_> = some.json()["manifests"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| entry["annotations"]["org.example.note"].clone())
            .collect();
        assert!(
            notes.len() == 2 && notes.contains(&json!("one")) && notes.contains(&json!("two")),
            "{notes:?}"
        );
    }
    let none = get(format!("{path}?artifactType=no/such")).send(&rig).await;
    assert_eq!(none.expect_header("oci-filters-applied", "artifactType").json()["manifests"], json!([]));
}

#[tokio::test]
async fn quirk_35_referrers_of_anything_are_a_list() {
    let rig = Rig::new().await;
    rig.push_image("a", "1", 1).await;
    let zeros = format!("sha256:{}", "0".repeat(64));
    for path in [
        format!("a/referrers/{zeros}"),
        format!("no/such/referrers/{zeros}"),
        format!("a/referrers/{}", sha512_of(b"")),
    ] {
        let reply = get(format!("/v2/{path}")).send(&rig).await.expect_status(200);
        assert_eq!(reply.header("content-type"), OCI_INDEX);
        assert_eq!(reply.json()["manifests"], json!([]));
    }
    get("/v2/a/referrers/latest").send(&rig).await.expect_error(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn quirk_35_referrers_come_in_pages_that_keep_the_filter() {
    let rig = Rig::new().await;
    rig.push_blob("a", b"{}").await;
    let (subject, digest) = (descriptor(OCI_MANIFEST, b"x"), digest_of(b"x"));
    for n in 0..5 {
        push(&rig, &artifact(&subject, Some("application/wanted+json"), &n.to_string()), &digest).await;
        push(&rig, &artifact(&subject, Some("application/other"), &n.to_string()), &digest).await;
    }
    // Annotations of 100 KiB each: by size alone not all fit on one page.
    for n in 0..25 {
        let content = artifact(&subject, Some("application/heavy"), &format!("{n}{}", "x".repeat(100 << 10)));
        push(&rig, &content, &digest).await;
    }
    for (query, total, least) in [
        ("?artifactType=application%2Fwanted%2Bjson&n=2", 5, 3),
        ("?artifactType=application/heavy", 25, 2),
        ("", 35, 2),
    ] {
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!("/v2/a/referrers/{digest}{query}"));
        while let Some(target) = next {
            let reply = get(target).send(&rig).await.expect_status(200);
            assert!(reply.body.len() < 4 << 20, "clients read no more");
            found.extend(
                reply.json()["manifests"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|entry| entry["digest"].to_string()),
            );
            pages += 1;
            next = reply.next();
        }
        let count = found.len();
        found.dedup();
        assert_eq!((count, found.len()), (total, total), "{query}");
        assert!(pages >= least, "{query}: {pages} pages");
    }
}

/// Clients from before the referrers API keep the list themselves, under a tag.
#[tokio::test]
async fn quirk_36_fallback_tags() {
    let rig = Rig::new().await;
    let image = rig.push_image("a", "1", 1).await;
    rig.push_blob("a", b"{}").await;
    let about = artifact(&descriptor(OCI_MANIFEST, &image), Some("application/vnd.example.sbom"), "old");
    rig.push_manifest("a", &digest_of(&about), OCI_MANIFEST, &about).await;
    let fallback = digest_of(&image).replace(':', "-");
    let list = index(&[descriptor(OCI_MANIFEST, &about)]);
    rig.push_manifest("a", &fallback, OCI_INDEX, &list).await;
    let referrers = get(format!("/v2/a/referrers/{}", digest_of(&image))).send(&rig).await.json();
    assert_eq!(referrers["manifests"][0]["digest"], digest_of(&about));
    get(format!("/v2/a/manifests/{fallback}")).send(&rig).await.expect_body(&list);
    for suffix in [".sig", ".att", ".sbom"] {
        let tag = format!("{fallback}{suffix}");
        rig.push_manifest("a", &tag, OCI_MANIFEST, &image).await;
        get(format!("/v2/a/manifests/{tag}")).send(&rig).await.expect_body(&image);
    }
}

#[tokio::test]
async fn quirk_37_resume() {
    let rig = Rig::new().await;
    let content = noise(1, 300_000);
    let digest = digest_of(&content);
    let at = rig.open_upload("a").await;
    let first = patch(&at).header("content-range", "0-99999").body(&content[..100_000]);
    first.send(&rig).await.expect_status(202).expect_header("range", "0-99999");
    let gap = patch(&at).header("content-range", "200000-200009").body(&content[200_000..200_010]);
    let gap = gap.send(&rig).await.expect_error(416, "RANGE_INVALID").expect_header("range", "0-99999");
    let reply = get(gap.header("location")).send(&rig).await.expect_status(204);
    let at = reply.expect_header("range", "0-99999").header("location").to_owned();

    // The connection is lost, then the server is started again: what was received counts.
    patch(&at).streamed(&content[100_000..150_000]).cut().send(&rig).await.expect_status(400);
    let rig = rig.restarted().await;
    get(&at).send(&rig).await.expect_status(204).expect_header("range", "0-149999");

    let last = put(format!("{at}?digest={digest}"))
        .header("content-range", "150000-299999")
        .body(&content[150_000..]);
    last.send(&rig).await.expect_status(201);
    get(format!("/v2/a/blobs/{digest}")).send(&rig).await.expect_body(&content);
    get(&at).send(&rig).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");

    let at = rig.open_upload("a").await;
    assert!(!get(&at).send(&rig).await.has("oci-chunk-min-length"), "it is not enforced");
    delete(&at).send(&rig).await.expect_status(204);
    for ask in [get(&at), patch(&at).body(b"x"), put(format!("{at}?digest={digest}")).body(b""), delete(&at)]
    {
        ask.send(&rig).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

#[tokio::test]
async fn quirk_39_same_digest_again() {
    let rig = Rig::new().await;
    let manifest = rig.push_image("a", "1.0", 1).await;
    let digest = digest_of(&manifest);
    let push = |target: String| put(target).header("content-type", OCI_MANIFEST).body(&manifest);
    for _ in 0..2 {
        let reply = push("/v2/a/manifests/1.0".into()).send(&rig).await.expect_status(201);
        assert!(!reply.has("oci-tag"), "nobody asked for tags");
    }
    let reply =
        push(format!("/v2/a/manifests/{digest}?tag=a&tag=b&tag=a")).send(&rig).await.expect_status(201);
    reply.expect_header("oci-tag", "a, b");
    assert_eq!(get("/v2/a/tags/list").send(&rig).await.json()["tags"], json!(["1.0", "a", "b"]));
}

#[tokio::test]
async fn quirk_40_sha512() {
    let rig = Rig::new().await;
    for length in [100, 100_000] {
        let (config, layer) = (noise(1, length), noise(2, length));
        let at_once = post(format!("/v2/a/blobs/uploads/?digest={}", sha512_of(&config))).body(&config);
        at_once
            .send(&rig)
            .await
            .expect_status(201)
            .expect_header("docker-content-digest", &sha512_of(&config));
        // Announced, and not announced.
        for parameter in ["?digest-algorithm=sha512", ""] {
            let reply = post(format!("/v2/a/blobs/uploads/{parameter}")).send(&rig).await.expect_status(202);
            let at = reply.header("location").to_owned();
            patch(&at).streamed(&layer).send(&rig).await.expect_status(202);
            let close = put(format!("{at}?digest={}", sha512_of(&layer))).body(b"");
            close
                .send(&rig)
                .await
                .expect_status(201)
                .expect_header("docker-content-digest", &sha512_of(&layer));
        }
        get(format!("/v2/a/blobs/{}", sha512_of(&layer))).send(&rig).await.expect_body(&layer);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": { "mediaType": OCI_CONFIG, "digest": sha512_of(&config), "size": length },
            "layers": [{ "mediaType": "application/x", "digest": sha512_of(&layer), "size": length }],
        })
        .to_string()
        .into_bytes();
        let digest = sha512_of(&manifest);
        let ask = put(format!("/v2/a/manifests/{digest}?tag=long"))
            .header("content-type", OCI_MANIFEST)
            .body(&manifest);
        let reply = ask.send(&rig).await.expect_status(201).expect_header("oci-tag", "long");
        reply
            .expect_header("docker-content-digest", &digest)
            .expect_header("location", &format!("/v2/a/manifests/{digest}"));
        for reference in ["long", &digest] {
            let reply = get(format!("/v2/a/manifests/{reference}")).send(&rig).await;
            reply.expect_header("docker-content-digest", &digest).expect_body(&manifest);
        }
    }
}

#[tokio::test]
async fn quirk_40_small_print() {
    let rig = Rig::new().await;
    let open =
        post("/v2/a/blobs/uploads/").header("content-type", "application/json").header("content-length", "0");
    open.send(&rig).await.expect_status(202);
    let empty = digest_of(b"");
    rig.push_blob("a", b"").await;
    get(format!("/v2/a/blobs/{empty}"))
        .send(&rig)
        .await
        .expect_status(200)
        .expect_header("content-length", "0");
    // A manifest without a Content-Type speaks for itself.
    let manifest = rig.push_blobs("a", 1).await;
    put("/v2/a/manifests/1").body(&manifest).send(&rig).await.expect_status(201);
    head("/v2/a/manifests/1").send(&rig).await.expect_header("content-type", OCI_MANIFEST);
    let foreign = image(&noise(1, 100), &[]);
    put("/v2/a/manifests/1").body(&foreign).send(&rig).await.expect_status(201);
}
