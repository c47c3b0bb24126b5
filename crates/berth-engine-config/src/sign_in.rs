//! What proves who somebody is at a registry, wherever it is kept.

use std::path::PathBuf;

use berth_oci::Secret;

use crate::{ConfigError, DockerConfig, Folders};

/// A sign-in as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// A name and a password, or a token that stands for it.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// What the registry gave in place of the password.
    IdentityToken {
        /// The name, if it was kept.
        user: String,
        /// The token.
        token: Secret,
    },
}

/// Finds the sign-in for an image (`r.example/team/app`) or a registry (`r.example`), and the file that has it or names
/// who does. Keys for a namespace count before those for the registry, and Docker's file before podman's.
///
/// # Errors
/// [`ConfigError`]: somebody who signed in is not made a stranger because a file is damaged.
pub fn find(folders: &Folders, name: &str) -> Result<Option<(SignIn, PathBuf)>, ConfigError> {
    for path in folders.sign_ins() {
        if let Some(found) = DockerConfig::read(&path)?.sign_in(name)? {
            return Ok(Some((found, path)));
        }
    }
    Ok(None)
}
