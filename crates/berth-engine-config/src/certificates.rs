//! `certs.d`: certificates for one registry each, as Docker and podman look for them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{ConfigError, Folders};

/// Certificates for a registry, in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Of authorities that are believed for it (`*.crt`).
    pub authorities: Vec<PathBuf>,
    /// Our own, to be shown to it, and the key (`NAME.cert`, `NAME.key`).
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Finds the certificates for a registry (`r.example:5000`): all authorities, and the first of our own.
///
/// # Errors
/// [`ConfigError::Read`] for a folder that cannot be read, [`ConfigError::Damaged`] for one of our own without its key.
pub fn certificates(folders: &Folders, registry: &str) -> Result<Certificates, ConfigError> {
    let mut found = Certificates::default();
    // It is a name of a folder, not a way to one.
    if registry.contains('/') || matches!(registry, "" | "." | "..") {
        return Ok(found);
    }
    for folder in folders.certificates() {
        for file in files(&folder.join(registry))? {
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => found.authorities.push(file),
                Some("cert") if found.identity.is_none() => {
                    let key = file.with_extension("key");
                    if !key.is_file() {
                        let what = "the key to this certificate is missing beside it".to_owned();
                        return Err(ConfigError::Damaged { path: file, what });
                    }
                    found.identity = Some((file, key));
                }
                _ => (),
            }
        }
    }
    Ok(found)
}

/// The files of a folder in the order of their names; none if there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let unread = |source| ConfigError::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(unread)?,
    };
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unread)?;
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn authorities_of_all_places_and_the_first_of_our_own_are_found() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders {
            etc: root.path().join("etc"),
            config: Some(root.path().join("config")),
            ..Folders::default()
        };
        let put = |path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        assert_eq!(certificates(&folders, "r.example:5000").unwrap(), Certificates::default());
        let own = put("config/containers/certs.d/r.example:5000/ca.crt");
        let cert = put("etc/docker/certs.d/r.example:5000/client.cert");
        let key = put("etc/docker/certs.d/r.example:5000/client.key");
        let other = put("etc/docker/certs.d/r.example:5000/b.crt");
        put("etc/docker/certs.d/r.example/ca.crt");
        put("etc/docker/certs.d/r.example:5000/readme.txt");
        let found = certificates(&folders, "r.example:5000").unwrap();
        assert_eq!(
            found,
            Certificates { authorities: vec![own, other], identity: Some((cert, key.clone())) }
        );
        for way in ["..", ".", "", "../certs.d/r.example"] {
            assert_eq!(certificates(&folders, way).unwrap(), Certificates::default(), "{way}");
        }
        fs::remove_file(key).unwrap();
        let error = certificates(&folders, "r.example:5000").unwrap_err();
        assert!(error.to_string().contains("client.cert"), "{error}");
    }
}
