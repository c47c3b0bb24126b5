//! From bytes to a [`Manifest`], step by step from the outside in.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Manifest, ManifestError, ManifestKind, ManifestReference, Role};
use crate::descriptor::Descriptor;
use crate::digest::{Digest, shorten};
use crate::{base64, json, media_type};

/// The fields that give a document its meaning.
const DOCUMENT_FIELDS: [&str; 10] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "subject",
    "annotations",
    "fsLayers",
];

/// The fields that give a descriptor its meaning.
const DESCRIPTOR_FIELDS: [&str; 8] =
    ["mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"];

pub(super) fn read(content_type: &str, bytes: &[u8]) -> Result<Manifest, ManifestError> {
    if media_type::is_schema1(content_type) {
        return Err(ManifestError::Schema1);
    }
    let document = match json::read(bytes).map_err(|source| ManifestError::Json { source })? {
        Value::Object(document) => Document(document),
        _ => return Err(ManifestError::NotAnObject),
    };
    document.check_case(&DOCUMENT_FIELDS)?;
    let media_type = document.media_type(content_type)?;
    let kind = kind(&media_type)?;
    document.check_shape(kind)?;

    let references = document.references(kind)?;
    let subject: Option<Descriptor> = document.descriptor("subject")?;
    let annotations: BTreeMap<String, String> = document.field("annotations")?.unwrap_or_default();
    if subject.is_some() {
        check_annotations(&annotations)?;
    }
    let config_type = || {
        let config = references.iter().find(|reference| reference.role == Role::Config)?;
        Some(config.descriptor.media_type.clone())
    };
    let filled = |text: &String| !text.is_empty();
    let artifact_type = document.field("artifactType")?.filter(filled).or_else(config_type).filter(filled);
    Ok(Manifest { media_type, kind, references, subject, artifact_type, annotations })
}

fn kind(media_type: &str) -> Result<ManifestKind, ManifestError> {
    match media_type {
        media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => Ok(ManifestKind::Image),
        media_type::OCI_INDEX | media_type::DOCKER_LIST => Ok(ManifestKind::Index),
        media_type::OCI_ARTIFACT => Ok(ManifestKind::Artifact),
        _ if is_json_type(media_type) => Ok(ManifestKind::Other),
        _ => Err(ManifestError::ContentType { found: shorten(media_type) }),
    }
}

/// `type/subtype+json` of the characters that a header may hold (RFC 6838, section 4.2), at most 255 bytes.
fn is_json_type(media_type: &str) -> bool {
    let word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    media_type.len() <= 255
        && media_type
            .split_once('/')
            .is_some_and(|(kind, subtype)| word(kind) && word(subtype) && subtype.ends_with("+json"))
}

struct Document(Map<String, Value>);

impl Document {
    /// A field that is there and not `null`, which Go clients write for an empty list.
    fn value(&self, field: &'static str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    fn field<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, ManifestError> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        T::deserialize(value).map(Some).map_err(|source| ManifestError::Field { field, source })
    }

    /// Readers in Go match the names of fields without regard to case: another spelling is another document to them.
    fn check_case(&self, fields: &[&'static str]) -> Result<(), ManifestError> {
        check_case(&self.0, fields)
    }

    fn media_type(&self, content_type: &str) -> Result<String, ManifestError> {
        let field: Option<String> = self.field("mediaType")?.filter(|field: &String| !field.is_empty());
        let is_schema1 = self.version() == Some(1) && self.0.contains_key("fsLayers");
        if is_schema1 || field.as_deref().is_some_and(media_type::is_schema1) {
            return Err(ManifestError::Schema1);
        }
        match field {
            Some(field) if content_type.is_empty() || field == content_type => Ok(field),
            Some(field) => {
                Err(ManifestError::MediaType { field: shorten(&field), header: shorten(content_type) })
            }
            None => Ok(content_type.to_owned()),
        }
    }

    fn version(&self) -> Option<u64> {
        self.value("schemaVersion").and_then(Value::as_u64)
    }

    /// A document has the fields of its own type and of no other.
    fn check_shape(&self, kind: ManifestKind) -> Result<(), ManifestError> {
        // `null` counts as presence: a reader may look at the key alone.
        let has = |field: &str| self.0.contains_key(field);
        if let Some(second) = ["layers", "config"].into_iter().find(|field| has("manifests") && has(field)) {
            return Err(ManifestError::Ambiguous { first: "manifests", second });
        }
        let foreign: &[&'static str] = match kind {
            ManifestKind::Image => &["manifests", "fsLayers"],
            ManifestKind::Index => &["config", "layers", "fsLayers"],
            ManifestKind::Artifact => &["manifests", "config", "layers", "fsLayers"],
            ManifestKind::Other => return Ok(()),
        };
        let own = match kind {
            ManifestKind::Image => "config",
            ManifestKind::Index => "manifests",
            ManifestKind::Artifact | ManifestKind::Other => "blobs",
        };
        if let Some(second) = foreign.iter().copied().find(|field| has(field)) {
            return Err(ManifestError::Ambiguous { first: own, second });
        }
        let missing = match kind {
            ManifestKind::Image => self.value(own).is_none(),
            // An empty index is legal, and Go clients write `null` for its list.
            ManifestKind::Index => !has(own),
            ManifestKind::Artifact | ManifestKind::Other => false,
        };
        if missing {
            return Err(ManifestError::Missing { field: own });
        }
        if kind != ManifestKind::Artifact && self.version() != Some(2) {
            return Err(ManifestError::SchemaVersion);
        }
        Ok(())
    }

    fn references(&self, kind: ManifestKind) -> Result<Vec<ManifestReference>, ManifestError> {
        let mut references = Vec::new();
        let mut add = |role, descriptors: Vec<Descriptor>| {
            references
                .extend(descriptors.into_iter().map(|descriptor| ManifestReference { role, descriptor }));
        };
        match kind {
            ManifestKind::Image => {
                add(Role::Config, self.descriptor("config")?.into_iter().collect());
                add(Role::Layer, self.descriptors("layers", Manifest::MAX_LAYERS)?);
            }
            ManifestKind::Index => {
                add(Role::Child, self.descriptors("manifests", Manifest::MAX_CHILDREN)?);
            }
            ManifestKind::Artifact => add(Role::Layer, self.descriptors("blobs", Manifest::MAX_LAYERS)?),
            ManifestKind::Other => {
                let mut mentioned = Vec::new();
                for (_, value) in self.0.iter().filter(|(name, _)| name.as_str() != "subject") {
                    collect_mentions(value, &mut mentioned)?;
                }
                add(Role::Mention, mentioned);
            }
        }
        Ok(references)
    }

    fn descriptor(&self, field: &'static str) -> Result<Option<Descriptor>, ManifestError> {
        self.value(field).map(|value| descriptor(field, value)).transpose()
    }

    fn descriptors(&self, field: &'static str, limit: usize) -> Result<Vec<Descriptor>, ManifestError> {
        let Some(value) = self.value(field) else {
            return Ok(Vec::new());
        };
        let Some(list) = value.as_array() else {
            let source = serde::de::Error::custom("expected a list of descriptors");
            return Err(ManifestError::Field { field, source });
        };
        if list.len() > limit {
            return Err(ManifestError::TooMany { field, found: list.len(), limit });
        }
        list.iter().map(|value| descriptor(field, value)).collect()
    }
}

fn descriptor(field: &'static str, value: &Value) -> Result<Descriptor, ManifestError> {
    if let Value::Object(object) = value {
        check_case(object, &DESCRIPTOR_FIELDS)?;
    }
    let descriptor =
        Descriptor::deserialize(value).map_err(|source| ManifestError::Field { field, source })?;
    check_data(&descriptor)?;
    Ok(descriptor)
}

/// Every object with a digest inside an unknown type, at any depth. Lenient, because nothing is known of the type:
/// what cannot be a digest of ours is passed over, and other fields count only if they read as a descriptor's.
fn collect_mentions(value: &Value, mentioned: &mut Vec<Descriptor>) -> Result<(), ManifestError> {
    const LIMIT: usize = Manifest::MAX_CHILDREN + Manifest::MAX_LAYERS;

    match value {
        Value::Array(values) => values.iter().try_for_each(|value| collect_mentions(value, mentioned)),
        Value::Object(object) => {
            let digest = object.get("digest").and_then(Value::as_str).and_then(|text| text.parse().ok());
            if let Some(digest) = digest {
                let full = Descriptor::deserialize(value).ok();
                mentioned.push(full.unwrap_or_else(|| Descriptor::new(media_type::OCTET_STREAM, digest, 0)));
            }
            if mentioned.len() > LIMIT {
                return Err(ManifestError::TooMany { field: "digest", found: mentioned.len(), limit: LIMIT });
            }
            object.values().try_for_each(|value| collect_mentions(value, mentioned))
        }
        _ => Ok(()),
    }
}

fn check_case(object: &Map<String, Value>, fields: &[&'static str]) -> Result<(), ManifestError> {
    for name in object.keys() {
        let folded = fold(name);
        let meant = fields.iter().copied().find(|field| *field != name && fold(field) == folded);
        if let Some(expected) = meant {
            return Err(ManifestError::Case { found: shorten(name), expected });
        }
    }
    Ok(())
}

/// Go's folding of JSON field names: ASCII case, and the two letters outside ASCII that fold into it.
fn fold(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

fn check_data(descriptor: &Descriptor) -> Result<(), ManifestError> {
    let Some(data) = &descriptor.data else {
        return Ok(());
    };
    let matches = base64::decode(data).is_some_and(|content| {
        u64::try_from(content.len()) == Ok(descriptor.size)
            && Digest::of(descriptor.digest.algorithm(), &content) == descriptor.digest
    });
    if matches { Ok(()) } else { Err(ManifestError::Data { digest: descriptor.digest.clone() }) }
}

fn check_annotations(annotations: &BTreeMap<String, String>) -> Result<(), ManifestError> {
    let found = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if found > Manifest::MAX_ANNOTATIONS {
        return Err(ManifestError::Annotations { found });
    }
    Ok(())
}
