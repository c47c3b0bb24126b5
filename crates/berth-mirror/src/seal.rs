//! Credentials at rest: sealed with a key that the database does not have.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use berth_client::Secret;

/// Bytes of a key.
const KEY: usize = 32;

/// Why something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The file of the key cannot be used.
    #[error("the key file {path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds no key.
    #[error(
        "the key file {path} has to hold exactly {KEY} bytes; restore it from a backup, or remove it and set the passwords of upstreams again"
    )]
    Key {
        /// Which.
        path: PathBuf,
    },
    /// What is sealed was sealed with another key, for something else, or is damaged.
    #[error("the password was stored for another address or with another key; set it again")]
    Broken,
}

/// Seals and opens.
pub struct Sealer(RandomizedNonceKey);

impl Sealer {
    /// Reads the key from a file, or makes one that only its owner can read. It is durable before it is used.
    ///
    /// # Errors
    /// [`SealError::File`], [`SealError::Key`].
    pub fn open(path: &Path) -> Result<Sealer, SealError> {
        let failed = |source| SealError::File { path: path.to_owned(), source };
        let key = match read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => make(path).map_err(failed)?,
            key => key.map_err(failed)?,
        };
        let unusable = || SealError::Key { path: path.to_owned() };
        if key.len() != KEY {
            return Err(unusable());
        }
        RandomizedNonceKey::new(&AES_256_GCM, &key).map(Sealer).map_err(|_| unusable())
    }

    /// Seals a secret for one purpose; it opens for no other.
    ///
    /// # Errors
    /// [`SealError::Broken`] if the machine has no randomness.
    pub(crate) fn seal(&self, secret: &Secret, purpose: &str) -> Result<Vec<u8>, SealError> {
        let mut content = secret.reveal().as_bytes().to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(purpose), &mut content);
        let mut sealed = nonce.map_err(|_| SealError::Broken)?.as_ref().to_vec();
        sealed.append(&mut content);
        Ok(sealed)
    }

    /// Opens what was sealed for this purpose.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub(crate) fn open_secret(&self, sealed: &[u8], purpose: &str) -> Result<Secret, SealError> {
        let (nonce, content) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Broken)?;
        let mut content = content.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(purpose), &mut content);
        let text = opened.map_err(|_| SealError::Broken)?.to_vec();
        Ok(Secret::new(String::from_utf8(text).map_err(|_| SealError::Broken)?))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut key = Vec::with_capacity(KEY);
    // One byte more than a key shows that the file is none.
    File::open(path)?.take(KEY as u64 + 1).read_to_end(&mut key)?;
    Ok(key)
}

fn make(path: &Path) -> io::Result<Vec<u8>> {
    let mut key = vec![0; KEY];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_opens_with_the_same_key_for_the_same_purpose_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let sealed = Sealer::open(&path).unwrap().seal(&Secret::new("geheim"), "quay.io").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"geheim"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Sealer::open(&path).unwrap();
        assert_eq!(again.open_secret(&sealed, "quay.io").unwrap().reveal(), "geheim");
        assert!(matches!(again.open_secret(&sealed, "evil.io"), Err(SealError::Broken)));
        let mut bent = sealed.clone();
        bent[NONCE_LEN] ^= 1;
        assert!(matches!(again.open_secret(&bent, "quay.io"), Err(SealError::Broken)));
        assert!(matches!(again.open_secret(&sealed[..5], "quay.io"), Err(SealError::Broken)));
        let other = Sealer::open(&folder.path().join("other")).unwrap();
        assert!(matches!(other.open_secret(&sealed, "quay.io"), Err(SealError::Broken)));
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for content in [&b"short"[..], &[7; KEY + 1]] {
            std::fs::write(&path, content).unwrap();
            assert!(matches!(Sealer::open(&path), Err(SealError::Key { .. })));
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
    }
}
