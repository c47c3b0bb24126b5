//! What everyone meets who builds images.

use berth_oci::media_type::{
    DOCKER_LAYER_FOREIGN, OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER_ZSTD, OCI_MANIFEST,
};
use berth_registry::{Policy, Sparse};
use serde_json::{Value, json};

use crate::support::{Rig, delete, descriptor, digest_of, get, head, index, noise, patch, post, put};

#[tokio::test]
async fn quirk_13_mount_is_never_an_error() {
    let rig = Rig::new().await;
    let content = noise(1, 100_000);
    let digest = rig.push_blob("source/app", &content).await;
    let encoded = digest.replace(':', "%3A");
    let none = digest_of(b"none");
    for query in [
        format!("mount={digest}&from=no/where"),
        format!("mount={none}&from=source/app"),
        format!("mount={digest}&from=Malformed%2F%2F.."),
        format!("mount={digest}&from=registry.example.org:5000/source/app"),
        format!("from=ghcr.io%2Fother%2Fapp&mount={encoded}&origin=ghcr.io"),
        format!("mount={none}"),
        "mount=nonsense&from=source/app".to_owned(),
        "mount=&from=".to_owned(),
    ] {
        let reply =
            post(format!("/v2/target/app/blobs/uploads/?{query}")).send(&rig).await.expect_status(202);
        // The session that was opened instead is a good one.
        let other = noise(2, 10);
        let target = format!("{}?digest={}", reply.header("location"), digest_of(&other));
        put(target).body(&other).send(&rig).await.expect_status(201);
    }
    for (n, query) in [
        format!("mount={digest}&from=source/app"),
        format!("from=source%2Fapp&mount={encoded}"),
        format!("mount={digest}"),
        format!("mount={encoded}&from=source/app&origin=localhost"),
    ]
    .into_iter()
    .enumerate()
    {
        let reply =
            post(format!("/v2/target/{n}/blobs/uploads/?{query}")).send(&rig).await.expect_status(201);
        assert_eq!(reply.header("docker-content-digest"), digest);
        head(format!("/v2/target/{n}/blobs/{digest}")).send(&rig).await.expect_status(200);
        get(reply.header("location")).send(&rig).await.expect_body(&content);
    }
}

#[tokio::test]
async fn quirk_15_names_with_many_segments() {
    let rig = Rig::new().await;
    let long = format!("{}a", "a/".repeat(127));
    let names = [
        "quay.io/example/app-operator",
        "a/blobs/uploads/b",
        "tags/list/x",
        "v2/v2",
        "a/manifests/b",
        "a/blobs/b",
        "a/referrers/b",
        "manifests",
        "a/tags/list",
        "uploads",
        &long,
    ];
    for name in names {
        let manifest = rig.push_image(name, "latest", 1).await;
        get(format!("/v2/{name}/manifests/latest")).send(&rig).await.expect_body(&manifest);
        let tags = get(format!("/v2/{name}/tags/list")).send(&rig).await;
        assert_eq!(tags.json(), json!({ "name": name, "tags": ["latest"] }));
        let at = rig.open_upload(name).await;
        patch(&at).body(b"x").send(&rig).await.expect_status(202);
        delete(&at).send(&rig).await.expect_status(204);
    }
    let catalog = get("/v2/_catalog").send(&rig).await.json();
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(catalog["repositories"], json!(sorted));
    for name in names {
        delete(format!("/v2/{name}/manifests/latest")).send(&rig).await.expect_status(202);
        get(format!("/v2/{name}/manifests/latest")).send(&rig).await.expect_status(404);
    }
}

#[tokio::test]
async fn quirk_16_read_after_write() {
    let rig = Rig::new().await;
    for length in [0, 1, 65_536, 65_537, 300_000] {
        let content = noise(3, length);
        let digest = rig.push_blob("a", &content).await;
        let seen = head(format!("/v2/a/blobs/{digest}")).send(&rig).await.expect_status(200);
        assert_eq!(seen.header("content-length"), length.to_string());
        get(format!("/v2/a/blobs/{digest}")).send(&rig).await.expect_body(&content);
    }
    let first = rig.push_image("a", "1", 1).await;
    head("/v2/a/manifests/1").send(&rig).await.expect_header("docker-content-digest", &digest_of(&first));
    let second = rig.push_image("a", "1", 10).await;
    get("/v2/a/manifests/1").send(&rig).await.expect_body(&second);
    let rig = rig.restarted().await;
    get("/v2/a/manifests/1").send(&rig).await.expect_body(&second);
}

#[tokio::test]
async fn quirk_19_multi_arch_and_attestations() {
    let rig = Rig::new().await;
    let image = rig.push_image("a", "unused", 1).await;
    rig.push_blob("a", b"{}").await;
    let (statement, layer) = (b"in-toto statement", noise(9, 100));
    rig.push_blob("a", statement).await;
    rig.push_blob("a", &layer).await;
    let mut empty = descriptor(OCI_EMPTY, b"{}");
    empty["data"] = json!("e30=");
    let attestation = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
        "config": empty,
        "layers": [descriptor("application/vnd.in-toto+json", statement), descriptor(OCI_LAYER_ZSTD, &layer)],
        "subject": descriptor(OCI_MANIFEST, &image),
    })
    .to_string();
    rig.push_manifest("a", &digest_of(attestation.as_bytes()), OCI_MANIFEST, attestation.as_bytes()).await;
    let mut children = [descriptor(OCI_MANIFEST, &image), descriptor(OCI_MANIFEST, attestation.as_bytes())];
    children[0]["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    children[1]["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
    let all = index(&children);
    rig.push_manifest("a", "latest", OCI_INDEX, &all).await;
    get("/v2/a/manifests/latest").send(&rig).await.expect_header("content-type", OCI_INDEX).expect_body(&all);
    let referrers = get(format!("/v2/a/referrers/{}", digest_of(&image))).send(&rig).await.json();
    assert_eq!(referrers["manifests"][0]["digest"], digest_of(attestation.as_bytes()));
}

/// Without a policy that allows it, an index names only what is there.
#[tokio::test]
async fn quirk_19_missing_children() {
    let sparse =
        |image: &[u8]| index(&[descriptor(OCI_MANIFEST, image), descriptor(OCI_MANIFEST, b"elsewhere")]);
    let push = |content: &[u8]| put("/v2/a/manifests/sparse").header("content-type", OCI_INDEX).body(content);

    let strict = Rig::new().await;
    let image = strict.push_image("a", "1", 1).await;
    let reply = push(&sparse(&image)).send(&strict).await.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    let detail = reply.json()["errors"][0]["detail"].clone();
    assert_eq!(detail["missing"], json!([digest_of(b"elsewhere")]));

    let lenient = Rig::with(Policy { sparse: Sparse::Indexes, ..Policy::default() }).await;
    let image = lenient.push_image("a", "1", 1).await;
    push(&sparse(&image)).send(&lenient).await.expect_status(201);
    get("/v2/a/manifests/sparse").send(&lenient).await.expect_body(&sparse(&image));
}

#[tokio::test]
async fn quirk_19_foreign_layers_need_not_exist() {
    let rig = Rig::new().await;
    rig.push_blob("a", b"config").await;
    let mut foreign = descriptor(DOCKER_LAYER_FOREIGN, b"windows base layer");
    foreign["urls"] = json!(["https://mcr.example.com/layer"]);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, b"config"),
        "layers": [foreign],
    })
    .to_string();
    rig.push_manifest("a", "windows", OCI_MANIFEST, manifest.as_bytes()).await;
    get("/v2/a/manifests/windows").send(&rig).await.expect_body(manifest.as_bytes());
}

/// Old BuildKit pushes its cache as an index of blobs.
#[tokio::test]
async fn quirk_20_cache_index_of_blobs() {
    let rig = Rig::new().await;
    let (layer, config) = (noise(1, 70_000), b"{\"layers\":[]}");
    rig.push_blob("cache", &layer).await;
    rig.push_blob("cache", config).await;
    let entries: [Value; 2] = [
        descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer),
        descriptor("application/vnd.buildkit.cacheconfig.v0", config),
    ];
    let cache = index(&entries);
    rig.push_manifest("cache", "buildcache", OCI_INDEX, &cache).await;
    get("/v2/cache/manifests/buildcache").send(&rig).await.expect_body(&cache);
    let refused = delete(format!("/v2/cache/blobs/{}", digest_of(&layer))).send(&rig).await;
    refused.expect_error(403, "DENIED");
}
