//! An image layout with one large image of random bytes.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::e2e::images::hex;
use crate::mirror::images::MANIFEST;
use crate::random::Random;

/// What is written at once.
const PIECE: usize = 1 << 20;
/// How gzip files begin. A program that finds it takes a layer as it is, and compresses nothing by itself.
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Writes a layout whose only image has this name, and so many layers of so many MiB.
pub(super) fn write(folder: &Path, name: &str, sizes: &[u32], random: &mut Random) -> anyhow::Result<()> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let layers = sizes.iter().map(|size| layer(&blobs, *size, random)).collect::<anyhow::Result<Vec<_>>>()?;
    let config = json!({ "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| &layer["digest"]).collect::<Vec<_>>() } });
    let config = document(&blobs, "application/vnd.oci.image.config.v1+json", &config)?;
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    let mut entry = document(&blobs, MANIFEST, &manifest)?;
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    fs::write(folder.join("index.json"), json!({ "schemaVersion": 2, "manifests": [entry] }).to_string())?;
    Ok(())
}

fn document(blobs: &Path, media_type: &str, document: &Value) -> anyhow::Result<Value> {
    let bytes = document.to_string().into_bytes();
    let hex = hex(&bytes);
    fs::write(blobs.join(&hex), &bytes)?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() }))
}

fn layer(blobs: &Path, size: u32, random: &mut Random) -> anyhow::Result<Value> {
    let part = blobs.join("part");
    let (mut file, mut hasher) = (BufWriter::with_capacity(PIECE, File::create(&part)?), Sha256::new());
    let mut length = 0;
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        length += bytes.len();
        file.write_all(bytes)
    };
    put(&GZIP)?;
    (0..size).try_for_each(|_| put(&random.bytes(PIECE)))?;
    file.flush()?;
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    fs::rename(part, blobs.join(&hex))?;
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": length }))
}
