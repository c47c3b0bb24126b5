//! Which image a text means, by the rules of docker.

use std::collections::BTreeSet;

use berth_oci::{Digest, ImageReference};

use crate::store::Listed;
use crate::{Error, name};

/// Finds the image: an id that is whole, else a name, else the beginning of an id.
pub(crate) fn find<'a>(images: &'a [Listed], text: &str) -> Result<&'a Listed, Error> {
    let missing = || Error::NoSuchImage { text: text.to_owned() };
    if let Some(id) = whole_id(text) {
        let by_id = images.iter().find(|listed| listed.image.id == id);
        let by_manifest = || images.iter().find(|listed| listed.image.descriptor.digest == id);
        return by_id.or_else(by_manifest).ok_or_else(missing);
    }
    let name = name::canonical(text);
    let by_name = name.as_ref().ok().and_then(|name| images.iter().find(|listed| is_called(listed, name)));
    if let Some(found) = by_name {
        return Ok(found);
    }
    if let Some(begin) = begin_of_id(text) {
        let begins = |listed: &&Listed| listed.image.id.hex().starts_with(begin);
        let ids: BTreeSet<_> = images.iter().filter(begins).map(|listed| &listed.image.id).collect();
        match ids.len() {
            0 => {}
            1 => return images.iter().find(begins).ok_or_else(missing),
            count => return Err(Error::Ambiguous { text: text.to_owned(), count }),
        }
        return Err(missing());
    }
    name.and_then(|_| Err(missing()))
}

/// Whether an image has the name, or by `repository@digest` the digest and a name in the repository.
pub(crate) fn is_called(listed: &Listed, name: &ImageReference) -> bool {
    let Some(own) = &listed.name else { return false };
    match name.digest() {
        Some(digest) => listed.image.descriptor.digest == *digest && name::is_same_repository(own, name),
        None => own == name,
    }
}

/// `sha256:…`, or the 64 digits alone.
fn whole_id(text: &str) -> Option<Digest> {
    text.parse().ok().or_else(|| format!("sha256:{text}").parse().ok())
}

fn begin_of_id(text: &str) -> Option<&str> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = !hex.is_empty() && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then_some(hex)
}
