//! `--filter` of `berth images`.

use berth_images::{Listed, Store};

use crate::failure::Failure;
use crate::units;

/// What images have to be like.
#[derive(Debug, Default)]
pub(super) struct Filter {
    dangling: Option<bool>,
    references: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    before: Option<u64>,
    since: Option<u64>,
}

impl Filter {
    /// Reads filters as docker does: of several of one kind any has to fit, of several kinds all.
    pub(super) fn read(filters: &[String], images: &[Listed]) -> Result<Filter, Failure> {
        let mut read = Filter::default();
        for filter in filters {
            let (kind, value) = filter.split_once('=').ok_or_else(|| {
                Failure::other(format!("invalid filter {filter:?}")).hint("a filter is written KIND=VALUE")
            })?;
            match (kind, value) {
                ("dangling", "true" | "1") => read.dangling = Some(true),
                ("dangling", "false" | "0") => read.dangling = Some(false),
                ("reference", pattern) => read.references.push(pattern.to_owned()),
                ("label", label) => read.labels.push(match label.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (label.to_owned(), None),
                }),
                ("before", image) => read.before = Some(created(images, image)?),
                ("since", image) => read.since = Some(created(images, image)?),
                _ => {
                    return Err(Failure::other(format!("invalid filter {filter:?}")).hint(
                        "there are dangling=true|false, reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE",
                    ));
                }
            }
        }
        Ok(read)
    }

    pub(super) fn takes(&self, listed: &Listed, store: &Store) -> bool {
        let time = units::seconds(&listed.image.created).unwrap_or_default();
        self.dangling.is_none_or(|wanted| listed.is_dangling() == wanted)
            && self.before.is_none_or(|then| time < then)
            && self.since.is_none_or(|then| time > then)
            && (self.references.is_empty()
                || self.references.iter().any(|pattern| is_called(listed, pattern)))
            && (self.labels.is_empty() || self.has_labels(listed, store))
    }

    /// An image whose configuration cannot be read has no labels.
    fn has_labels(&self, listed: &Listed, store: &Store) -> bool {
        let Ok(inspected) = store.inspect(&listed.image.id.to_string()) else { return false };
        let labels = &inspected.config["Labels"];
        self.labels.iter().all(|(key, value)| match (labels[key.as_str()].as_str(), value) {
            (Some(found), Some(value)) => found == value,
            (found, None) => found.is_some(),
            (None, Some(_)) => false,
        })
    }
}

fn created(images: &[Listed], text: &str) -> Result<u64, Failure> {
    let name = text.parse::<berth_oci::ImageReference>().ok();
    let is_named = |listed: &&Listed| {
        let own = listed.name.as_ref().map(berth_oci::ImageReference::familiar);
        let called =
            name.as_ref().and_then(|name| crate::names::tagged(name).ok()).map(|name| name.familiar());
        (own.is_some() && own == called)
            || listed.image.id.hex().starts_with(text.trim_start_matches("sha256:"))
    };
    let found = images.iter().find(is_named).and_then(|listed| units::seconds(&listed.image.created));
    found.ok_or_else(|| {
        Failure::other(format!("No such image: {text}")).hint("'berth images' lists what is here")
    })
}

/// Whether a name fits a pattern, with or without its tag.
fn is_called(listed: &Listed, pattern: &str) -> bool {
    let Some(name) = &listed.name else { return false };
    let repository = crate::names::repository(name);
    matches(pattern, &repository) || matches(pattern, &name.familiar())
}

/// Go's `path.Match` without its sets: `*` and `?` stand for anything but a slash.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = &pattern[1..];
            let end = text.find('/').unwrap_or(text.len());
            (0..=end).filter(|place| text.is_char_boundary(*place)).any(|place| matches(rest, &text[place..]))
        }
        (Some(wanted), Some(found)) if wanted == found || (wanted == '?' && found != '/') => {
            matches(&pattern[wanted.len_utf8()..], &text[found.len_utf8()..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_do_not_pass_slashes() {
        for (pattern, text, fits) in [
            ("app", "app", true),
            ("ap*", "app", true),
            ("*/app", "team/app", true),
            ("*", "team/app", false),
            ("localhost:5000/*:1.?", "localhost:5000/app:1.9", true),
            ("a?p", "a/p", false),
            ("app*", "ap", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn other_filters_are_refused() {
        for filter in ["dangling", "dangling=maybe", "size=1", "before=app"] {
            assert!(Filter::read(&[filter.to_owned()], &[]).is_err(), "{filter}");
        }
    }
}
