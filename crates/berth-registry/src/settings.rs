//! What people set of a repository: who may see it, and what is told about it.

use berth_meta::{RepositoryChange, RepositoryRow};

use crate::{Access, Admin, Pull, Registry, RegistryError};

/// Bytes of a description at most: it is one line.
pub const DESCRIPTION_MAX: usize = 250;
/// Bytes of a README at most.
pub const README_MAX: usize = 256 * 1024;

impl Registry {
    /// A repository with what was set of it.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn repository(&self, access: &Access<Pull>) -> Result<RepositoryRow, RegistryError> {
        Ok(self.meta.repository(access.repository()).await?)
    }

    /// Sets something of a repository, and gives what holds now.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::SettingInvalid`].
    pub async fn change_repository(
        &self,
        access: &Access<Admin>,
        set: RepositoryChange,
    ) -> Result<RepositoryRow, RegistryError> {
        if set.description.as_ref().is_some_and(|text| text.len() > DESCRIPTION_MAX || text.contains('\n')) {
            return Err(RegistryError::SettingInvalid {
                what: "a description is one line of at most 250 bytes",
            });
        }
        if set.readme.as_ref().is_some_and(|text| text.len() > README_MAX) {
            return Err(RegistryError::SettingInvalid { what: "a README has at most 256 KiB" });
        }
        if set.is_public.is_some() && access.upstream().is_some() {
            return Err(RegistryError::SettingInvalid {
                what: "who may see an upstream's images is set of the upstream (berth mirror set NAME --visibility)",
            });
        }
        self.meta.change_repository(access.repository(), set, &access.change()).await?;
        Ok(self.meta.repository(access.repository()).await?)
    }
}
