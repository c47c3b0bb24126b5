//! Names of images as docker reads them.

use berth_oci::{DOCKER_HUB, ImageReference, ImageReferenceError, Reference, Tag};

use crate::failure::Failure;

/// Reads the name of an image at a registry, by docker's rules. Tag and digest are as they were written.
///
/// # Errors
/// Docker's sentence, and what is wrong with the name.
pub(crate) fn image(text: &str) -> Result<ImageReference, Failure> {
    let read = text.parse::<ImageReference>();
    Ok(read.map_err(|error| not_a_name(&error))?.as_pulled())
}

/// The failure to read a name.
pub(crate) fn not_a_name(error: &ImageReferenceError) -> Failure {
    Failure::other(format!("invalid reference format: {error}")).hint(
        "an image is written [REGISTRY/]NAME[:TAG][@DIGEST], for example alpine:3 or localhost:5000/app",
    )
}

/// What docker looks for when it is asked for a name: `latest`, if no tag is written.
pub(crate) fn looked_for(text: &str) -> String {
    match text.parse::<ImageReference>() {
        Ok(name) if name.tag().is_none() && name.digest().is_none() => format!("{text}:latest"),
        _ => text.to_owned(),
    }
}

/// A registry that was written as an address, without what comes before its host.
pub(crate) fn without_scheme(text: &str) -> &str {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text)
}

/// The image with the tag that it has, or else `latest`; one with a digest needs none.
pub(crate) fn tagged(image: &ImageReference) -> Result<ImageReference, Failure> {
    match (image.tag(), image.digest()) {
        (None, None) => with_tag(image, "latest"),
        _ => Ok(image.clone()),
    }
}

/// The image's repository with another tag.
pub(crate) fn with_tag(image: &ImageReference, tag: &str) -> Result<ImageReference, Failure> {
    format!("{}/{}:{tag}", image.registry(), image.repository()).parse().map_err(Failure::other)
}

/// The image's name without tag and digest, as docker shows it.
pub(crate) fn repository(image: &ImageReference) -> String {
    let familiar = image.familiar();
    let end = image.tag().map(|tag| tag.as_str().len() + 1).unwrap_or_default()
        + image.digest().map(|digest| digest.to_string().len() + 1).unwrap_or_default();
    familiar[..familiar.len() - end].to_owned()
}

/// What the image is asked for by: the digest, else the tag, else `latest`.
pub(crate) fn reference(image: &ImageReference) -> Reference {
    match (image.digest(), image.tag()) {
        (Some(digest), _) => Reference::Digest(digest.clone()),
        (None, Some(tag)) => Reference::Tag(tag.clone()),
        (None, None) => Reference::Tag(latest()),
    }
}

/// A registry as people write it for `login`: nothing is Docker Hub, and an address means its host.
pub(crate) fn host(text: Option<&str>) -> String {
    let text = without_scheme(text.unwrap_or(DOCKER_HUB));
    match text.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        host => host.to_owned(),
    }
}

/// The tag of names without one.
pub(crate) fn latest() -> Tag {
    "latest".parse().expect("it is a tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_read_as_docker_reads_it() {
        for (text, expected) in [
            (None, "docker.io"),
            (Some(""), "docker.io"),
            (Some("docker.io"), "docker.io"),
            (Some("https://index.docker.io/v1/"), "docker.io"),
            (Some("registry-1.docker.io"), "docker.io"),
            (Some("quay.io"), "quay.io"),
            (Some("http://localhost:5000"), "localhost:5000"),
            (Some("https://r.example:5000/v2/"), "r.example:5000"),
            (Some("[::1]:5000"), "[::1]:5000"),
        ] {
            assert_eq!(host(text), expected);
        }
    }
}
