//! What stands after `/manifests/`: a tag or a digest.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError};
use crate::tag::{Tag, TagError};
use crate::text::serde_as_text;

/// A way to name a manifest inside a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// By the name that a person gave; may point elsewhere tomorrow.
    Tag(Tag),
    /// By content; always means the same bytes.
    Digest(Digest),
}

impl Reference {
    /// The tag, if this is one.
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        }
    }

    /// The digest, if this is one.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Reference::Tag(_) => None,
            Reference::Digest(digest) => Some(digest),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Tag(tag) => tag.fmt(f),
            Reference::Digest(digest) => digest.fmt(f),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    /// A tag has no colon and a digest always has one, so a malformed text gets the error of what was meant.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') {
            Ok(Reference::Digest(text.parse()?))
        } else {
            Ok(Reference::Tag(text.parse()?))
        }
    }
}

serde_as_text!(Reference, "a tag or a digest");

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Reference::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Reference::Digest(digest)
    }
}

/// Why a text names no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// There is no colon, and it is not a tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// There is a colon, and it is not a digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

#[cfg(test)]
mod tests {
    use super::{Reference, ReferenceError};
    use crate::digest::Digest;

    #[test]
    fn colon_decides() {
        let digest = Digest::sha256(b"abc");
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest.clone())));
        let tag: Reference = "latest".parse().unwrap();
        assert_eq!(tag.tag().unwrap().as_str(), "latest");
        assert_eq!(tag.to_string(), "latest");
        // The fallback tag of clients without the referrers API is a tag, not a digest.
        let fallback: Reference = digest.to_string().replace(':', "-").parse().unwrap();
        assert_eq!(fallback.digest(), None);
        assert!(matches!("sha256:x".parse::<Reference>(), Err(ReferenceError::Digest(_))));
        assert!(matches!(".x".parse::<Reference>(), Err(ReferenceError::Tag(_))));
    }
}
