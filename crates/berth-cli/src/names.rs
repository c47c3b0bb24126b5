//! Names of images as docker reads them.

use berth_oci::{ImageReference, Reference, Tag};

use crate::failure::Failure;

/// Reads the name of an image at a registry, by docker's rules. Tag and digest are as they were written.
///
/// # Errors
/// Docker's sentence, and what is wrong with the name.
pub(crate) fn image(text: &str) -> Result<ImageReference, Failure> {
    let read = text.parse::<ImageReference>();
    let read = read.map_err(|error| {
        Failure::other(format!("invalid reference format: {error}")).hint(
            "an image is written [REGISTRY/]NAME[:TAG][@DIGEST], for example alpine:3 or localhost:5000/app",
        )
    })?;
    Ok(read.as_pulled())
}

/// What the image is asked for by: the digest, else the tag, else `latest`.
pub(crate) fn reference(image: &ImageReference) -> Reference {
    match (image.digest(), image.tag()) {
        (Some(digest), _) => Reference::Digest(digest.clone()),
        (None, Some(tag)) => Reference::Tag(tag.clone()),
        (None, None) => Reference::Tag(latest()),
    }
}

/// The tag of names without one.
pub(crate) fn latest() -> Tag {
    "latest".parse().expect("it is a tag")
}
