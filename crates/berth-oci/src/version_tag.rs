//! Tags that are versions, and the shorter tags that float with the newest of them.

use crate::Tag;

/// A tag that names a full release version: `1.9.2`, `v1.9.2`, `1.9.2-alpine`.
///
/// The grammar is narrow on purpose, since a wrong guess would move a tag that people deploy from: three numbers without
/// leading zeros, an optional `v` before them, and an optional variant behind them that begins with a letter. What looks
/// like a pre-release (`-rc.1`, `-beta`, `-4-gdeadbee`, anything that begins with a digit) is none of it. Build metadata
/// (`+5`) cannot stand in a tag; the `_5` that some tools write for it is no version either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTag {
    prefix: &'static str,
    numbers: [u64; 3],
    variant: Box<str>,
}

/// A shorter tag that follows versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `1.9`: the newest patch of a minor version.
    Minor,
    /// `1`: the newest minor version of a major one.
    Major,
    /// `latest`, or the bare variant: the newest of all.
    Latest,
}

impl Level {
    /// All, from the nearest to the furthest.
    pub const ALL: [Level; 3] = [Level::Minor, Level::Major, Level::Latest];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Minor => "minor",
            Level::Major => "major",
            Level::Latest => "latest",
        }
    }
}

impl std::str::FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Level, LevelError> {
        let level = Level::ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| LevelError { found: text.chars().take(40).collect() })
    }
}

/// Why a text is not a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of minor, major, latest")]
pub struct LevelError {
    found: String,
}

/// Beginnings of a suffix that mean "not released yet".
const UNRELEASED: [&str; 21] = [
    "a", "alpha", "b", "beta", "c", "canary", "cr", "dev", "ea", "edge", "eap", "m", "next", "nightly", "pr",
    "pre", "preview", "rc", "snapshot", "test", "unstable",
];

impl VersionTag {
    /// Reads a tag as a full release version; `None` if it is not certainly one.
    pub fn of(tag: &Tag) -> Option<VersionTag> {
        let text = tag.as_str();
        let (prefix, rest) = text.strip_prefix('v').map_or(("", text), |rest| ("v", rest));
        let (core, variant) = rest.split_once('-').map_or((rest, ""), |(core, variant)| (core, variant));
        let mut numbers = core.split('.').map(number);
        let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let has_more = numbers.next().is_some();
        let is_release = rest.len() == core.len() || is_variant(variant);
        (!has_more && is_release).then(|| VersionTag {
            prefix,
            numbers: [major, minor, patch],
            variant: variant.into(),
        })
    }

    /// Whether a tag has the form of one that follows versions: `latest`, `1`, `v1.9`, `1.9-alpine`. A bare variant has no
    /// form of its own.
    pub fn is_floating_form(tag: &Tag) -> bool {
        let text = tag.as_str();
        let text = text.strip_prefix('v').unwrap_or(text);
        let (core, variant) = text.split_once('-').unwrap_or((text, ""));
        let is_short = core.split('.').count() <= 2 && core.split('.').all(|part| number(part).is_some());
        tag.as_str() == "latest" || is_short && (variant.is_empty() || is_variant(variant))
    }

    /// Major, minor and patch.
    pub fn numbers(&self) -> [u64; 3] {
        self.numbers
    }

    /// What stands behind the numbers, such as `alpine`; empty for the plain image. Versions are compared within it.
    pub fn variant(&self) -> &str {
        &self.variant
    }

    /// The tag that follows this version at a level.
    pub fn floating(&self, level: Level) -> Option<Tag> {
        let [major, minor, _] = self.numbers;
        let VersionTag { prefix, variant, .. } = self;
        let short = match level {
            Level::Minor => format!("{prefix}{major}.{minor}"),
            Level::Major => format!("{prefix}{major}"),
            Level::Latest if variant.is_empty() => "latest".to_owned(),
            // `1.0.0-latest` must not take the tag of the plain image.
            Level::Latest if **variant == *"latest" => return None,
            Level::Latest => return variant.parse().ok(),
        };
        if variant.is_empty() { short.parse().ok() } else { format!("{short}-{variant}").parse().ok() }
    }
}

/// A number as semantic versions write it. Eighteen digits fit into every integer on the way.
fn number(text: &str) -> Option<u64> {
    let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_padded = text.len() > 1 && text.starts_with('0');
    if is_number && !is_padded { text.parse().ok() } else { None }
}

/// Whether a suffix names a variant of a release: `alpine3.20`, `slim-bookworm`, `windowsservercore-ltsc2022`.
fn is_variant(suffix: &str) -> bool {
    let begins_well = suffix.starts_with(|c: char| c.is_ascii_alphabetic());
    begins_well && !suffix.split(['-', '.', '_']).any(|word| is_unreleased(word) || is_commit(word))
}

/// `rc`, `rc1`, `RC2`, but not `rclone`.
fn is_unreleased(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
    UNRELEASED.contains(&letters.as_str())
}

/// What version control makes of commits between releases: `gdeadbee`, `3f2a91c`.
fn is_commit(word: &str) -> bool {
    let hex = word.strip_prefix('g').unwrap_or(word);
    hex.len() >= 7
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        && hex.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<VersionTag> {
        VersionTag::of(&text.parse().unwrap())
    }

    fn floats(text: &str) -> Vec<String> {
        let version = read(text);
        let floats = Level::ALL.iter().filter_map(|level| version.as_ref()?.floating(*level));
        floats.map(|tag| tag.to_string()).collect()
    }

    #[test]
    fn a_release_has_three_tags_that_follow_it() {
        assert_eq!(floats("1.9.2"), ["1.9", "1", "latest"]);
        assert_eq!(floats("v1.9.2"), ["v1.9", "v1", "latest"]);
        assert_eq!(floats("1.9.2-alpine"), ["1.9-alpine", "1-alpine", "alpine"]);
        assert_eq!(floats("0.0.0"), ["0.0", "0", "latest"]);
        assert_eq!(floats("1.9.2-slim-bookworm"), ["1.9-slim-bookworm", "1-slim-bookworm", "slim-bookworm"]);
        assert_eq!(floats("1.9.2-alpine3.20"), ["1.9-alpine3.20", "1-alpine3.20", "alpine3.20"]);
        assert_eq!(floats("1.9.2-latest"), ["1.9-latest", "1-latest"]);
    }

    #[test]
    fn what_is_not_certainly_a_release_moves_nothing() {
        for text in [
            "2.0.0-rc.1",
            "2.0.0-rc1",
            "2.0.0-RC1",
            "2.0.0-alpha",
            "2.0.0-beta.2",
            "2.0.0-alpine-rc1",
            "2.0.0-b1",
            "2.0.0-m3",
            "2.0.0-SNAPSHOT",
            "2.0.0-dev",
            "2.0.0-nightly.20260101",
            "2.0.0-1",
            "2.0.0-4-gdeadbee1",
            "2.0.0-gdeadbee1",
            "2.0.0-3f2a91c",
            "2.0.0-",
            "2.0.0_5",
            "2.0.0-_x",
            "1.9",
            "1",
            "latest",
            "v1",
            "1.9.2.1",
            "01.9.2",
            "1.09.2",
            "2026.01.15",
            "1..2",
            "v",
            "1.9.x",
            "V1.9.2",
            "vv1.9.2",
            "1.9.9999999999999999999",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn words_that_only_begin_like_a_pre_release_are_variants() {
        for variant in ["alpine", "rclone", "previewer", "arm64", "debug", "ubi9", "distroless", "fat"] {
            assert!(read(&format!("1.2.3-{variant}")).is_some(), "{variant}");
        }
    }

    #[test]
    fn floating_tags_are_known_by_their_form() {
        for (text, floats) in [
            ("latest", true),
            ("1", true),
            ("v1.9", true),
            ("1.9-alpine", true),
            ("1.9.2", false),
            ("main", false),
            ("v", false),
            ("pr-1", false),
            ("1.9-rc1", false),
            ("alpine", false),
            ("2026-11-26", false),
        ] {
            assert_eq!(VersionTag::is_floating_form(&text.parse().unwrap()), floats, "{text}");
        }
    }

    proptest! {
        #[test]
        fn floating_tags_are_shorter_and_never_versions_themselves(text in "v?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-[a-z0-9.-]{0,12})?") {
            let Ok(tag) = text.parse::<Tag>() else { return Ok(()) };
            if let Some(version) = VersionTag::of(&tag) {
                for level in [Level::Minor, Level::Major] {
                    let float = version.floating(level).unwrap();
                    prop_assert!(float.as_str().len() < text.len());
                    prop_assert!(VersionTag::is_floating_form(&float));
                    prop_assert_eq!(VersionTag::of(&float), None);
                }
            }
        }
    }
}
