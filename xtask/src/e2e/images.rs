//! The images that are pushed, made here: a program to run, layers that do not compress, and an index of platforms.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What the program in the image prints.
pub(crate) const GREETING: &str = "hello from the image";
/// Bytes of random data in each layer: enough to cut a transfer in its middle.
pub(crate) const LAYER: usize = 4 << 20;
/// The platforms of the index.
pub(crate) const PLATFORMS: [&str; 3] = ["amd64", "arm64", "s390x"];

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The images, as files.
#[derive(Debug)]
pub(crate) struct Images {
    /// A build context with a `Dockerfile`, a static program `hello`, and random files.
    pub(crate) context: PathBuf,
    /// An OCI layout with the tags `app` (one image), `multi` (an index), and `unpushed` (an image with a layer
    /// that no step pushes as it is).
    pub(crate) layout: PathBuf,
    /// The same layout as a tar archive, with only `app` in its index.
    pub(crate) archive: PathBuf,
    /// Digest of `app`'s manifest.
    pub(crate) app: String,
    /// Digest of the index `multi`.
    pub(crate) multi: String,
}

impl Images {
    /// Makes all images in `folder`.
    pub(crate) fn make(folder: &Path) -> anyhow::Result<Images> {
        let context = folder.join("context");
        fs::create_dir_all(&context)?;
        compile(&context.join("hello"))?;
        for (name, seed) in [("first", 1), ("second", 2)] {
            fs::write(context.join(name), noise(seed, LAYER))?;
        }
        let dockerfile = "FROM scratch\nCOPY hello /hello\nCOPY first /first\nCOPY second /second\nENTRYPOINT [\"/hello\"]\n";
        fs::write(context.join("Dockerfile"), dockerfile)?;
        let layout = Layout::begin(&folder.join("layout"))?;
        let app =
            layout.image("amd64", &[layer(&context, &["hello"])?, layer(&context, &["first", "second"])?])?;
        let multi = layout.index(&context)?;
        layout.entry_points(&[("app", &app)])?;
        let archive = folder.join("app.tar");
        tar(&["-cf", &archive.to_string_lossy(), "-C", &layout.folder.to_string_lossy(), "."])?;
        fs::write(context.join("third"), noise(3, LAYER))?;
        let unpushed = layout.image("amd64", &[layer(&context, &["third"])?])?;
        layout.entry_points(&[("app", &app), ("multi", &multi), ("unpushed", &unpushed)])?;
        let digest = |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().to_owned();
        Ok(Images { context, archive, app: digest(&app), multi: digest(&multi), layout: layout.folder })
    }
}

/// An OCI image layout that is being filled.
struct Layout {
    folder: PathBuf,
}

impl Layout {
    fn begin(folder: &Path) -> anyhow::Result<Layout> {
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(Layout { folder: folder.to_owned() })
    }

    /// Stores a blob and describes it.
    fn blob(&self, media_type: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let hex = hex(bytes);
        fs::write(self.folder.join("blobs/sha256").join(&hex), bytes)?;
        Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() }))
    }

    /// An image of these tar layers, which are stored compressed.
    fn image(&self, architecture: &str, layers: &[Vec<u8>]) -> anyhow::Result<Value> {
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Entrypoint": ["/hello"] },
            "rootfs": {
                "type": "layers",
                "diff_ids": layers.iter().map(|tar| format!("sha256:{}", hex(tar))).collect::<Vec<_>>(),
            },
        });
        let mut described = Vec::new();
        for tar in layers {
            described.push(self.blob("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(tar)?)?);
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config)?)?,
            "layers": described,
        });
        self.blob(MANIFEST, &serde_json::to_vec(&manifest)?)
    }

    /// An index of one small image for each platform.
    fn index(&self, context: &Path) -> anyhow::Result<Value> {
        let mut children = Vec::new();
        for (architecture, seed) in PLATFORMS.into_iter().zip(10..) {
            fs::write(context.join(architecture), noise(seed, 64 << 10))?;
            let mut child = self.image(architecture, &[layer(context, &[architecture])?])?;
            fs::remove_file(context.join(architecture))?;
            child["platform"] = json!({ "architecture": architecture, "os": "linux" });
            children.push(child);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
        self.blob(INDEX, &serde_json::to_vec(&index)?)
    }

    /// Writes `index.json` with these names.
    fn entry_points(&self, named: &[(&str, &Value)]) -> anyhow::Result<()> {
        let mut manifests = Vec::new();
        for (name, descriptor) in named {
            let mut descriptor = (*descriptor).clone();
            descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
            manifests.push(descriptor);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        fs::write(self.folder.join("index.json"), serde_json::to_vec(&index)?)?;
        Ok(())
    }
}

/// A static program for an image without any other file.
fn compile(program: &Path) -> anyhow::Result<()> {
    let source = program.with_extension("c");
    fs::write(
        &source,
        format!("#include <stdio.h>\nint main(void) {{ return puts(\"{GREETING}\") < 0; }}\n"),
    )?;
    let status = Command::new("cc").args(["-static", "-Os", "-o"]).arg(program).arg(&source).status();
    ensure!(status.context("cc is missing")?.success(), "cc cannot make a static program");
    fs::remove_file(source)?;
    Ok(())
}

/// A tar archive of these files, the same at each run.
fn layer(folder: &Path, files: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut arguments =
        vec!["--format=ustar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-cf", "-"];
    let folder = folder.to_string_lossy();
    arguments.extend(["-C", &folder]);
    arguments.extend(files);
    tar(&arguments)
}

fn tar(arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("tar").args(arguments).output().context("tar is missing")?;
    ensure!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut input = tempfile::tempfile()?;
    input.write_all(bytes)?;
    let input = rewound(input)?;
    let output = Command::new("gzip").args(["-nc"]).stdin(input).output().context("gzip is missing")?;
    ensure!(output.status.success(), "gzip failed");
    Ok(output.stdout)
}

fn rewound(mut file: File) -> anyhow::Result<File> {
    std::io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// Bytes that look random, the same for the same seed (xorshift64*).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes()
    });
    words.flatten().take(length).collect()
}

/// The SHA-256 of these bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
