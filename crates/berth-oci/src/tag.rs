//! The tag: a name that a person gives to a manifest.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, shorten};
use crate::text::serde_as_text;

/// A tag: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}` (distribution-spec, "Pulling manifests").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// The longest tag, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest that the tag is about, if it is one of those by which clients without referrers attach things to an
    /// image: `sha256-<hex>`, perhaps with `.sig`, `.att` or `.sbom` ("Referrers Tag Schema", and cosign's names).
    pub fn attached_to(&self) -> Option<Digest> {
        let name = [".sig", ".att", ".sbom"].iter().find_map(|end| self.0.strip_suffix(end));
        let (algorithm, hex) = name.unwrap_or(&self.0).split_once('-')?;
        format!("{algorithm}:{hex}").parse().ok()
    }
}

impl AsRef<str> for Tag {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let Some(first) = text.chars().next() else {
            return Err(TagError::Empty);
        };
        if text.len() > Self::MAX_LEN {
            return Err(TagError::TooLong { found: text.len() });
        }
        if matches!(first, '.' | '-') {
            return Err(TagError::Start { found: shorten(text) });
        }
        match text.chars().find(|&c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))) {
            Some(found) => Err(TagError::Character { found }),
            None => Ok(Tag(text.into())),
        }
    }
}

serde_as_text!(Tag, "a tag such as 1.9 or latest");

/// Why a text is not a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// The tag is empty.
    #[error("the tag is empty")]
    Empty,
    /// The tag is longer than [`Tag::MAX_LEN`].
    #[error("a tag has at most 128 characters; got {found}")]
    TooLong {
        /// Length in bytes.
        found: usize,
    },
    /// The first character is a dot or a dash.
    #[error("a tag begins with a letter, a digit or \"_\"; got {found:?}")]
    Start {
        /// The tag.
        found: String,
    },
    /// A character is outside the grammar.
    #[error("{found:?} is not allowed in a tag; use letters, digits, \"_\", \".\" and \"-\"")]
    Character {
        /// The character.
        found: char,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Tag, TagError};

    #[test]
    fn refusals_say_what_is_expected() {
        let parse = |text: &str| text.parse::<Tag>().unwrap_err();
        assert_eq!(parse(""), TagError::Empty);
        assert_eq!(parse(&"a".repeat(129)), TagError::TooLong { found: 129 });
        assert_eq!(parse("-rf"), TagError::Start { found: "-rf".into() });
        assert_eq!(parse(".."), TagError::Start { found: "..".into() });
        assert_eq!(parse("a/b"), TagError::Character { found: '/' });
        assert_eq!(parse("1.0+build"), TagError::Character { found: '+' });
    }

    proptest! {
        #[test]
        fn round_trip(text in "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}") {
            prop_assert_eq!(text.parse::<Tag>().unwrap().to_string(), text);
        }

        #[test]
        fn accepts_only_the_grammar(text in any::<String>()) {
            let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let bytes = text.as_bytes();
            let legal = bytes.len() <= 128
                && bytes.first().is_some_and(|&b| word(b))
                && bytes.iter().all(|&b| word(b) || b == b'.' || b == b'-');
            prop_assert_eq!(text.parse::<Tag>().is_ok(), legal);
        }
    }
}
