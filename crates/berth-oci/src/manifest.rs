//! The manifest: what a registry must understand of the bytes that it is given, and no more.

use std::collections::BTreeMap;

use crate::descriptor::Descriptor;
use crate::error_code::ErrorCode;
use crate::media_type;

mod read;

/// What a manifest says, read strictly from its bytes. The bytes themselves are stored and served untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The type as pushed, without parameters: what is stored and served.
    pub media_type: String,
    /// How the document is built.
    pub kind: ManifestKind,
    /// The content it needs, in the order of the document, repetitions included.
    pub references: Vec<ManifestReference>,
    /// The manifest that this one is about, which need not exist.
    pub subject: Option<Descriptor>,
    /// The type for the referrers list: the document's own, or for an image that of its configuration.
    pub artifact_type: Option<String>,
    /// The annotations of the document itself.
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Most entries of `manifests`.
    pub const MAX_CHILDREN: usize = 1000;
    /// Most entries of `layers` or `blobs`.
    pub const MAX_LAYERS: usize = 1000;
    /// Most bytes of a document's own annotations together, keys and values, when it has a subject: each list of that
    /// subject's referrers repeats them. Without a subject nobody repeats them, and the document's size is the limit.
    pub const MAX_ANNOTATIONS: usize = 256 * 1024;

    /// Reads a manifest as it is pushed with the header `Content-Type: content_type`.
    ///
    /// A document must have one meaning whatever the reader, because a digest has (V24 of the threat list; CVE-2021-41190):
    /// a `mediaType` equals the header, no key occurs twice or in another case, and no document is both an image and
    /// an index. Unknown fields, docker types inside OCI documents and an absent `mediaType` are fine. Types that are
    /// not known are taken if they are JSON; everything in them that has a digest is kept as a reference.
    ///
    /// # Errors
    ///
    /// See [`ManifestError`]. The length of `bytes` is the caller's to limit.
    pub fn read(content_type: &str, bytes: &[u8]) -> Result<Manifest, ManifestError> {
        read::read(media_type::essence(content_type), bytes)
    }
}

/// How a manifest is built, by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManifestKind {
    /// An image or artifact: a configuration and layers.
    Image,
    /// An image index or manifest list. The cache index of old BuildKit is one whose children are blobs.
    Index,
    /// The artifact manifest of the image-spec 1.1 release candidates: `blobs` and no configuration.
    Artifact,
    /// A type that this registry does not know.
    Other,
}

/// One piece of content that a manifest needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestReference {
    /// The place in the manifest.
    pub role: Role,
    /// The content.
    pub descriptor: Descriptor,
}

impl ManifestReference {
    /// Whether no registry need hold the content: a layer that may be had elsewhere (Windows base layers).
    pub fn is_foreign(&self) -> bool {
        self.role == Role::Layer && self.descriptor.is_foreign()
    }
}

/// The place of a reference in its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// `config`: a blob.
    Config,
    /// An entry of `layers` or `blobs`: a blob.
    Layer,
    /// An entry of `manifests`: a manifest, or failing that a blob.
    Child,
    /// A descriptor at an unknown place of an unknown type: kept alive if present, not required to exist.
    Mention,
}

/// Why a document is not taken as a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Docker's schema 1, which current clients cannot read.
    #[error(
        "this is a docker schema 1 manifest, a format that is no longer accepted; \
         push the image again with docker 1.10 or later, or convert it with `skopeo copy --format v2s2`"
    )]
    Schema1,
    /// The type is neither known nor JSON.
    #[error("the content type {found:?} is not that of a manifest; send for example {expected}", expected = media_type::OCI_MANIFEST)]
    ContentType {
        /// The header without parameters.
        found: String,
    },
    /// The document says another type than the header.
    #[error("mediaType is {field:?} but the Content-Type header is {header:?}; they must be equal")]
    MediaType {
        /// The document's field.
        field: String,
        /// The header without parameters.
        header: String,
    },
    /// Not JSON, a key twice, too deep, or something after the end.
    #[error("the manifest is not strict JSON: {source}")]
    Json {
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// A field has the wrong form, for example a malformed digest or a negative size.
    #[error("the field {field:?} is malformed: {source}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The document is JSON but not an object.
    #[error("a manifest is a JSON object")]
    NotAnObject,
    /// A field that the type requires is not there.
    #[error("the field {field:?} is missing; a manifest of this type requires it")]
    Missing {
        /// Name of the field.
        field: &'static str,
    },
    /// A field whose name differs from a field of the format in case only, which readers in Go take for it.
    #[error("the field {found:?} must be written {expected:?}")]
    Case {
        /// As written.
        found: String,
        /// As it must be.
        expected: &'static str,
    },
    /// Fields of an image and of an index in one document.
    #[error(
        "this type of manifest is built on {first:?} and must not have {second:?}: images and indexes do not mix"
    )]
    Ambiguous {
        /// A field of the one format.
        first: &'static str,
        /// A field of the other.
        second: &'static str,
    },
    /// `schemaVersion` is not 2.
    #[error("schemaVersion must be 2")]
    SchemaVersion,
    /// A list is too long.
    #[error("{field:?} has {found} entries; at most {limit} are accepted")]
    TooMany {
        /// Name of the list.
        field: &'static str,
        /// Entries found.
        found: usize,
        /// Entries allowed.
        limit: usize,
    },
    /// The annotations are too long.
    #[error("the annotations have {found} bytes together; at most {limit} are accepted", limit = Manifest::MAX_ANNOTATIONS)]
    Annotations {
        /// Bytes of all keys and values.
        found: usize,
    },
    /// The content in a descriptor's `data` is not the content that the descriptor describes.
    #[error("the embedded data of {digest} is not base64 of content with that digest and size")]
    Data {
        /// The descriptor's digest.
        digest: crate::Digest,
    },
}

impl ManifestError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::ManifestInvalid
    }
}

#[cfg(test)]
mod tests;
