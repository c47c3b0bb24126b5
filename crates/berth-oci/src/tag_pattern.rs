//! Patterns of tags, in rules.

use std::fmt;
use std::str::FromStr;

use crate::pattern::part_matches;
use crate::{Tag, VersionTag};

/// A list of tags: words with commas between them. In a word `*` stands for any run of characters; the word `{version}`
/// stands for full release versions (`1.9.2`, `v1.9.2`, `1.9.2-alpine`). At most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagPattern(Box<str>);

/// The word for full release versions. Its brackets cannot stand in a tag.
const VERSION: &str = "{version}";
/// The longest list, in bytes.
const MAX_LEN: usize = 255;

/// Why a text is not a pattern of tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no pattern of tags; write v1.*, *-alpine, {{version}} for full versions, or several with commas"
)]
pub struct TagPatternError {
    found: String,
}

impl TagPattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a word of it matches `tag` as a whole.
    pub fn matches(&self, tag: &Tag) -> bool {
        self.0.split(',').any(|word| match word {
            VERSION => VersionTag::of(tag).is_some(),
            word => part_matches(word.as_bytes(), tag.as_str().as_bytes()),
        })
    }

    /// Whether it matches every tag.
    pub fn is_everything(&self) -> bool {
        self.0.split(',').any(|word| word.bytes().all(|byte| byte == b'*'))
    }
}

impl FromStr for TagPattern {
    type Err = TagPatternError;

    fn from_str(text: &str) -> Result<TagPattern, TagPatternError> {
        // With each star replaced by a letter a word must be a tag, so one that can match nothing is noticed.
        let is_word = |word: &str| word == VERSION || word.replace('*', "x").parse::<Tag>().is_ok();
        if text.len() <= MAX_LEN && text.split(',').all(is_word) {
            Ok(TagPattern(text.into()))
        } else {
            Err(TagPatternError { found: text.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, tag: &str) -> bool {
        pattern.parse::<TagPattern>().unwrap().matches(&tag.parse().unwrap())
    }

    #[test]
    fn words_and_versions_match() {
        for (pattern, tag) in [
            ("latest", "latest"),
            ("v1.*", "v1.9"),
            ("*", "anything"),
            ("*-alpine", "1.9-alpine"),
            ("{version}", "v1.9.2"),
            ("stable,{version}", "stable"),
            ("stable,{version}", "1.9.2-alpine"),
        ] {
            assert!(matches(pattern, tag), "{pattern} {tag}");
        }
        for (pattern, tag) in
            [("latest", "latest2"), ("v1.*", "v2.0"), ("{version}", "1.9"), ("{version}", "2.0.0-rc.1")]
        {
            assert!(!matches(pattern, tag), "{pattern} {tag}");
        }
    }

    #[test]
    fn what_can_match_nothing_is_refused() {
        for text in ["", ",", "a,", "a b", "-x", ".x", "{versions}", "é", &"x".repeat(256)] {
            assert!(text.parse::<TagPattern>().is_err(), "{text}");
        }
        assert!("a,*".parse::<TagPattern>().unwrap().is_everything());
        assert!(!"a*".parse::<TagPattern>().unwrap().is_everything());
    }
}
