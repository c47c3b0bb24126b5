//! The repository name and its grammar (distribution-spec, "Pulling manifests").

use std::fmt;
use std::str::FromStr;

use crate::digest::shorten;
use crate::text::serde_as_text;

/// A repository name such as `library/alpine` or `quay.io/example/app-operator`.
///
/// Components of `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` joined by `/`, at most [`RepositoryName::MAX_LEN`] bytes.
/// It cannot hold `..`, an empty component or a byte that means something to a file system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Box<str>);

impl RepositoryName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 255;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components between the slashes, at least one.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl AsRef<str> for RepositoryName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(NameError::TooLong { found: text.len() });
        }
        text.split('/').try_for_each(check_component)?;
        Ok(RepositoryName(text.into()))
    }
}

serde_as_text!(RepositoryName, "a repository name such as team/app");

/// Why a text is not a repository name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("the repository name is empty")]
    Empty,
    /// The name is longer than [`RepositoryName::MAX_LEN`].
    #[error("a repository name has at most 255 characters; got {found}")]
    TooLong {
        /// Length in bytes.
        found: usize,
    },
    /// Two slashes in a row, or one at either end.
    #[error("a repository name has no empty component: no slash at either end and no double slash")]
    EmptyComponent,
    /// A letter is upper case.
    #[error("a repository name must be lower case; got {component:?}")]
    UpperCase {
        /// The component with the letter.
        component: String,
    },
    /// A character is outside the grammar.
    #[error("{found:?} is not allowed in a repository name; use a-z, 0-9 and . _ - / between them")]
    Character {
        /// The character.
        found: char,
    },
    /// A separator stands at an end of a component or beside another one.
    #[error(
        "in the component {component:?} one of \".\", \"_\", \"__\" or a run of \"-\" must stand \
         between letters or digits"
    )]
    Separator {
        /// The component.
        component: String,
    },
}

/// One component: runs of letters and digits, a legal separator between each two. One pass, no look-behind.
fn check_component(component: &str) -> Result<(), NameError> {
    if component.is_empty() {
        return Err(NameError::EmptyComponent);
    }
    if let Some(found) = component.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')) {
        return Err(if found.is_ascii_uppercase() {
            NameError::UpperCase { component: shorten(component) }
        } else {
            NameError::Character { found }
        });
    }
    let mut rest = component.trim_start_matches(is_alphanumeric);
    let mut begins_well = rest.len() < component.len();
    while begins_well && !rest.is_empty() {
        let after = rest.trim_start_matches(is_separator);
        let separator = &rest[..rest.len() - after.len()];
        rest = after.trim_start_matches(is_alphanumeric);
        begins_well = is_legal_separator(separator) && rest.len() < after.len();
    }
    if begins_well { Ok(()) } else { Err(NameError::Separator { component: shorten(component) }) }
}

fn is_alphanumeric(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9')
}

fn is_separator(c: char) -> bool {
    matches!(c, '.' | '_' | '-')
}

fn is_legal_separator(separator: &str) -> bool {
    matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{NameError, RepositoryName};

    #[test]
    fn names_of_the_real_world() {
        for name in [
            "a",
            "library/alpine",
            "quay.io/example/app-operator",
            "a/blobs/uploads/b",
            "tags/list/x",
            "v2/v2",
            "a/manifests/b",
            "a__b/c---d/e.f_g",
            "0/1",
        ] {
            assert_eq!(name.parse::<RepositoryName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn refusals_say_what_is_expected() {
        let parse = |text: &str| text.parse::<RepositoryName>().unwrap_err();
        assert_eq!(parse(""), NameError::Empty);
        assert_eq!(parse("/"), NameError::EmptyComponent);
        for text in ["a//b", "/a", "a/"] {
            assert_eq!(parse(text), NameError::EmptyComponent, "{text}");
        }
        assert_eq!(parse("team/App"), NameError::UpperCase { component: "App".into() });
        assert!(parse("Alpine").to_string().contains("must be lower case"));
        assert_eq!(parse("a:b"), NameError::Character { found: ':' });
        assert_eq!(parse("a/é"), NameError::Character { found: 'é' });
        assert_eq!(parse("a\0"), NameError::Character { found: '\0' });
        for text in ["..", ".", "a/../b", "-a", "a-", "a..b", "a___b", "a._b", "_uploads", "a/-", "a.-b"] {
            assert!(matches!(parse(text), NameError::Separator { .. }), "{text}");
        }
    }

    #[test]
    fn length_limit_is_exact() {
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
        assert_eq!("a".repeat(256).parse::<RepositoryName>(), Err(NameError::TooLong { found: 256 }));
    }

    /// The specification's expression restated as what may follow what, independent of the parser above.
    fn oracle(text: &str) -> bool {
        fn component(bytes: &[u8]) -> bool {
            let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            // States of the automaton: 0 start or after a separator, 1 in a run, 2 one `.`, 3 `_`, 4 `__`, 5 dashes.
            let end = bytes.iter().try_fold(0, |state, &b| match (state, b) {
                (_, b) if alphanumeric(b) => Some(1),
                (1, b'.') => Some(2),
                (1, b'_') => Some(3),
                (3, b'_') => Some(4),
                (1 | 5, b'-') => Some(5),
                _ => None,
            });
            end == Some(1)
        }
        text.len() <= 255 && text.split('/').all(|part| component(part.as_bytes()))
    }

    proptest! {
        #[test]
        fn agrees_with_the_specification(text in "[ab0._/A-]{0,12}") {
            prop_assert_eq!(text.parse::<RepositoryName>().is_ok(), oracle(&text));
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            prop_assert_eq!(text.parse::<RepositoryName>().is_ok(), oracle(&text));
        }

        #[test]
        fn accepts_what_the_grammar_generates(
            text in "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}(/[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}){0,3}"
        ) {
            let name: RepositoryName = text.parse().unwrap();
            prop_assert_eq!(name.to_string(), text);
        }
    }
}
