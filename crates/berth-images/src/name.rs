//! Names of local images: a registry, a repository, and either a tag or a digest.

use std::fmt::Display;

use berth_oci::{Digest, ImageReference};

use crate::Error;

/// Reads a name as docker does: `latest` where nothing is written, and a digest decides over a tag.
pub(crate) fn canonical(text: &str) -> Result<ImageReference, Error> {
    let name = text.parse::<ImageReference>();
    name.map(|name| canonical_of(&name)).map_err(|source| Error::Name { text: text.to_owned(), source })
}

/// The name with a tag or a digest, and not both.
pub(crate) fn canonical_of(name: &ImageReference) -> ImageReference {
    match (name.tag(), name.digest()) {
        (_, Some(digest)) => by_digest(name, digest),
        (Some(_), None) => name.clone(),
        (None, None) => build(name, ':', "latest"),
    }
}

/// `repository@digest` for the repository of a name.
pub(crate) fn by_digest(name: &ImageReference, digest: &Digest) -> ImageReference {
    build(name, '@', digest)
}

pub(crate) fn is_same_repository(one: &ImageReference, other: &ImageReference) -> bool {
    one.registry() == other.registry() && one.repository() == other.repository()
}

/// The repository of a name in its short form.
pub(crate) fn familiar_repository(name: &ImageReference) -> String {
    let short = name.familiar();
    let end = match (name.digest(), name.tag()) {
        (Some(digest), _) => short.len() - digest.to_string().len() - 1,
        (None, Some(tag)) => short.len() - tag.as_str().len() - 1,
        (None, None) => short.len(),
    };
    short[..end].to_owned()
}

fn build(name: &ImageReference, mark: char, end: impl Display) -> ImageReference {
    let text = format!("{}/{}{mark}{end}", name.registry(), name.repository());
    // The parts were checked when the name was read; one at the limit of the whole length stays as it is.
    text.parse().unwrap_or_else(|_| name.clone())
}
