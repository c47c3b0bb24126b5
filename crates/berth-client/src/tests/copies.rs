//! Copies between registries and other stores: everything that belongs to an image, nothing twice, and nothing changed.

use std::sync::{Arc, Mutex};

use berth_oci::media_type::{DOCKER_LAYER_FOREIGN, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST};
use berth_oci::{Descriptor, Digest, Platform, Reference};
use serde_json::{Value, json};

use super::depot::{Depot, Memory};
use super::{digest, latest};
use crate::{
    Client, ClientOptions, Copied, CopyError, CopyOptions, EndError, Source, Step, Uploaded, copy, copy_all,
};

/// An image of one platform, with a layer that all of them share and one of its own.
fn image(depot: &Depot, repository: &str, name: &str, tags: &[&str]) -> Descriptor {
    let config = depot.blob(repository, OCI_CONFIG, format!("{{\"os\":\"{name}\"}}").as_bytes());
    let layers = [
        depot.blob(repository, OCI_LAYER_GZIP, b"the layer of all"),
        depot.blob(repository, OCI_LAYER_GZIP, format!("the layer of {name}").as_bytes()),
    ];
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
    depot.manifest(repository, OCI_MANIFEST, &manifest.to_string(), tags)
}

/// An index of two platforms.
fn index(depot: &Depot, repository: &str, tags: &[&str]) -> Descriptor {
    let children = ["amd64", "arm64"].map(|architecture| {
        let mut child = image(depot, repository, architecture, &[]);
        let (architecture, os) = (architecture.to_owned(), "linux".to_owned());
        child.platform = Some(Platform { architecture, os, ..Platform::default() });
        child
    });
    // The spaces are part of it: nobody writes it anew.
    let index = format!(
        "{{ \"schemaVersion\" : 2,\n \"mediaType\":{OCI_INDEX:?}, \"manifests\": {} }}\n",
        json!(children)
    );
    depot.manifest(repository, OCI_INDEX, &index, tags)
}

/// Something that is about an image.
fn about(depot: &Depot, repository: &str, subject: &Descriptor, what: &str) -> Descriptor {
    let empty = depot.blob(repository, berth_oci::media_type::OCI_EMPTY, b"{}");
    let layer = depot.blob(repository, "application/json", what.as_bytes());
    let artifact_type = format!("application/vnd.example.{what}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty, "layers": [layer],
        "artifactType": artifact_type, "subject": subject, "annotations": {"what": what},
    });
    depot.manifest(repository, OCI_MANIFEST, &manifest.to_string(), &[])
}

async fn copied(
    from: &Depot,
    to: &Depot,
    names: (&str, &str),
    options: &CopyOptions,
) -> Result<Copied, CopyError> {
    copy(&from.repository(names.0), &latest(), &to.repository(names.1), &latest(), options).await
}

fn with_attachments() -> CopyOptions {
    CopyOptions { attachments: true, ..CopyOptions::default() }
}

#[tokio::test]
async fn an_index_comes_over_whole_and_unchanged_and_only_once() {
    let (from, to) = (Depot::start().await, Depot::start().await);
    let root = index(&from, "a/b", &["latest"]);
    let done = copied(&from, &to, ("a/b", "c"), &CopyOptions::default()).await.unwrap();
    assert_eq!((done.digest, done.media_type.as_str()), (root.digest, OCI_INDEX));
    assert_eq!(
        (done.tally.sent, done.tally.mounted, done.tally.existed, done.tally.manifests),
        (5, 0, 0, 3),
        "the shared layer once"
    );
    assert_eq!(from.inventory("a/b"), to.inventory("c"));
    to.fake.take();
    let again = copied(&from, &to, ("a/b", "c"), &CopyOptions::default()).await.unwrap();
    assert_eq!((again.tally.sent, again.tally.existed, again.tally.manifests), (0, 0, 0));
    assert!(to.fake.take().iter().all(|asked| asked.method == "HEAD"));
}

#[tokio::test]
async fn within_one_registry_no_byte_of_a_blob_moves() {
    let depot = Depot::start().await;
    index(&depot, "team/app", &["latest"]);
    let client = super::client(&depot.fake);
    let (from, to) = (client.repository("team/app"), client.repository("prod/app"));
    let done = copy(&from, &latest(), &to, &"1.0".parse().unwrap(), &CopyOptions::default()).await.unwrap();
    assert_eq!((done.tally.sent, done.tally.mounted, done.tally.manifests), (0, 5, 3));
    assert_eq!(depot.inventory("team/app").0, depot.inventory("prod/app").0);
    let asked = depot.fake.take();
    assert!(
        asked
            .iter()
            .all(|asked| asked.method != "PATCH" && asked.method != "GET"
                || asked.target.contains("manifests"))
    );
    // A tag more in the same repository is one manifest and no more.
    let done = copy(&from, &latest(), &from, &"1.0".parse().unwrap(), &CopyOptions::default()).await.unwrap();
    assert_eq!((done.tally.sent, done.tally.mounted, done.tally.manifests), (0, 0, 1));
}

#[tokio::test]
async fn one_platform_comes_alone() {
    let (from, to) = (Depot::start().await, Depot::start().await);
    index(&from, "a", &["latest"]);
    let arm = image(&from, "a", "arm64", &[]);
    let platform = Some("linux/arm64/v8".parse().unwrap());
    let options = CopyOptions { platform, ..CopyOptions::default() };
    let done = copied(&from, &to, ("a", "a"), &options).await.unwrap();
    assert_eq!((done.digest, done.tally.sent, done.tally.manifests), (arm.digest, 3, 1));
    let options = CopyOptions { platform: Some("linux/s390x".parse().unwrap()), ..options };
    let error = copied(&from, &to, ("a", "a"), &options).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the image is not there for linux/s390x; it is for linux/amd64, linux/arm64"
    );
    // An image that is no index is what it is.
    image(&from, "single", "amd64", &["latest"]);
    copied(&from, &to, ("single", "single"), &options).await.unwrap();
}

#[tokio::test]
async fn what_belongs_to_an_image_comes_along_when_it_is_wanted() {
    for (lists_from, lists_to) in [(true, true), (true, false), (false, true), (false, false)] {
        let (from, to) = (Depot::start().await, Depot::start().await);
        (from.stock.lock().unwrap().lists, to.stock.lock().unwrap().lists) = (lists_from, lists_to);
        let root = index(&from, "a", &["latest"]);
        let sbom = about(&from, "a", &root, "sbom");
        let signature = about(&from, "a", &sbom, "signature");
        if !lists_from {
            for (subject, referrer) in [(&root, &sbom), (&sbom, &signature)] {
                let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [referrer]});
                from.manifest("a", OCI_INDEX, &list.to_string(), &[&tag(&subject.digest, "")]);
            }
        }
        image(&from, "a", "cosign", &[&tag(&root.digest, ".sig")]);
        copied(&from, &to, ("a", "plain"), &CopyOptions::default()).await.unwrap();
        assert_eq!(to.inventory("plain").1.len(), 4, "the index twice, and its images");
        copied(&from, &to, ("a", "a"), &with_attachments()).await.unwrap();
        let there = to.repository("a");
        assert_eq!(
            referrers(&there, &root).await,
            std::slice::from_ref(&sbom.digest),
            "{lists_from} {lists_to}"
        );
        assert_eq!(referrers(&there, &sbom).await, [signature.digest]);
        there.manifest(&tag(&root.digest, ".sig").parse().unwrap()).await.unwrap();
        if !lists_to {
            let list = there.manifest(&tag(&root.digest, "").parse().unwrap()).await.unwrap();
            let list: Value = serde_json::from_slice(&list.content).unwrap();
            let entry = &list["manifests"][0];
            assert_eq!(entry["artifactType"], "application/vnd.example.sbom");
            assert_eq!(entry["annotations"]["what"], "sbom");
        }
    }
}

fn tag(digest: &Digest, suffix: &str) -> String {
    format!("sha256-{}{suffix}", digest.hex())
}

async fn referrers(of: &crate::Repository, subject: &Descriptor) -> Vec<Digest> {
    of.referrers(&subject.digest).await.unwrap().into_iter().map(|one| one.digest).collect()
}

#[tokio::test]
async fn what_lies_elsewhere_stays_there_and_a_cache_of_blobs_is_copied() {
    let (from, to) = (Depot::start().await, Depot::start().await);
    let config = from.blob("a", OCI_CONFIG, b"{}");
    let mut foreign = Descriptor::new(DOCKER_LAYER_FOREIGN, digest("windows"), 7);
    foreign.urls = vec!["https://mcr.example/windows".into()];
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [foreign]}).to_string();
    let windows = from.manifest("a", OCI_MANIFEST, &manifest, &[]);
    let cache = [
        from.blob("a", OCI_LAYER_GZIP, b"a layer"),
        from.blob("a", "application/vnd.buildkit.cacheconfig.v0", b"a cache"),
        Descriptor::new("application/vnd.example.unknown.v1+json", windows.digest.clone(), windows.size),
        windows,
    ];
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": cache});
    from.manifest("a", OCI_INDEX, &list.to_string(), &["latest"]);
    // A manifest of a type that nobody knows is found by asking.
    let key = ("a".to_owned(), cache[3].digest.to_string());
    assert!(from.stock.lock().unwrap().manifests.contains_key(&key));
    let done = copied(&from, &to, ("a", "a"), &CopyOptions::default()).await.unwrap();
    assert_eq!((done.tally.sent, to.inventory("a").0.len()), (3, 3));
}

#[tokio::test]
async fn a_copy_that_breaks_leaves_no_image_and_the_next_goes_on_with_the_rest() {
    let (from, to) = (Depot::start().await, Depot::start().await);
    index(&from, "a", &["latest"]);
    from.stock.lock().unwrap().broken.push(digest("the layer of arm64").to_string());
    let options = CopyOptions { parallel: 1, ..CopyOptions::default() };
    let error = copied(&from, &to, ("a", "a"), &options).await.unwrap_err();
    assert!(matches!(error, CopyError::Source(EndError::NotFound)), "{error:?}");
    let (blobs, manifests) = to.inventory("a");
    assert!(!manifests.contains_key("latest") && !blobs.is_empty());
    to.fake.take();
    from.stock.lock().unwrap().broken.clear();
    copied(&from, &to, ("a", "a"), &options).await.unwrap();
    assert_eq!(from.inventory("a"), to.inventory("a"));
    let (all, _) = from.inventory("a");
    assert!(all.len() > blobs.len());
    let sent = to
        .fake
        .take()
        .iter()
        .filter(|asked| asked.method == "PUT" && asked.target.contains("digest="))
        .count();
    assert_eq!(sent, all.len() - blobs.len());
}

#[tokio::test]
async fn stores_of_others_are_ends_like_any() {
    let (from, to, store) = (Depot::start().await, Depot::start().await, Memory::default());
    let root = index(&from, "a", &["latest"]);
    let one: Reference = "one".parse().unwrap();
    copy(&from.repository("a"), &latest(), &store, &one, &CopyOptions::default()).await.unwrap();
    let steps = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&steps);
    let watch: crate::Watch = Arc::new(move |blob, step| heard.lock().unwrap().push((blob.clone(), step)));
    let options = CopyOptions { watch: Some(watch), ..CopyOptions::default() };
    let done = copy(&store, &one, &to.repository("a"), &latest(), &options).await.unwrap();
    assert_eq!((done.digest, done.tally.sent), (root.digest, 5));
    assert_eq!(from.inventory("a"), to.inventory("a"));
    let steps = steps.lock().unwrap();
    let ended = steps.iter().filter(|(_, step)| *step == Step::Done(Uploaded::Sent)).count();
    assert_eq!(ended, 5);
    for (blob, _) in steps.iter() {
        assert!(steps.contains(&(blob.clone(), Step::Moved(blob.size))), "the last byte is told");
    }
}

#[tokio::test]
async fn a_copy_that_is_dropped_in_the_middle_of_a_blob_leaves_no_image_and_can_be_made_again() {
    let (from, to) = (Depot::start().await, Depot::start().await);
    index(&from, "a", &["latest"]);
    let moving = Arc::new(tokio::sync::Notify::new());
    let heard = Arc::clone(&moving);
    let watch: crate::Watch = Arc::new(move |_, _| heard.notify_one());
    let options = CopyOptions { watch: Some(watch), ..CopyOptions::default() };
    tokio::select! {
        biased;
        () = moving.notified() => (),
        done = copied(&from, &to, ("a", "a"), &options) => panic!("{done:?}"),
    }
    assert!(!to.inventory("a").1.contains_key("latest"));
    copied(&from, &to, ("a", "a"), &CopyOptions::default()).await.unwrap();
    assert_eq!(from.inventory("a"), to.inventory("a"));
}

#[tokio::test]
async fn indexes_that_contain_each_other_in_depth_end() {
    let (from, to) = (Depot::start().await, Depot::start().await);
    let mut child = image(&from, "a", "amd64", &[]);
    for _ in 0..10 {
        let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
        child = from.manifest("a", OCI_INDEX, &list.to_string(), &["latest"]);
    }
    let error = copied(&from, &to, ("a", "a"), &CopyOptions::default()).await.unwrap_err();
    assert!(matches!(error, CopyError::TooDeep { .. }), "{error:?}");
}

#[tokio::test]
async fn several_images_come_over_together_and_what_they_share_goes_once() {
    let (from, to) = (Depot::start().await, Depot::start().await);
    let names = ["amd64", "arm64", "riscv64", "s390x", "ppc64le"];
    let tags: Vec<Reference> = names.map(|name| name.parse().unwrap()).to_vec();
    for name in names {
        image(&from, "a", name, &[name]);
    }
    let digests = Mutex::new(Vec::new());
    let told = |at: &Reference, copied: Result<&Digest, CopyError>| {
        digests.lock().unwrap().push((at.to_string(), copied.cloned().ok()));
    };
    let wanted = tags.iter().map(|tag| (tag.clone(), tag.clone())).chain([("9".parse().unwrap(), latest())]);
    let (source, sink) = (from.repository("a"), to.repository("b"));
    let options = CopyOptions { parallel: 16, ..CopyOptions::default() };
    let tally = copy_all(&source, wanted, &sink, &options, told).await.unwrap();
    assert_eq!((tally.sent, tally.existed, tally.manifests), (5 + 5 + 1, 0, 5));
    assert_eq!(from.inventory("a"), to.inventory("b"));
    let mut digests = digests.into_inner().unwrap();
    digests.sort();
    let missing: Vec<_> =
        digests.iter().filter(|(_, digest)| digest.is_none()).map(|(at, _)| at.as_str()).collect();
    assert_eq!((digests.len(), missing), (6, vec!["9"]), "the others are not kept from coming");
}

#[tokio::test]
async fn several_images_are_given_up_together_when_the_registry_is_gone() {
    let from = Depot::start().await;
    // Nobody listens on this port.
    let gone = ClientOptions { origin: "http://127.0.0.1:1".parse().unwrap(), ..super::options(&from.fake) };
    let gone = Client::new(gone).unwrap().repository("b");
    for tag in ["1", "2", "3"] {
        image(&from, "a", tag, &[tag]);
    }
    let tags = ["1", "2", "3"].map(|tag| (tag.parse().unwrap(), tag.parse().unwrap()));
    let told = |at: &Reference, _: Result<&Digest, CopyError>| panic!("nobody needs to hear of {at}");
    let error =
        copy_all(&from.repository("a"), tags, &gone, &CopyOptions::default(), told).await.unwrap_err();
    assert!(matches!(error, CopyError::Sink(_)), "{error}");
}
