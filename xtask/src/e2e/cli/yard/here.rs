//! The images of this machine: what other programs read of them, what belongs to an image, and many processes at once.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{Yard, desk};
use crate::e2e::wire;
use crate::http::{Connection, Request};
use crate::mirror::images::{Blob, Image};
use crate::random::Random;

/// What a signature of cosign and an attached document have as their layers.
const PAYLOAD: &[u8] = b"{\"critical\":{}}";
/// Processes that use one store at a time.
const CROWD: usize = 8;

/// Runs the steps.
pub(super) fn run(yard: &Yard<'_>) -> anyhow::Result<()> {
    layout(yard);
    belongings(yard);
    mounts(yard);
    crowd(yard)
}

fn layout(yard: &Yard<'_>) {
    yard.step("skopeo reads the images of this machine as a layout", || {
        let name = format!("{}/here/app:1", yard.stage.registry());
        let layout = format!("oci:{}:app", yard.stage.images.layout.display());
        yard.berth.run(&["copy", &layout, &format!("local:{name}")])?;
        yard.berth.run(&["tag", &name, "short:2"])?;
        for name in [name.as_str(), "docker.io/library/short:2"] {
            let place = format!("oci:{}:{name}", yard.images().display());
            let inspected = yard.inspected(&place)?;
            ensure!(inspected["Digest"] == yard.stage.images.app, "skopeo finds {inspected}");
            let target = format!("dir:{}", yard.place("here-copied").display());
            yard.skopeo.run(&["copy", &place, &target])?;
        }
        Ok(())
    });
}

/// A manifest that refers to another one, or stands beside it under a tag.
fn artifact(subject: Option<(&str, usize)>, layer: &Blob) -> Blob {
    let described = |blob: &Blob, media_type: &str| json!({ "mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len() });
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": crate::mirror::images::MANIFEST,
        "artifactType": "application/vnd.example.sbom",
        "config": described(&Blob::new(b"{}".to_vec()), "application/vnd.oci.empty.v1+json"),
        "layers": [described(layer, "application/json")],
    });
    if let Some((digest, size)) = subject {
        manifest["subject"] =
            json!({ "mediaType": crate::mirror::images::MANIFEST, "digest": digest, "size": size });
    }
    Blob::new(manifest.to_string().into_bytes())
}

/// Signatures and other belongings go along, to a registry that knows of them and to one that does not.
fn belongings(yard: &Yard<'_>) {
    yard.step(
        "a copy takes signatures and referrers along, to any registry, and a second one sends nothing",
        || {
            let image = Image::of(vec![b"a layer".to_vec()], &mut Random::new(5));
            let (own, other) = (yard.stage.wire.address(), yard.other.server.address());
            image.push(own, "signed/app", "1")?;
            let subject = (image.manifest.digest.as_str(), image.manifest.bytes.len());
            let parts = Image {
                manifest: artifact(Some(subject), &Blob::new(PAYLOAD.to_vec())),
                blobs: vec![Blob::new(b"{}".to_vec()), Blob::new(PAYLOAD.to_vec())],
            };
            parts.push(own, "signed/app", &parts.manifest.digest)?;
            let signature = Image { manifest: artifact(None, &parts.blobs[1]), ..parts };
            let tag = format!("{}.sig", image.manifest.digest.replace(':', "-"));
            signature.push(own, "signed/app", &tag)?;
            let referrer = artifact(Some(subject), &signature.blobs[1]).digest;
            for to in [format!("{own}/signed/copy:1"), format!("{other}/signed/copy:1")] {
                let from = format!("{own}/signed/app:1");
                yard.berth.says(&["copy", "--referrers", &from, &to], &image.manifest.digest)?;
                yard.berth.says(&["referrers", &to], &referrer)?;
                let repository = to.trim_end_matches(":1");
                yard.berth.says(&["digest", &format!("{repository}:{tag}")], &signature.manifest.digest)?;
                yard.stage.wire.take();
                yard.berth.run(&["copy", "--referrers", &from, &to])?;
                let sent = wire::blob_bytes(&yard.stage.wire.take());
                ensure!(sent == 0, "{sent} bytes were sent again");
            }
            let answer = Connection::new(own)
                .send(&Request::new("GET", format!("/v2/signed/copy/referrers/{}", image.manifest.digest)))?;
            let index: Value = serde_json::from_slice(&answer.body)?;
            ensure!(index["manifests"][0]["digest"] == referrer.as_str(), "the registry knows of {index}");
            Ok(())
        },
    );
}

fn mounts(yard: &Yard<'_>) {
    yard.step("a copy to another repository of the registry sends no layer, and reads none", || {
        let host = yard.stage.registry();
        let layout = format!("oci:{}:app", yard.stage.images.layout.display());
        yard.berth.run(&["copy", &layout, &format!("{host}/mount/a:1")])?;
        yard.stage.wire.take();
        yard.berth.says(&["copy", &format!("{host}/mount/a:1"), &format!("{host}/mount/b:1")], "mounted")?;
        let seen = yard.stage.wire.take();
        ensure!(wire::count(&seen, "POST", "mount=", 201) >= 2, "no mount was answered 201: {seen:?}");
        let read = wire::count(&seen, "GET", "/blobs/", 200);
        ensure!(wire::blob_bytes(&seen) == 0 && read == 0, "{read} blobs were read: {seen:?}");
        Ok(())
    });
}

/// Many processes pull images that share a layer, into one store.
fn crowd(yard: &Yard<'_>) -> anyhow::Result<()> {
    let berth = desk(yard.stage, "crowd")?;
    yard.step("many processes pull into one store, and a shared layer comes once", || {
        let mut random = Random::new(6);
        let shared = random.bytes(8 << 20);
        let images: Vec<_> = (0..CROWD)
            .map(|_| Image::of(vec![shared.clone(), random.bytes(100_000)], &mut random.fork()))
            .collect();
        for (number, image) in images.iter().enumerate() {
            image.push(yard.stage.wire.address(), "crowd/app", &number.to_string())?;
        }
        yard.stage.wire.take();
        let name = |number: usize| format!("{}/crowd/app:{number}", yard.stage.registry());
        let children: Vec<_> = (0..CROWD)
            .map(|number| berth.bare(&["pull", &name(number)]).stdout(Stdio::null()).spawn())
            .collect::<Result<_, _>>()?;
        for mut child in children {
            let status = child.wait()?;
            ensure!(status.success(), "a pull ended with {status}");
        }
        let fetched = wire::count(&yard.stage.wire.take(), "GET", images[0].blobs[1].digest.as_str(), 200);
        ensure!(fetched == 1, "the shared layer was fetched {fetched} times");
        let listed = berth.run(&["images", "--digests"])?;
        for image in &images {
            ensure!(listed.contains(&image.manifest.digest), "an image is missing: {listed}");
        }
        super::kills::whole(&berth, &yard.place("crowd/images")).context("the store is not whole")
    });
    Ok(())
}
