//! What administrators do with upstreams.

use berth_client::Secret;
use berth_registry::{RegistryError, ServerAccess};
use bytes::Bytes;

use crate::mirror::purpose;
use crate::{Mirror, SealError, Settings, SettingsError};

/// Repositories of an upstream that are deleted with it at once.
const REPOSITORIES: usize = 10_000;

/// What becomes of an upstream.
#[derive(Debug, Clone)]
pub struct Change {
    /// All that is set of it.
    pub settings: Settings,
    /// A new password; `None` keeps the one that there is, as long as the address stays.
    pub password: Option<Secret>,
}

/// Why an upstream stays as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManageError {
    /// It cannot be set like that.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A password is for a name, and a name for a password.
    #[error("a user needs a password, and a password a user; give both (--user, --password-stdin)")]
    Half,
    /// There is none of that name.
    #[error("there is no upstream {name}; berth mirror list shows them")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It was not added, so it cannot be removed.
    #[error("{name} is in the configuration (mirror); take it out there")]
    Configured {
        /// The name.
        name: String,
    },
    /// There are own repositories of that name.
    #[error(
        "there are repositories below {name}/ that were pushed here, {example} among them; rename or delete them first, so that every name means one thing"
    )]
    Taken {
        /// The name.
        name: String,
        /// One of them.
        example: String,
    },
    /// The password cannot be kept.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The registry could not.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Mirror {
    /// What is set of an upstream, if there is one of that name.
    pub fn settings(&self, _access: &ServerAccess, name: &str) -> Option<Settings> {
        self.upstream(name).map(|upstream| upstream.settings.clone())
    }

    /// Sets an upstream up, or anew. From then on its names are its.
    ///
    /// # Errors
    /// [`ManageError`]; nothing is changed then.
    pub async fn set_upstream(
        &self,
        access: &ServerAccess,
        name: &str,
        change: Change,
    ) -> Result<Settings, ManageError> {
        let settings = change.settings.complete(name)?;
        let purpose = purpose(name, &settings);
        let before = self.upstream(name);
        if before.is_none()
            && let Some(example) = self.registry().own_repository_below(access, name).await?
        {
            return Err(ManageError::Taken { name: name.to_owned(), example });
        }
        let sealer = &self.shared().sealer;
        let kept = before.and_then(|before| before.sealed.clone());
        let sealed = match &change.password {
            Some(password) => Some(sealer.seal(password, &purpose)?),
            // One that opens no more was for another address.
            None => {
                kept.filter(|sealed| settings.user.is_some() && sealer.open_secret(sealed, &purpose).is_ok())
            }
        };
        if settings.user.is_some() != sealed.is_some() {
            return Err(ManageError::Half);
        }
        let text =
            serde_json::to_string(&settings).map_err(|error| RegistryError::Internal(Box::new(error)))?;
        let (sealed, visibility) = (sealed.map(Bytes::from), settings.visibility());
        self.registry().put_upstream(access, name, text, sealed, visibility).await?;
        self.reload().await?;
        Ok(settings)
    }

    /// Forgets an upstream; with `purge` its images here are deleted as well.
    ///
    /// # Errors
    /// [`ManageError::Unknown`], [`ManageError::Configured`].
    pub async fn remove_upstream(
        &self,
        access: &ServerAccess,
        name: &str,
        purge: bool,
    ) -> Result<usize, ManageError> {
        let upstream = self.upstream(name).ok_or_else(|| ManageError::Unknown { name: name.to_owned() })?;
        if upstream.is_configured {
            return Err(ManageError::Configured { name: name.to_owned() });
        }
        self.registry().remove_upstream(access, name).await?;
        self.reload().await?;
        let mut n_removed = 0;
        if purge {
            n_removed = self.registry().remove_mirrored(access, name, REPOSITORIES).await?;
        }
        Ok(n_removed)
    }
}
