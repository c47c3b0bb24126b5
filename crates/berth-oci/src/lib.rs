//! The words of the protocol as types: whoever holds one holds a checked value. No input or output here.

mod base64;
mod json;
mod text;

pub mod digest;
pub mod hasher;
pub mod name;
pub mod pattern;
pub mod tag;
pub mod tag_pattern;
pub mod version_tag;

pub mod image_reference;
pub mod reference;

pub mod descriptor;
pub mod image_config;
pub mod index_builder;
pub mod manifest;
pub mod media_type;

pub mod error_code;
pub mod range;
pub mod route;
pub mod scope;
mod secret;

pub use descriptor::{Descriptor, Platform};
pub use digest::{Algorithm, Digest, DigestError};
pub use error_code::ErrorCode;
pub use hasher::Hasher;
pub use image_config::{BuildStep, ImageConfig};
pub use image_reference::{DOCKER_HUB, ImageReference, ImageReferenceError};
pub use index_builder::IndexBuilder;
pub use manifest::{Manifest, ManifestError, ManifestKind, ManifestReference, Role};
pub use name::{NameError, RepositoryName};
pub use pattern::{Pattern, PatternError};
pub use range::{ChunkRange, ChunkRangeError};
pub use reference::{Reference, ReferenceError};
pub use route::{Route, RouteError};
pub use scope::{Resource, Scope};
pub use secret::Secret;
pub use tag::{Tag, TagError};
pub use tag_pattern::{TagPattern, TagPatternError};
pub use version_tag::{Level, VersionTag};
