//! skopeo: copies between a layout and the registry, all platforms, other compression, deletion.

use anyhow::ensure;

use super::client::Client;
use super::images::{self, LAYER, PLATFORMS};
use super::stage::Stage;
use super::wire;

const NAME: &str = "skopeo";

/// Runs the steps of this client.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if !stage.has(NAME, &["skopeo"]) {
        return Ok(());
    }
    let skopeo = Client::new("skopeo", &stage.home(NAME))?;
    copies(stage, &skopeo);
    platforms(stage, &skopeo);
    compression(stage, &skopeo);
    deletion(stage, &skopeo);
    Ok(())
}

fn remote(stage: &Stage, name: &str) -> String {
    format!("docker://{}/{name}", stage.registry())
}

fn local(stage: &Stage, tag: &str) -> String {
    format!("oci:{}:{tag}", stage.images.layout.display())
}

/// `skopeo copy` from the layout.
fn push(stage: &Stage, skopeo: &Client, options: &[&str], tag: &str, name: &str) -> anyhow::Result<String> {
    let (from, to) = (local(stage, tag), remote(stage, name));
    skopeo.run(&[&["copy", "--dest-tls-verify=false"], options, &[&from, &to]].concat())
}

/// The manifest as the registry serves it.
fn manifest(stage: &Stage, skopeo: &Client, name: &str) -> anyhow::Result<Vec<u8>> {
    skopeo.reads(&["inspect", "--raw", "--tls-verify=false", &remote(stage, name)])
}

fn copies(stage: &Stage, skopeo: &Client) {
    stage.step(NAME, "copy from a layout keeps the digest", || {
        push(stage, skopeo, &[], "app", "skopeo/app:1.0")?;
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent > 2 * LAYER as u64, "only {sent} bytes were uploaded");
        let digest = format!("sha256:{}", images::hex(&manifest(stage, skopeo, "skopeo/app:1.0")?));
        ensure!(digest == stage.images.app, "pushed {}, got {digest}", stage.images.app);
        Ok(())
    });
    stage.step(NAME, "a second copy uploads no blob", || {
        push(stage, skopeo, &[], "app", "skopeo/app:again")?;
        let sent = wire::blob_bytes(&stage.wire.take());
        ensure!(sent == 0, "{sent} bytes were uploaded again");
        Ok(())
    });
    stage.step(NAME, "a copy to another repository mounts", || {
        push(stage, skopeo, &[], "app", "skopeo/other/deep/app:1.0")?;
        let seen = stage.wire.take();
        let sent = wire::blob_bytes(&seen);
        ensure!(wire::count(&seen, "POST", "mount=", 201) >= 2, "no mount was answered 201");
        ensure!(sent < 4096, "{sent} bytes were uploaded beside the mounts: more than a config");
        Ok(())
    });
    stage.step(NAME, "list-tags names each tag", || {
        let name = remote(stage, "skopeo/app");
        skopeo.says(&["list-tags", "--tls-verify=false", &name], "\"again\"")?;
        Ok(())
    });
    stage.step(NAME, "copy back brings the same bytes", || {
        let folder = stage.home("skopeo-back");
        let to = format!("dir:{}", folder.display());
        skopeo.run(&["copy", "--src-tls-verify=false", &remote(stage, "skopeo/app:1.0"), &to])?;
        let manifest = std::fs::read(folder.join("manifest.json"))?;
        let digest = format!("sha256:{}", images::hex(&manifest));
        ensure!(digest == stage.images.app, "pushed {}, copied back {digest}", stage.images.app);
        Ok(())
    });
}

fn platforms(stage: &Stage, skopeo: &Client) {
    stage.step(NAME, "copy --all keeps the index and each platform", || {
        push(stage, skopeo, &["--all"], "multi", "skopeo/multi:1.0")?;
        let digest = format!("sha256:{}", images::hex(&manifest(stage, skopeo, "skopeo/multi:1.0")?));
        ensure!(digest == stage.images.multi, "pushed {}, got {digest}", stage.images.multi);
        for platform in PLATFORMS {
            let name = remote(stage, "skopeo/multi:1.0");
            let which = format!("--override-arch={platform}");
            let expected = format!("\"Architecture\": \"{platform}\"");
            skopeo.says(&[&which, "inspect", "--tls-verify=false", &name], &expected)?;
        }
        Ok(())
    });
}

fn compression(stage: &Stage, skopeo: &Client) {
    stage.step(NAME, "zstd layers are pushed and read back", || {
        // Layers that are compressed already, or known by another compression, would be pushed as they are.
        let plain = format!("dir:{}", stage.home("skopeo-plain").display());
        skopeo.run(&["copy", "--dest-decompress", &local(stage, "unpushed"), &plain])?;
        let name = remote(stage, "skopeo/zstd");
        skopeo.run(&["copy", "--dest-tls-verify=false", "--dest-compress-format=zstd", &plain, &name])?;
        let text = String::from_utf8(manifest(stage, skopeo, "skopeo/zstd")?)?;
        ensure!(text.contains("tar+zstd"), "no layer is zstd: {text}");
        let back = format!("dir:{}", stage.home("skopeo-zstd").display());
        skopeo.run(&["copy", "--src-tls-verify=false", "--dest-decompress", &name, &back])?;
        Ok(())
    });
}

fn deletion(stage: &Stage, skopeo: &Client) {
    stage.step(NAME, "delete removes the image, the rest stays", || {
        push(stage, skopeo, &["--format=v2s2"], "app", "skopeo/app:gone")?;
        let gone = remote(stage, "skopeo/app:gone");
        skopeo.run(&["delete", "--tls-verify=false", &gone])?;
        skopeo.refuses(&["inspect", "--tls-verify=false", &gone], "manifest unknown")?;
        ensure!(!manifest(stage, skopeo, "skopeo/app:1.0")?.is_empty(), "another image went too");
        Ok(())
    });
}
