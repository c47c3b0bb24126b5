//! The descriptor: type, digest and size of a piece of content (image-spec, "OCI Content Descriptors").

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::media_type;

/// What a manifest says about one piece of content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Address of the content.
    pub digest: Digest,
    /// Length of the content in bytes, at most [`Descriptor::MAX_SIZE`].
    #[serde(deserialize_with = "size")]
    pub size: u64,
    /// Where else the content may be had.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free key and value pairs.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The content itself, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Type of the artifact, if the content is a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What the image runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// The largest size: others read it as a signed 64-bit number.
    pub const MAX_SIZE: u64 = i64::MAX as u64;

    /// A descriptor with the three required fields only.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            artifact_type: None,
            platform: None,
        }
    }

    /// Whether the content may live elsewhere, as Windows base layers do: no registry need hold it.
    pub fn is_foreign(&self) -> bool {
        !self.urls.is_empty() || media_type::is_nondistributable(&self.media_type)
    }
}

/// What an image runs on (image-spec, "OCI Image Index Specification").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// CPU architecture by its Go name, for example `amd64`; `unknown` for attestations.
    #[serde(default)]
    pub architecture: String,
    /// Operating system by its Go name, for example `linux`.
    #[serde(default)]
    pub os: String,
    /// Version of the operating system; used by Windows.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Required features of the operating system.
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// Variant of the CPU, for example `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Required features of the CPU; reserved.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

impl Platform {
    /// What containers on this machine run on, by the names of Go; `linux` also where that is in a virtual machine.
    pub fn of_this_machine() -> Platform {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", None),
            "arm" => ("arm", Some("v7".to_owned())),
            "powerpc64" => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant,
            ..Platform::default()
        }
    }

    /// `os/architecture`, with the variant if there is one. What is not said, or is `unknown` as in attestations, is left
    /// out; so an attestation has no word.
    pub fn word(&self) -> String {
        let variant = self.variant.as_deref().unwrap_or_default();
        let parts = [self.os.as_str(), self.architecture.as_str(), variant].into_iter();
        parts.filter(|part| !part.is_empty() && *part != "unknown").collect::<Vec<_>>().join("/")
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = u64::deserialize(deserializer)?;
    if size > Descriptor::MAX_SIZE {
        return Err(serde::de::Error::custom(format_args!("size {size} is beyond {}", Descriptor::MAX_SIZE)));
    }
    Ok(size)
}

/// Go clients write `null` for an empty list or map.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Descriptor;
    use crate::digest::Digest;

    fn with(field: &str, value: Value) -> Result<Descriptor, serde_json::Error> {
        let mut descriptor = json!({"mediaType": "a/b", "digest": Digest::sha256(b"abc"), "size": 3});
        descriptor[field] = value;
        serde_json::from_value(descriptor)
    }

    #[test]
    fn unset_fields_are_not_written() {
        let descriptor = Descriptor::new("a/b", Digest::sha256(b"abc"), 3);
        let json = serde_json::to_value(&descriptor).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 3);
        assert_eq!(serde_json::from_value::<Descriptor>(json).unwrap(), descriptor);
    }

    #[test]
    fn size_is_a_natural_number_that_others_can_read() {
        assert_eq!(with("size", json!(i64::MAX)).unwrap().size, Descriptor::MAX_SIZE);
        for bad in [json!(-1), json!(1e30), json!(1_u64 << 63), json!("3"), json!(1.5), Value::Null] {
            assert!(with("size", bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn null_and_unknown_fields_are_tolerated() {
        assert!(with("urls", Value::Null).unwrap().urls.is_empty());
        assert!(with("annotations", Value::Null).unwrap().annotations.is_empty());
        assert!(with("platform", Value::Null).unwrap().platform.is_none());
        assert!(with("anything", json!([1])).is_ok());
        let platform = with("platform", json!({"architecture": "arm64", "os": "linux", "os.version": "1"}));
        assert_eq!(platform.unwrap().platform.unwrap().os_version.as_deref(), Some("1"));
    }

    #[test]
    fn a_digest_is_always_checked() {
        assert!(with("digest", json!("sha256:abc")).is_err());
    }
}
