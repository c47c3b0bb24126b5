//! curl: what people ask the API by hand, and the deletions.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::client::Client;
use super::stage::Stage;

const NAME: &str = "curl";

/// Runs the steps of this client. They use images of their own, pushed with skopeo.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if !stage.has(NAME, &["curl", "skopeo"]) {
        return Ok(());
    }
    let curl = Client::new("curl", &stage.home(NAME))?.fixed("--silent").fixed("--show-error");
    let skopeo = Client::new("skopeo", &stage.home("curl-skopeo"))?;
    for tag in ["1.0", "1.1"] {
        let source = format!("oci:{}:app", stage.images.layout.display());
        let target = format!("docker://{}/api/app:{tag}", stage.registry());
        skopeo.run(&["copy", "--dest-tls-verify=false", &source, &target])?;
    }
    lists(stage, &curl);
    deletions(stage, &curl);
    Ok(())
}

fn lists(stage: &Stage, curl: &Client) {
    stage.step(NAME, "the catalog and the tags are JSON", || {
        let catalog = json(curl, &stage.url("_catalog"))?;
        let names = catalog["repositories"].as_array().context("no list of repositories")?;
        ensure!(names.iter().any(|name| name == "api/app"), "api/app is not in {catalog}");
        let tags = json(curl, &stage.url("api/app/tags/list"))?;
        ensure!(tags == serde_json::json!({ "name": "api/app", "tags": ["1.0", "1.1"] }), "got {tags}");
        Ok(())
    });
}

fn deletions(stage: &Stage, curl: &Client) {
    let manifest = |reference: &str| stage.url(&format!("api/app/manifests/{reference}"));
    stage.step(NAME, "a tag is deleted, the other tag of the same image stays", || {
        expect(curl, "DELETE", &manifest("1.0"), "202")?;
        expect(curl, "GET", &manifest("1.0"), "404")?;
        expect(curl, "GET", &manifest("1.1"), "200")?;
        let tags = json(curl, &stage.url("api/app/tags/list"))?;
        ensure!(tags["tags"] == serde_json::json!(["1.1"]), "got {tags}");
        Ok(())
    });
    stage.step(NAME, "a manifest is deleted with its tags", || {
        expect(curl, "DELETE", &manifest(&stage.images.app), "202")?;
        expect(curl, "GET", &manifest(&stage.images.app), "404")?;
        expect(curl, "GET", &manifest("1.1"), "404")
    });
    stage.step(NAME, "a blob is deleted from its repository alone", || {
        let source = std::fs::read(stage.images.layout.join("blobs/sha256").join(&stage.images.app[7..]))?;
        let source: Value = serde_json::from_slice(&source)?;
        let digest = source["layers"][0]["digest"].as_str().context("the image has no layer")?;
        let blob = |name: &str| stage.url(&format!("{name}/blobs/{digest}"));
        expect(curl, "DELETE", &blob("api/app"), "202")?;
        expect(curl, "GET", &blob("api/app"), "404")?;
        expect(curl, "GET", &blob("skopeo/app"), "200")
    });
}

/// The JSON answer to a GET.
fn json(curl: &Client, url: &str) -> anyhow::Result<Value> {
    let bytes = curl.reads(&["--fail", url])?;
    serde_json::from_slice(&bytes).with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&bytes)))
}

/// Sends a request without a body; only the status of the answer matters.
fn expect(curl: &Client, method: &str, url: &str, status: &str) -> anyhow::Result<()> {
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json, */*";
    let got = curl.reads(&[
        "--request",
        method,
        "--header",
        accept,
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        url,
    ])?;
    ensure!(got == status.as_bytes(), "{method} {url} got {}, not {status}", String::from_utf8_lossy(&got));
    Ok(())
}
