//! The name of an image as people write it for docker, and what docker makes of it.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError, shorten};
use crate::name::{NameError, RepositoryName};
use crate::tag::{Tag, TagError};
use crate::text::serde_as_text;

mod host;

/// The registry that a name without one means.
pub const DOCKER_HUB: &str = "docker.io";
/// Its name of old times.
const DOCKER_INDEX: &str = "index.docker.io";
/// What official images of Docker Hub leave out.
const OFFICIAL: &str = "library/";

/// An image at a registry: `registry/repository[:tag][@digest]`.
///
/// Read by the rules of docker: `alpine` is `docker.io/library/alpine`, `biaoxyz/x` is `docker.io/biaoxyz/x`, and
/// the first component is a registry only if it has a dot, a colon or an upper-case letter, or is `localhost`.
/// Three differences: `sha384` digests are not supported, a dotted first component that cannot be a host (`a_b.c/d`)
/// is refused where docker would go on without any registry, and a text above [`ImageReference::MAX_LEN`] is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageReference {
    registry: Box<str>,
    repository: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// The longest text that is read, in bytes: a host, a name, a tag and a digest at their longest.
    pub const MAX_LEN: usize = 1024;

    /// Host of the registry with its port, if one is written: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository, with the `library/` of official images.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// The tag, if one is written; docker then means `latest` unless there is a digest.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if one is written; it decides, whatever the tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The short form that docker shows: without `docker.io` and the `library/` of official images.
    pub fn familiar(&self) -> String {
        let mut name = self.repository.as_str();
        if *self.registry != *DOCKER_HUB {
            return format!("{}/{name}{}", self.registry, Suffix(self));
        }
        if let Some(official) = name.strip_prefix(OFFICIAL).filter(|rest| !rest.contains('/')) {
            name = official;
        }
        format!("{name}{}", Suffix(self))
    }

    /// What a `docker pull` of this reference asks for in the end.
    ///
    /// The command line hands the familiar form to the engine, which reads it again. That changes one kind of name:
    /// `docker.io/docker.io/alpine` is shortened to `docker.io/alpine` and so pulls `library/alpine`.
    pub fn as_pulled(&self) -> ImageReference {
        self.familiar().parse().unwrap_or_else(|_| self.clone())
    }
}

/// The complete form, which reads back as the same reference.
impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.registry, self.repository, Suffix(self))
    }
}

/// Tag and digest with their marks.
struct Suffix<'a>(&'a ImageReference);

impl fmt::Display for Suffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tag) = &self.0.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.0.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        if text.is_empty() {
            return Err(ImageReferenceError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(ImageReferenceError::TooLong { found: text.len() });
        }
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ImageReferenceError::Identifier);
        }
        let (registry, rest) = split_registry(text);
        if !host::is_host(registry) {
            return Err(ImageReferenceError::Registry { found: shorten(registry) });
        }
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (rest, None),
        };
        let (name, tag) = match rest.split_once(':') {
            Some((name, tag)) => (name, Some(tag.parse()?)),
            None => (rest, None),
        };
        let repository = if registry == DOCKER_HUB && !name.contains('/') {
            // Read first, so that the error speaks of what was written.
            let name: RepositoryName = name.parse()?;
            format!("{OFFICIAL}{name}").parse()?
        } else {
            name.parse()?
        };
        Ok(ImageReference { registry: registry.into(), repository, tag, digest })
    }
}

serde_as_text!(ImageReference, "an image such as alpine:3 or registry.example:5000/team/app@sha256:…");

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageReferenceError {
    /// The text is empty.
    #[error("the image name is empty")]
    Empty,
    /// The text is longer than [`ImageReference::MAX_LEN`].
    #[error("an image name has at most 1024 characters; got {found}")]
    TooLong {
        /// Length in bytes.
        found: usize,
    },
    /// The text is the id of an image or container, which is no name.
    #[error("64 hexadecimal characters are an image id, not a name; write <name>@sha256:<id> for a digest")]
    Identifier,
    /// What stands before the first slash is meant as a registry and is none.
    #[error(
        "{found:?} is not a registry; write host, host:port or [IPv6 address]:port before the first slash"
    )]
    Registry {
        /// The beginning of the text before the slash.
        found: String,
    },
    /// The repository name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The tag is malformed.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The digest is malformed.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// Splits off the registry, once, putting Docker Hub where none is written.
fn split_registry(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((DOCKER_INDEX, rest)) => (DOCKER_HUB, rest),
        Some((first, rest)) if looks_like_registry(first) => (first, rest),
        _ => (DOCKER_HUB, text),
    }
}

/// Namespaces are lower case without dots and colons, so anything else before the first slash must be a host.
fn looks_like_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase)
}

#[cfg(test)]
mod tests;
