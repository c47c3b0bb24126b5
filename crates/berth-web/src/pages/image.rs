//! An image, or whatever a tag or digest names: platforms, layers and the steps that made them, configuration, and what
//! belongs to it.

use askama::Template;
use berth_auth::{Action, Actions};
use berth_inspect::{Entry, Kind, text_of};
use berth_oci::{Descriptor, Digest, ManifestKind, Platform, Reference, RepositoryName, Role};
use berth_registry::{Access, Inside, Looked, Pull, Registry, RegistryError, TagWeight};

use super::Call;
use crate::error::PageError;
use crate::format;
use crate::layout::Layout;
use crate::reply::{self, Done};

/// Referrers that are shown.
const REFERRERS: usize = 50;
/// Bytes of the longest document that is shown as it is.
const SHOWN: usize = 64 * 1024;
/// Bytes of a chart's description that is read.
const CHART: u64 = 256 * 1024;

/// A platform of an index.
struct Child {
    descriptor: Descriptor,
    name: String,
    is_here: bool,
    size: u64,
}

/// A layer with the step that made it.
struct Layer {
    descriptor: Descriptor,
    step: String,
    /// What the author called the file that it is, of artifacts.
    title: String,
}

/// A manifest that says something about this one.
struct Referrer {
    descriptor: Descriptor,
    kind: String,
}

#[derive(Template)]
#[template(path = "image.html")]
struct Image {
    l: Layout,
    name: RepositoryName,
    at: String,
    looked: Looked,
    kind: &'static str,
    children: Vec<Child>,
    layers: Vec<Layer>,
    empty_steps: Vec<String>,
    referrers: Vec<Referrer>,
    annotations: Vec<(String, String)>,
    subject: Option<String>,
    weight: Option<TagWeight>,
    may: Actions,
    raw: Option<String>,
    chart: Option<String>,
    /// The settings of a chart, from the file that it has for them.
    values: Option<String>,
    has_files: bool,
}

impl Image {
    fn may(&self, action: &str) -> bool {
        action.parse().is_ok_and(|action: Action| self.may.has(action))
    }

    /// What to type for it: by its tag in each client, and by its digest.
    fn commands(&self) -> Vec<String> {
        let place = format!("{}/{}", self.l.host, self.name);
        let by_digest = format!("docker pull {place}@{}", self.looked.digest);
        if !self.is_tag() {
            return vec![by_digest];
        }
        let at = &self.at;
        if self.chart.is_some() {
            return vec![format!("helm pull oci://{place} --version {at}")];
        }
        let by_tag = ["docker pull", "podman pull", "ctr images pull"]
            .map(|command| format!("{command} {place}:{at}"));
        by_tag.into_iter().chain([by_digest]).collect()
    }

    fn is_tag(&self) -> bool {
        !self.at.contains(':')
    }

    /// The longest layer is a full bar.
    fn share(&self, size: &u64) -> u64 {
        let largest = self.layers.iter().map(|layer| layer.descriptor.size).max().unwrap_or_default().max(1);
        u64::try_from(u128::from(*size) * 100 / u128::from(largest)).unwrap_or(100).max(1)
    }
}

pub(super) async fn answer(call: Call<'_>, name: &RepositoryName, at: &str) -> Done {
    let reference: Reference = at.parse().map_err(|_| PageError::NotFound)?;
    let registry = &call.web.registry;
    let access = registry.authorizer().authorize::<Pull>(call.caller, name).await?;
    let looked = registry.look(&access, &reference).await?;
    let l = call.layout();
    let (layers, empty_steps) = layers(&looked);
    let referrers = registry.list_referrers(&access, &looked.digest, None, None, REFERRERS).await?;
    let annotations = looked.manifest.iter().flat_map(|manifest| manifest.annotations.clone()).collect();
    let weight = weight(registry, &access, &looked.digest).await?;
    let chart = chart(registry, &access, &looked).await?;
    let values = if chart.is_some() { values(registry, &access, &looked).await? } else { None };
    let children = children(registry, &access, &looked).await?;
    let has_files = if children.is_empty() {
        (looked.config.is_some() || chart.is_some()) && !layers.is_empty()
    } else {
        children.iter().any(|child| child.is_here)
    };
    reply::page(&Image {
        kind: kind(l.t, &looked),
        children,
        layers,
        empty_steps,
        referrers: referrers.items.into_iter().map(referrer).collect(),
        annotations,
        subject: looked.manifest.as_ref().and_then(|m| m.subject.as_ref()).map(|s| s.digest.to_string()),
        weight,
        may: registry.authorizer().allowed(call.caller, name).await?,
        raw: pretty(&looked.content),
        chart,
        values,
        has_files,
        l,
        name: access.repository().clone(),
        at: at.to_owned(),
        looked,
    })
}

/// The image that a tag names; of an index the first platform that is here.
pub(super) async fn runnable(call: Call<'_>, access: &Access<Pull>, at: &str) -> Result<Looked, PageError> {
    let reference: Reference = at.parse().map_err(|_| PageError::NotFound)?;
    let looked = call.web.registry.look(access, &reference).await?;
    let Some(index) = looked.manifest.as_ref().filter(|manifest| manifest.kind == ManifestKind::Index) else {
        return Ok(looked);
    };
    for child in &index.references {
        let child = Reference::Digest(child.descriptor.digest.clone());
        match call.web.registry.look(access, &child).await {
            Ok(found) if found.config.is_some() => return Ok(found),
            Ok(_) | Err(RegistryError::ManifestUnknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(looked)
}

/// What an image weighs; `None` if it is not here, or too much to be weighed.
async fn weight(
    registry: &Registry,
    access: &Access<Pull>,
    digest: &Digest,
) -> Result<Option<TagWeight>, PageError> {
    match registry.weigh(access, &Reference::Digest(digest.clone())).await {
        Ok(weight) => Ok(Some(weight)),
        Err(RegistryError::ManifestUnknown { .. } | RegistryError::TooMuch { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What it is, in a word or two.
fn kind(t: &'static crate::texts::Texts, looked: &Looked) -> &'static str {
    let Some(manifest) = &looked.manifest else { return t.kind_unknown };
    let artifact = manifest.artifact_type.as_deref().unwrap_or_default();
    match manifest.kind {
        ManifestKind::Index => t.kind_index,
        _ if artifact.contains("helm") => t.kind_chart,
        ManifestKind::Image if looked.config.is_some() => t.kind_image,
        _ => t.kind_artifact,
    }
}

async fn children(
    registry: &Registry,
    access: &Access<Pull>,
    looked: &Looked,
) -> Result<Vec<Child>, PageError> {
    let Some(manifest) = looked.manifest.as_ref().filter(|m| m.kind == ManifestKind::Index) else {
        return Ok(Vec::new());
    };
    let mut children = Vec::new();
    for reference in manifest.references.iter().filter(|reference| reference.role == Role::Child) {
        let descriptor = reference.descriptor.clone();
        let weight = weight(registry, access, &descriptor.digest).await?;
        let is_attestation = descriptor.annotations.contains_key("vnd.docker.reference.digest");
        let name = descriptor.platform.as_ref().map(Platform::word).unwrap_or_default();
        let name = if is_attestation { "attestation".to_owned() } else { name };
        let size = weight.as_ref().map_or(descriptor.size, |weight| weight.bytes.all);
        children.push(Child { is_here: weight.is_some(), name, size, descriptor });
    }
    Ok(children)
}

/// The layers, and the steps of the build that made none.
fn layers(looked: &Looked) -> (Vec<Layer>, Vec<String>) {
    let Some(manifest) = looked.manifest.as_ref().filter(|m| m.kind != ManifestKind::Index) else {
        return (Vec::new(), Vec::new());
    };
    let layers: Vec<_> =
        manifest.references.iter().filter(|reference| reference.role == Role::Layer).collect();
    let steps = looked.config.as_ref().map(|config| config.steps_of(layers.len())).unwrap_or_default();
    let layer = |(n, reference): (usize, &&berth_oci::ManifestReference)| Layer {
        step: steps.get(n).copied().flatten().map(|step| step.instruction().to_owned()).unwrap_or_default(),
        title: reference
            .descriptor
            .annotations
            .get("org.opencontainers.image.title")
            .cloned()
            .unwrap_or_default(),
        descriptor: reference.descriptor.clone(),
    };
    let empty = looked.config.iter().flat_map(|config| config.history.iter()).filter(|step| step.is_empty);
    let empty = empty.map(|step| step.instruction().to_owned()).filter(|text| !text.is_empty()).collect();
    (layers.iter().enumerate().map(layer).collect(), empty)
}

/// What a referrer is, by its artifact type.
fn referrer(descriptor: Descriptor) -> Referrer {
    let artifact = descriptor.artifact_type.clone().unwrap_or_default();
    let predicate = descriptor.annotations.get("in-toto.io/predicate-type").cloned().unwrap_or_default();
    let of = format!("{artifact} {predicate}").to_ascii_lowercase();
    let kind = if of.contains("spdx") || of.contains("cyclonedx") || of.contains("sbom") {
        "SBOM"
    } else if of.contains("cosign")
        || of.contains("notary")
        || of.contains("signature")
        || of.contains("sigstore")
    {
        "signature"
    } else if of.contains("in-toto") || of.contains("provenance") || of.contains("attestation") {
        "attestation"
    } else {
        "artifact"
    };
    Referrer { descriptor, kind: kind.to_owned() }
}

/// The document with line breaks, if it is JSON and not too long.
fn pretty(content: &[u8]) -> Option<String> {
    let document: serde_json::Value =
        serde_json::from_slice(content.get(..).filter(|c| c.len() <= SHOWN)?).ok()?;
    serde_json::to_string_pretty(&document).ok()
}

/// What a Helm chart says of itself: its configuration is that of the chart, as JSON.
async fn chart(
    registry: &Registry,
    access: &Access<Pull>,
    looked: &Looked,
) -> Result<Option<String>, PageError> {
    let config = looked
        .manifest
        .as_ref()
        .and_then(|manifest| manifest.references.iter().find(|reference| reference.role == Role::Config));
    let Some(config) = config.filter(|config| config.descriptor.media_type.contains("helm")) else {
        return Ok(None);
    };
    let bytes = registry.small_blob(access, &config.descriptor.digest, CHART).await?;
    Ok(bytes.and_then(|bytes| pretty(&bytes)))
}

/// The settings of a chart with their defaults: `NAME/values.yaml` of its archive, once that was read.
async fn values(
    registry: &Registry,
    access: &Access<Pull>,
    looked: &Looked,
) -> Result<Option<String>, PageError> {
    let turn = registry.begin_looking().await?;
    let Inside::Ready(indexes) = registry.inside(access, looked, &turn).await? else { return Ok(None) };
    let is_it = |entry: &&Entry| {
        entry.kind == Kind::File && entry.path.splitn(2, |byte| *byte == b'/').nth(1) == Some(b"values.yaml")
    };
    let digests = super::files::layers(looked);
    for (index, digest) in indexes.iter().zip(digests) {
        let Some(entry) = index.entries.iter().find(is_it) else { continue };
        let Some(offset) = entry.offset else { continue };
        let content = registry.file_of_layer(access, &digest, offset, entry.size, CHART).await?;
        return Ok(content.and_then(|content| text_of(&content)));
    }
    Ok(None)
}

/// Only for the template: sizes are told there.
impl Layer {
    fn size(&self) -> String {
        format::bytes(self.descriptor.size)
    }
}
