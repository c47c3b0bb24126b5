//! What people are told when a registry does not do what they want: docker's words first, then what to do.

use std::error::Error;

use berth_client::{ClientError, CopyError, EgressError, EndError};
use berth_images::Error as StoreError;
use berth_oci::{DOCKER_HUB, ImageReference};

use crate::failure::Failure;
use crate::names;

/// What was to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Bytes of an image come here.
    Pulling,
    /// An image goes to the registry.
    Pushing,
    /// Something is looked at, or deleted.
    Looking,
}

/// The failure of a question about an image.
pub(crate) fn trouble(doing: Doing, image: &ImageReference, error: ClientError) -> Failure {
    let registry = image.registry();
    match error {
        ClientError::NotFound => not_found(image),
        ClientError::Unauthorized { .. } | ClientError::Denied { .. } => refused(doing, image, error),
        error => of_registry(registry, error),
    }
}

fn not_found(image: &ImageReference) -> Failure {
    let name = image.familiar();
    let failure = Failure::other(format!("manifest for {name} not found: manifest unknown"));
    match image.digest() {
        Some(_) => failure,
        None => {
            failure.hint(format!("'berth tags {}' lists the tags that there are", names::repository(image)))
        }
    }
}

/// A registry says no. Most say the same of what they do not have and of what they do not show.
fn refused(doing: Doing, image: &ImageReference, error: ClientError) -> Failure {
    let denied = "denied: requested access to the resource is denied";
    let text = match doing {
        Doing::Pulling | Doing::Looking => format!(
            "pull access denied for {}, repository does not exist or may require 'berth login': {denied}",
            names::repository(image)
        ),
        Doing::Pushing => denied.to_owned(),
    };
    let failure = Failure::other(Refused { text, error });
    match image.registry() {
        DOCKER_HUB => {
            failure.hint("'berth login' signs in at Docker Hub; a name there begins with an account's")
        }
        registry => {
            failure.hint(format!("'berth login {registry}' signs in; who did needs the right to do this"))
        }
    }
}

/// The failure of the local store, in docker's words where it has some.
pub(crate) fn of_store(error: StoreError) -> Failure {
    match error {
        StoreError::NoSuchImage { text } => {
            Failure::other(format!("No such image: {}", names::looked_for(&text)))
                .hint("'berth images' lists what is here")
        }
        StoreError::Name { source, .. } => names::not_a_name(&source),
        StoreError::DigestAsTarget { name } => {
            Failure::other(format!("refusing to create a tag with a digest reference: {name}"))
                .hint("what a digest names is decided by the digest: write NAME:TAG")
        }
        StoreError::InUse { id, names } => Failure::other(format!(
            "conflict: unable to delete {id} (must be forced) - image is referenced in multiple repositories"
        ))
        .hint(format!("its names are {names}; remove some of them, or all of it with --force")),
        error => Failure::other(error),
    }
}

/// The failure of a copy between the registry of an image and this machine.
pub(crate) fn of_copy(doing: Doing, image: &ImageReference, error: CopyError) -> Failure {
    match error {
        CopyError::Source(EndError::Registry(error)) | CopyError::Sink(EndError::Registry(error)) => {
            trouble(doing, image, error)
        }
        CopyError::Source(EndError::NotFound) if doing == Doing::Pulling => not_found(image),
        CopyError::Source(EndError::Other(error)) | CopyError::Sink(EndError::Other(error)) => {
            Failure::other(error)
        }
        CopyError::Platform { wanted, found } => Failure::other(format!(
            "no matching manifest for {wanted} in the manifest list entries"
        ))
        .hint(format!("the image is there for {}: choose one of them by --platform", found.join(", "))),
        error => Failure::other(error),
    }
}

/// The failure of a registry, whatever it was asked.
pub(crate) fn of_registry(registry: &str, error: ClientError) -> Failure {
    let hint = match &error {
        ClientError::Unauthorized { .. } | ClientError::Denied { .. } => {
            Some(format!("'berth login {registry}' signs in"))
        }
        ClientError::Egress(error) => of_connection(registry, error),
        ClientError::TooMany { .. } | ClientError::Resting { .. } => {
            Some(format!("try again later; who is signed in ('berth login {registry}') may often ask more"))
        }
        _ => None,
    };
    let failure = Failure::other(AtRegistry { registry: registry.to_owned(), error });
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn of_connection(registry: &str, error: &EgressError) -> Option<String> {
    let mut cause: Option<&dyn Error> = Some(error);
    let mut is_certificate = false;
    while let Some(error) = cause {
        is_certificate |= error.to_string().contains("certificate");
        cause = error.source();
    }
    is_certificate.then(|| {
        format!(
            "put its authority's certificate into ~/.config/containers/certs.d/{registry}/ca.crt \
             (or Docker's /etc/docker/certs.d); --insecure takes any certificate"
        )
    })
}

/// An error with the registry that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{registry}: {error}")]
struct AtRegistry {
    registry: String,
    #[source]
    error: ClientError,
}

/// Docker's words, and what the registry said as the cause.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Refused {
    text: String,
    #[source]
    error: ClientError,
}
