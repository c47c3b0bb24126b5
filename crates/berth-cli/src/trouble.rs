//! What people are told when a registry does not do what they want: docker's words first, then what to do.

use berth_client::{ClientError, CopyError, EndError};
use berth_images::{Error as StoreError, Image, Store};
use berth_oci::{DOCKER_HUB, ImageReference};

use crate::failure::Failure;
use crate::names;

mod registry;

pub(crate) use registry::{of_registry, unfound};

/// What registries say of somebody who did not sign in.
const REQUIRED: &str = "authentication required";

/// What was to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Bytes of an image come here.
    Pulling,
    /// An image goes to the registry.
    Pushing,
    /// Something is looked at.
    Looking,
    /// Something is deleted at the registry.
    Deleting,
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
    const DENIED: &str = "denied: requested access to the resource is denied";
    let message = match error {
        ClientError::Unauthorized { is_wrong: false, message } | ClientError::Denied { message } => message,
        error => return of_registry(image.registry(), error),
    };
    let mut text = match doing {
        Doing::Pulling | Doing::Looking => format!(
            "pull access denied for {}, repository does not exist or may require 'berth login': {DENIED}",
            names::repository(image)
        ),
        Doing::Pushing | Doing::Deleting => DENIED.to_owned(),
    };
    // Most say what was said already.
    if let Some(message) = message.filter(|message| !text.contains(message) && message != REQUIRED) {
        text.push_str(&format!(" (the registry says: {message})"));
    }
    Failure::other(text).hint(match image.registry() {
        DOCKER_HUB => {
            "'berth login' signs in at Docker Hub; a name there begins with an account's".to_owned()
        }
        registry => format!("'berth login {registry}' signs in; who did needs the right to do this"),
    })
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

/// Whether a copy to a registry may have failed since the image of this machine is damaged.
pub(crate) fn is_suspect(error: &CopyError) -> bool {
    match error {
        CopyError::Source(_) | CopyError::Sink(EndError::Content(_) | EndError::Other(_)) => true,
        CopyError::Sink(EndError::Registry(error)) => {
            matches!(error, ClientError::Refused { .. } | ClientError::Digest { .. })
        }
        _ => false,
    }
}

/// The failure of what was done with an image of this machine: that it is damaged, if it is. Nobody looks before, since
/// that costs as much as to copy it.
pub(crate) async fn of_image(store: &Store, image: &Image, failure: Failure) -> Failure {
    let (store, image) = (store.clone(), image.clone());
    match tokio::task::spawn_blocking(move || store.check(&image)).await {
        Ok(Err(error @ (StoreError::Damaged { .. } | StoreError::Missing { .. }))) => of_store(error),
        _ => failure,
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

#[cfg(test)]
mod tests;
