//! Patterns of repository names, in grants, tokens and rules.

use std::fmt;
use std::str::FromStr;

use crate::RepositoryName;

/// A pattern of repository names: components joined by `/`. In a component `*` stands for any run of characters; a last
/// component `**` stands for one or more components of any name.
///
/// `acme/app` is that repository, `acme/*` all directly in the namespace, `acme/**` all at any depth, `**` all there
/// are. At most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It could match no repository name, or is malformed.
    #[error("{found:?} is no pattern of repository names; write acme/app, acme/*, or acme/** for any depth")]
    Malformed {
        /// What was given, shortened.
        found: String,
    },
}

impl Pattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches `name`, as a whole.
    pub fn matches(&self, name: &RepositoryName) -> bool {
        let mut components = name.components();
        let mut wanted = self.0.split('/').peekable();
        while let Some(part) = wanted.next() {
            let Some(component) = components.next() else { return false };
            if part == REST && wanted.peek().is_none() {
                return true;
            }
            if !part_matches(part.as_bytes(), component.as_bytes()) {
                return false;
            }
        }
        components.next().is_none()
    }

    /// Whether it reaches into namespaces that it does not name: its first component holds a `*`.
    ///
    /// Such a pattern is rarely meant; whoever means it has to say so.
    pub fn is_wide(&self) -> bool {
        self.0.split('/').next().is_some_and(|first| first.contains('*'))
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        // With each star replaced by a letter it must be a name, so a pattern that can match nothing is noticed.
        let (front, last) = text.rsplit_once('/').map_or((None, text), |(front, last)| (Some(front), last));
        let last = if last == REST { "x" } else { last };
        let example = front.map_or_else(|| last.to_owned(), |front| format!("{front}/{last}"));
        let is_good = text.len() <= RepositoryName::MAX_LEN
            && !example.contains(REST)
            && example.replace('*', "x").parse::<RepositoryName>().is_ok();
        if is_good {
            Ok(Pattern(text.into()))
        } else {
            Err(PatternError::Malformed { found: text.chars().take(80).collect() })
        }
    }
}

/// The last component of a pattern that goes to any depth.
const REST: &str = "**";

/// Whether a component with stars matches, by going back to the last star only: at most the product of both lengths,
/// which are below 256.
pub(crate) fn part_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            (p, t) = (p + 1, t + 1);
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (p, t) = (after + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(&name.parse().unwrap())
    }

    #[test]
    fn stars_stay_in_their_component_and_two_of_them_do_not() {
        for (pattern, name) in [
            ("acme/app", "acme/app"),
            ("acme/*", "acme/app"),
            ("acme/app-*", "acme/app-1"),
            ("acme/*-app-*", "acme/my-app-1"),
            ("acme/**", "acme/app"),
            ("acme/**", "acme/a/b/c"),
            ("*/app", "acme/app"),
            ("**", "app"),
            ("**", "a/b"),
            ("*", "app"),
            ("quay.io/**", "quay.io/example/app-operator"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("acme/app", "acme/app2"),
            ("acme/app", "acme/app/x"),
            ("acme/*", "acme/a/b"),
            ("acme/*", "acme"),
            ("acme/**", "acme"),
            ("acme/**", "acme2/app"),
            ("*", "a/b"),
            ("acme/app-*", "acme/ap"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_can_match_nothing_is_refused() {
        let long = "a/".repeat(200) + "b";
        for bad in [
            "", "/", "a/", "/a", "a//b", "A/b", "a/**/b", "a**", "a/b**", "***", "a b", "a/../b", "[a]",
            &long,
        ] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_star_in_the_first_component_is_wide() {
        for (pattern, wide) in [("**", true), ("*", true), ("a*/b", true), ("a/**", false), ("a/b", false)] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().is_wide(), wide, "{pattern}");
        }
    }

    /// The meaning in its plainest form: try every length for each star.
    fn oracle(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| oracle(rest, &text[n..])),
            Some((byte, rest)) => text.first() == Some(byte) && oracle(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_component_matches_as_the_oracle_says(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            prop_assert_eq!(
                part_matches(pattern.as_bytes(), text.as_bytes()),
                oracle(pattern.as_bytes(), text.as_bytes())
            );
        }

        #[test]
        fn a_name_is_a_pattern_of_itself_and_any_text_is_read_or_refused(
            name in "[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,3}",
            text in any::<String>(),
        ) {
            prop_assert!(matches(&name, &name));
            if let Ok(pattern) = text.parse::<Pattern>() {
                prop_assert_eq!(pattern.as_str(), text);
            }
        }
    }
}
