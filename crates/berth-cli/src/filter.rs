//! `--filter` of lists and prunes.

use std::str::FromStr;

use berth_images::{Listed, Store};
use berth_oci::{ImageConfig, ImageReference};

use crate::failure::Failure;
use crate::glob::Glob;
use crate::{trouble, units};

/// `KIND=VALUE`, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    kind: String,
    value: String,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let (kind, value) = text.split_once('=').ok_or("bad format of filter (expected name=value)")?;
        Ok(Condition { kind: kind.trim().to_lowercase(), value: value.trim().to_owned() })
    }
}

/// What `berth images` can be asked for.
pub(crate) const OF_IMAGES: &[&str] = &["dangling", "label", "before", "since", "until", "reference"];
/// What `berth prune` can be asked for.
pub(crate) const OF_PRUNE: &[&str] = &["dangling", "label", "label!", "until"];

/// What images have to be like.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) dangling: Option<bool>,
    references: Vec<Glob>,
    labels: Vec<Label>,
    /// Seconds since 1970, before which and after which it was made.
    before: Option<i64>,
    since: Option<i64>,
}

/// A label that has to be there, or not to be there.
#[derive(Debug)]
struct Label {
    key: String,
    value: Option<String>,
    is_wanted: bool,
}

impl Filter {
    /// Reads conditions as docker does: of several references any has to fit, of everything else all.
    ///
    /// # Errors
    /// Those that are not among the `known`, or make no sense, or name an image that there is not.
    pub(crate) fn read(conditions: &[Condition], known: &[&str], store: &Store) -> Result<Filter, Failure> {
        let mut filter = Filter::default();
        for Condition { kind, value } in conditions {
            let invalid = || {
                let known = known.iter().map(|kind| format!("{kind}=…")).collect::<Vec<_>>().join(", ");
                Failure::other(format!("invalid filter '{kind}={value}'")).hint(format!("there are {known}"))
            };
            let created = || {
                let image = store.resolve(value).map_err(trouble::of_store)?;
                Ok::<_, Failure>(units::seconds(&image.created).unwrap_or(i64::MIN))
            };
            match kind.as_str() {
                kind if !known.contains(&kind) => return Err(invalid()),
                "dangling" => filter.dangling = Some(truth(value).ok_or_else(invalid)?),
                "reference" => filter.reference(value)?,
                "before" => filter.end_before(created()?),
                "since" => filter.since = filter.since.max(Some(created()?)),
                "until" => filter.end_before(moment(value)?),
                _ => {
                    let (key, value) = match value.split_once('=') {
                        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                        None => (value.clone(), None),
                    };
                    filter.labels.push(Label { key, value, is_wanted: kind == "label" });
                }
            }
        }
        Ok(filter)
    }

    /// Adds a pattern for names, with or without a tag.
    ///
    /// # Errors
    /// That it cannot be read.
    pub(crate) fn reference(&mut self, pattern: &str) -> Result<(), Failure> {
        // A whole name may be written in its long form.
        let name = pattern.parse::<ImageReference>().ok().map(|name| name.familiar());
        let glob = Glob::read(name.as_deref().unwrap_or(pattern));
        self.references.push(glob.map_err(|error| {
            Failure::other(error)
                .hint("'*' and '?' stand for anything but a slash, and [a-z] for one of them")
        })?);
        Ok(())
    }

    fn end_before(&mut self, moment: i64) {
        self.before = Some(self.before.map_or(moment, |before| before.min(moment)));
    }

    /// Whether an image is like that. Reads its configuration if labels are asked for; one that cannot be read has none.
    pub(crate) fn takes(&self, listed: &Listed, store: &Store) -> bool {
        let time = units::seconds(&listed.image.created).unwrap_or(i64::MIN);
        self.dangling.is_none_or(|wanted| listed.is_dangling() == wanted)
            && self.before.is_none_or(|then| time < then)
            && self.since.is_none_or(|then| time > then)
            && (self.references.is_empty() || self.references.iter().any(|glob| is_called(listed, glob)))
            && (self.labels.is_empty() || self.has_labels(listed, store))
    }

    fn has_labels(&self, listed: &Listed, store: &Store) -> bool {
        let document = store.read_document(&listed.image.id).ok();
        let config = document.and_then(|document| ImageConfig::read(&document)).unwrap_or_default();
        self.labels.iter().all(|Label { key, value, is_wanted }| {
            let fits = |(own, found): &(String, String)| {
                own == key && value.as_ref().is_none_or(|value| value == found)
            };
            config.labels.iter().any(fits) == *is_wanted
        })
    }
}

/// Whether a name fits, by its repository alone or with its tag or digest.
fn is_called(listed: &Listed, glob: &Glob) -> bool {
    let name = listed.name.as_ref().map(ImageReference::familiar);
    [listed.repository(), name, listed.repo_digest()].iter().flatten().any(|text| glob.fits(text))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "1" => Some(true),
        "false" | "False" | "0" => Some(false),
        _ => None,
    }
}

fn moment(text: &str) -> Result<i64, Failure> {
    units::moment(text, units::now()).ok_or_else(|| {
        Failure::other(format!("until={text:?} is no time")).hint(
            "an age such as 24h or 90m, a day such as 2026-01-31, or a time such as 2026-01-31T10:00:00Z",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, known: &[&str]) -> Result<Filter, String> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("images")).unwrap();
        let condition = text.parse::<Condition>()?;
        Filter::read(&[condition], known, &store).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, told) in [
            ("dangling", "bad format of filter (expected name=value)"),
            ("dangling=maybe", "invalid filter 'dangling=maybe'"),
            ("size=1", "invalid filter 'size=1'"),
            ("label!=x", "invalid filter 'label!=x'"),
            ("before=app", "No such image: app:latest"),
            ("until=yesterday", "is no time"),
            ("reference=[", "syntax error in pattern"),
        ] {
            let error = read(text, OF_IMAGES).expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
        assert!(read("reference=app", OF_PRUNE).is_err());
        for text in ["label!=x=y", "label=x", "until=24h", "dangling=0"] {
            assert!(read(text, OF_PRUNE).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_whole_name_may_be_written_long() {
        let filter = read("reference=docker.io/library/app:1", OF_IMAGES).unwrap();
        assert_eq!(filter.references, [Glob::read("app:1").unwrap()]);
    }
}
