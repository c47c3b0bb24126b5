//! What an image says of itself, in the words of `docker image inspect` and `docker history`.

use berth_oci::{BuildStep, Descriptor, Digest, ImageConfig};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::store::{Image, Listed, Store};
use crate::{Error, image};

/// An image as `docker image inspect` shows it; serialised, it has docker's names and their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspected {
    /// The digest of the configuration.
    pub id: Digest,
    /// The names with a tag, in their short form.
    pub repo_tags: Vec<String>,
    /// `repository@digest` for each repository.
    pub repo_digests: Vec<String>,
    /// Always empty: only the builder of old times knew parents.
    pub parent: String,
    /// What was said when it was made.
    pub comment: String,
    /// When it was made, as the configuration has it.
    pub created: String,
    /// The docker that made it, if it says so.
    pub docker_version: String,
    /// Who made it.
    pub author: String,
    /// How it runs, as the configuration has it; what scripts ask for is there, if only as `null`.
    pub config: Value,
    /// CPU architecture.
    pub architecture: String,
    /// Variant of the CPU.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Operating system.
    pub os: String,
    /// Version of the operating system; used by Windows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Bytes of configuration and layers, as they are stored.
    pub size: u64,
    /// The layers by the digests of their unpacked bytes.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// The manifest or index.
    pub descriptor: Descriptor,
}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// The digests of their unpacked bytes, the lowest first, as the configuration has them.
    pub layers: Value,
}

/// A line of `docker history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// The id of the image on the first line; the others are `<missing>`.
    pub id: Option<Digest>,
    /// When it was done, as it is written there.
    pub created: String,
    /// The instruction.
    pub created_by: String,
    /// Bytes of the layer as it is stored; 0 if it made none.
    pub size: u64,
    /// What was said about it.
    pub comment: String,
}

/// What scripts ask for with `--format '{{.Config.X}}'`, whether an image says something or not.
const ASKED: [&str; 6] = ["Cmd", "Entrypoint", "Env", "Labels", "Volumes", "ExposedPorts"];

impl Store {
    /// Everything that an image says of itself.
    ///
    /// # Errors
    ///
    /// Those of [`resolve`](Store::resolve), [`Error::Config`], otherwise the error of the disk.
    pub fn inspect(&self, text: &str) -> Result<Inspected, Error> {
        let images = self.list()?;
        let image = &crate::resolve::find(&images, text)?.image;
        let (document, read) = self.config(image)?;
        let word = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (repo_tags, repo_digests) = names(&images, &image.id);
        let root_fs = document.get("rootfs").and_then(|root| root.get("diff_ids"));
        Ok(Inspected {
            id: image.id.clone(),
            repo_tags,
            repo_digests,
            parent: String::new(),
            comment: read.history.last().map_or_else(String::new, |step| step.comment.clone()),
            created: read.created,
            docker_version: word("docker_version"),
            author: read.author,
            config: run_config(&document),
            architecture: read.architecture,
            variant: read.variant,
            os: read.os,
            os_version: word("os.version"),
            size: image.size,
            root_fs: RootFs { kind: "layers", layers: root_fs.cloned().unwrap_or_else(|| json!([])) },
            descriptor: image.descriptor.clone(),
        })
    }

    /// How an image was built, the last step first.
    ///
    /// # Errors
    ///
    /// Those of [`inspect`](Store::inspect).
    pub fn history(&self, text: &str) -> Result<Vec<HistoryLine>, Error> {
        let image = self.resolve(text)?;
        let (_, config) = self.config(&image)?;
        let manifest = image::read_chosen(&*self.folder, &image.manifest)?;
        let mut sizes = image::layers_of(&manifest).map(|layer| layer.size);
        let mut lines = Vec::new();
        for step in config.history {
            let size = if step.is_empty { 0 } else { sizes.next().unwrap_or_default() };
            lines.push(HistoryLine::new(step, size));
        }
        // Layers of which the history tells nothing.
        lines.extend(sizes.map(|size| HistoryLine::new(BuildStep::default(), size)));
        lines.reverse();
        if let Some(first) = lines.first_mut() {
            first.id = Some(image.id);
        }
        Ok(lines)
    }

    /// The configuration of an image, as it is and as it is read.
    fn config(&self, image: &Image) -> Result<(Value, ImageConfig), Error> {
        let bytes = self.folder.read_document(&image.id)?;
        let document = serde_json::from_slice(&bytes).ok().filter(Value::is_object);
        document.zip(ImageConfig::read(&bytes)).ok_or_else(|| Error::Config { digest: image.id.clone() })
    }
}

impl HistoryLine {
    fn new(step: BuildStep, size: u64) -> HistoryLine {
        let BuildStep { created, created_by, comment, is_empty: _ } = step;
        HistoryLine { id: None, created, created_by, size, comment }
    }
}

/// The names of an image: with tags, and with digests.
fn names(images: &[Listed], id: &Digest) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut digests) = (Vec::new(), Vec::new());
    for listed in images.iter().filter(|listed| listed.image.id == *id) {
        tags.extend(listed.name.iter().filter(|name| name.tag().is_some()).map(|name| name.familiar()));
        digests.extend(listed.repo_digest());
    }
    tags.sort();
    digests.sort();
    digests.dedup();
    (tags, digests)
}

fn run_config(document: &Value) -> Value {
    let mut config = document.get("config").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
    for key in ASKED {
        config.entry(key).or_insert(Value::Null);
    }
    for key in ["User", "WorkingDir"] {
        config.entry(key).or_insert_with(|| json!(""));
    }
    Value::Object(config)
}
