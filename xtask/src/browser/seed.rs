//! Images for the browser to look at, pushed as a client pushes.

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::http::Client;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Who pushes.
pub(crate) struct Seed {
    pub(crate) client: Client,
}

/// A file of a layer: its name and its content. A name that ends with a slash is a folder.
pub(crate) type File<'a> = (&'a [u8], &'a [u8]);

impl Seed {
    /// All that the stories look at.
    pub(crate) fn everything(&self) -> anyhow::Result<()> {
        let (shell, library) = (noise(1, 120_000), noise(2, 900_000));
        let base: &[File<'_>] = &[
            (b"etc/", b""),
            (b"etc/os-release", b"NAME=\"Berth Linux\"\nVERSION=\"1\"\n"),
            (b"usr/bin/sh", &shell),
            (b"usr/lib/libc.so", &library),
        ];
        for (n, version) in ["1.8.0", "1.9.0", "1.9.1"].into_iter().enumerate() {
            let app = noise(10 + n as u64, 300_000 + n * 20_000);
            let config = format!("version: {version}\nport: 8080\n");
            let mut files: Vec<File<'_>> =
                vec![(b"usr/bin/shop", &app), (b"srv/config.yaml", config.as_bytes())];
            if version == "1.9.1" {
                files.push((b"srv/news.txt", b"new in 1.9.1\n"));
            }
            let mut children = Vec::new();
            for architecture in ["amd64", "arm64"] {
                let config = run_config(architecture, version);
                let child = self.image("acme/shop", &config, &[base, &files], &[])?;
                children.push((child, architecture));
            }
            self.index("acme/shop", &children, &[version, "latest"])?;
        }
        for (name, title) in
            [("acme/api", "API server"), ("acme/worker", "Background worker"), ("tools", "Tools")]
        {
            let config = run_config("amd64", title);
            self.image(name, &config, &[base], &["2.0.1", "latest"])?;
        }
        self.artifacts()?;
        self.describe(
            "acme/shop",
            "Shop front end and its API",
            "# Shop\n\nA **web shop** in one image.\n\n```sh\ndocker run -p 8080:8080 acme/shop\n```\n\n| variable | meaning |\n|---|---|\n| `PORT` | where it listens |\n",
        )
    }

    /// What is no image: a signature of one, a chart, and something of a kind that nobody knows.
    fn artifacts(&self) -> anyhow::Result<()> {
        let subject = self.digest_of("acme/api", "latest")?;
        let signature = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json",
            "config": self.blob("acme/api", "application/vnd.oci.empty.v1+json", b"{}")?,
            "layers": [self.blob("acme/api", "application/octet-stream", b"signed")?],
            "subject": subject,
        });
        self.manifest("acme/api", MANIFEST, &signature, &[])?;
        let about =
            json!({ "name": "shop", "version": "0.3.0", "description": "A chart", "appVersion": "1.9.1" });
        let archive = tar(&[(b"shop/Chart.yaml", b"name: shop\n"), (b"shop/values.yaml", b"replicas: 3\n")]);
        let chart = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.blob("charts/shop", "application/vnd.cncf.helm.config.v1+json", about.to_string().as_bytes())?,
            "layers": [self.blob("charts/shop", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", &archive)?],
        });
        self.manifest("charts/shop", MANIFEST, &chart, &["0.3.0"])?;
        let odd = json!({ "anything": [self.blob("odd/kind", "x/y", b"odd")?] });
        self.manifest("odd/kind", "application/vnd.example.odd+json", &odd, &["v1"])?;
        // A layer that is no archive, below a configuration that says it is an image.
        let config = self.blob("odd/layer", CONFIG, run_config("amd64", "odd").to_string().as_bytes())?;
        let layer = self.blob("odd/layer", LAYER, &b"this is no archive at all. ".repeat(60))?;
        let image = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        self.manifest("odd/layer", MANIFEST, &image, &["v1"])?;
        // A layer that may be had elsewhere only, as of Windows images, over one that is here.
        let config = self.blob("odd/foreign", CONFIG, run_config("amd64", "odd").to_string().as_bytes())?;
        let here = self.blob("odd/foreign", LAYER, &tar(&[(b"here.txt", b"here")]))?;
        let elsewhere = json!({
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": digest(b"elsewhere"), "size": 9, "urls": ["https://example.com/layer"],
        });
        let image = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [here, elsewhere] });
        self.manifest("odd/foreign", MANIFEST, &image, &["v1"]).map(drop)
    }

    /// Says something about a repository, and lets everybody see it.
    pub(crate) fn describe(&self, name: &str, description: &str, readme: &str) -> anyhow::Result<()> {
        let change = json!({ "description": description, "readme": readme, "visibility": "public" });
        let target = format!("/api/v1/repositories/{name}");
        self.client.must(
            "PATCH",
            &target,
            &[("Content-Type", "application/json")],
            change.to_string().as_bytes(),
        )?;
        Ok(())
    }

    /// Pushes an image of plain layers.
    pub(crate) fn image(
        &self,
        name: &str,
        config: &Value,
        layers: &[&[File<'_>]],
        tags: &[&str],
    ) -> anyhow::Result<Value> {
        let config = self.blob(name, CONFIG, config.to_string().as_bytes())?;
        let layers =
            layers.iter().map(|files| self.blob(name, LAYER, &tar(files))).collect::<Result<Vec<_>, _>>()?;
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        self.manifest(name, MANIFEST, &manifest, tags)
    }

    fn index(&self, name: &str, children: &[(Value, &str)], tags: &[&str]) -> anyhow::Result<Value> {
        let children = children.iter().map(|(child, architecture)| {
            let mut child = child.clone();
            child["platform"] = json!({ "os": "linux", "architecture": architecture });
            child
        });
        let children: Vec<_> = children.collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
        self.manifest(name, INDEX, &index, tags)
    }

    /// Pushes a manifest under tags, or under its digest alone, and gives its descriptor.
    pub(crate) fn manifest(
        &self,
        name: &str,
        media_type: &str,
        manifest: &Value,
        tags: &[&str],
    ) -> anyhow::Result<Value> {
        let bytes = manifest.to_string();
        let digest = digest(bytes.as_bytes());
        let only = [digest.as_str()];
        for at in if tags.is_empty() { &only[..] } else { tags } {
            let target = format!("/v2/{name}/manifests/{at}");
            self.client.must("PUT", &target, &[("Content-Type", media_type)], bytes.as_bytes())?;
        }
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    }

    /// Pushes a blob and gives its descriptor.
    pub(crate) fn blob(&self, name: &str, media_type: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let digest = digest(bytes);
        let begun = self.client.must("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"")?;
        let location = begun.header("location").context("an upload without a place")?;
        let path = location
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map(|(_, path)| format!("/{path}"));
        let path = path.unwrap_or_else(|| location.to_owned());
        let mark = if path.contains('?') { '&' } else { '?' };
        let target = format!("{path}{mark}digest={digest}");
        self.client.must("PUT", &target, &[("Content-Type", "application/octet-stream")], bytes)?;
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    }

    fn digest_of(&self, name: &str, tag: &str) -> anyhow::Result<Value> {
        let found =
            self.client.must("GET", &format!("/v2/{name}/manifests/{tag}"), &[("Accept", MANIFEST)], b"")?;
        Ok(json!({ "mediaType": MANIFEST, "digest": digest(&found.body), "size": found.body.len() }))
    }
}

/// A configuration as builders write it.
pub(crate) fn run_config(architecture: &str, title: &str) -> Value {
    json!({
        "os": "linux", "architecture": architecture, "created": "2026-11-20T10:00:00Z", "author": "Acme",
        "config": {
            "User": "app", "WorkingDir": "/srv", "Env": ["PATH=/usr/bin", format!("VERSION={title}")],
            "Entrypoint": ["/usr/bin/shop"], "Cmd": ["--port", "8080"], "ExposedPorts": { "8080/tcp": {} },
            "Labels": { "org.opencontainers.image.title": format!("Title {title}"), "org.opencontainers.image.licenses": "Apache-2.0" },
        },
        "rootfs": { "type": "layers", "diff_ids": [] },
        "history": [
            { "created_by": "ADD rootfs.tar.xz / # buildkit" },
            { "created_by": "COPY shop /usr/bin/shop # buildkit" },
            { "created_by": "ENTRYPOINT [\"/usr/bin/shop\"]", "empty_layer": true },
        ],
    })
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A tar archive.
fn tar(files: &[File<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in files {
        let mut header = [0; 512];
        let length = name.len().min(100);
        header[..length].copy_from_slice(&name[..length]);
        header[100..107].copy_from_slice(if name.ends_with(b"/") { b"0000755" } else { b"0000644" });
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"15000000000");
        header[148..156].fill(b' ');
        header[156] = if name.ends_with(b"/") { b'5' } else { b'0' };
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
