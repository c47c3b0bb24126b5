//! `registries.conf` of podman, buildah, skopeo and CRI-O: where images really are, and by which mirrors.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{ConfigError, Folders};

/// What `registries.conf` and the files beside it say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registries {
    tables: Vec<Table>,
    /// Registries in which names without one are looked for.
    pub search: Vec<String>,
}

/// How an image is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Whether images of that name must not be pulled.
    pub blocked: bool,
    /// Where to ask, in this order: mirrors first.
    pub endpoints: Vec<Endpoint>,
}

/// One place where an image may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name there: `m.example:5000/hub/library/alpine`.
    pub name: String,
    /// Whether it may be spoken to without TLS, or with any certificate.
    pub insecure: bool,
    /// Whether it is a mirror.
    pub mirror: bool,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(rename = "unqualified-search-registries")]
    search: Option<Vec<String>>,
    #[serde(default)]
    registry: Vec<Table>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    prefix: Option<String>,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    pull_from_mirror: Option<When>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum When {
    #[serde(alias = "")]
    All,
    DigestOnly,
    TagOnly,
}

impl Registries {
    /// Reads the user's `registries.conf`, or that of the system, and what lies in the folders beside it.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Damaged`].
    pub fn read(folders: &Folders) -> Result<Registries, ConfigError> {
        let (files, more) = folders.registries();
        let mut all = Registries::default();
        for path in files {
            if let Some(file) = read(&path)? {
                all.add(file);
                break;
            }
        }
        for path in drop_ins(&more)? {
            if let Some(file) = read(&path)? {
                all.add(file);
            }
        }
        Ok(all)
    }

    /// What was read later counts.
    fn add(&mut self, file: File) {
        self.search = file.search.unwrap_or(std::mem::take(&mut self.search));
        for table in file.registry.into_iter().filter(|table| !table.prefix().is_empty()) {
            self.tables.retain(|known| known.prefix() != table.prefix());
            self.tables.push(table);
        }
    }

    /// How an image (`docker.io/library/alpine`) is pulled, by its digest or by a tag.
    pub fn pull(&self, name: &str, by_digest: bool) -> Route {
        let own = Endpoint { name: name.to_owned(), insecure: false, mirror: false };
        let Some((table, rest)) = self.table(name) else {
            return Route { blocked: false, endpoints: vec![own] };
        };
        let mirrors = table.mirror.iter().filter(|mirror| {
            let usual = if table.mirror_by_digest_only { When::DigestOnly } else { When::All };
            match mirror.pull_from_mirror.unwrap_or(usual) {
                When::All => true,
                When::DigestOnly => by_digest,
                When::TagOnly => !by_digest,
            }
        });
        let mirrors = mirrors.map(|mirror| Endpoint {
            name: format!("{}{rest}", mirror.location.trim_end_matches('/')),
            insecure: mirror.insecure,
            mirror: true,
        });
        let last = Endpoint { name: table.located(name, rest), insecure: table.insecure, mirror: false };
        Route { blocked: table.blocked, endpoints: mirrors.chain([last]).collect() }
    }

    /// Whether a registry, or the place of an image, may be spoken to without TLS or with any certificate.
    pub fn is_insecure(&self, name: &str) -> bool {
        self.table(name).is_some_and(|(table, _)| table.insecure)
    }

    /// The table for a name, the one with the longest prefix, and what is behind the prefix.
    fn table<'a>(&self, name: &'a str) -> Option<(&Table, &'a str)> {
        let fits = self.tables.iter().filter_map(|table| Some((table, table.fits(name)?)));
        fits.max_by_key(|(table, _)| table.prefix().len())
    }
}

impl Table {
    fn prefix(&self) -> &str {
        self.prefix.as_deref().filter(|prefix| !prefix.is_empty()).unwrap_or(&self.location)
    }

    /// What is behind the prefix, if the name begins with it.
    fn fits<'a>(&self, name: &'a str) -> Option<&'a str> {
        let prefix = self.prefix();
        if let Some(domain) = prefix.strip_prefix("*.") {
            let host = name.split('/').next().unwrap_or_default();
            let bare = host.split(':').next().unwrap_or_default();
            let below = bare.strip_suffix(domain)?.strip_suffix('.')?;
            return (!below.is_empty()).then(|| &name[host.len()..]);
        }
        let rest = name.strip_prefix(prefix)?;
        (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(rest)
    }

    /// The name at its own place. A domain with all below it has no one place.
    fn located(&self, name: &str, rest: &str) -> String {
        match self.location.trim_end_matches('/') {
            "" => name.to_owned(),
            location => format!("{location}{rest}"),
        }
    }
}

fn read(path: &Path) -> Result<Option<File>, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        text => text.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?,
    };
    let file = toml::from_str(&text);
    file.map(Some).map_err(|error: toml::de::Error| ConfigError::Damaged {
        path: path.to_owned(),
        what: error.message().to_owned(),
    })
}

/// The files of these folders, in the order of their names; a name counts once, and the later folder's file is it.
fn drop_ins(folders: &[PathBuf]) -> Result<Vec<PathBuf>, ConfigError> {
    let mut found = std::collections::BTreeMap::new();
    for folder in folders {
        let unread = |source| ConfigError::Read { path: folder.clone(), source };
        let entries = match std::fs::read_dir(folder) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            entries => entries.map_err(unread)?,
        };
        for entry in entries {
            let path = entry.map_err(unread)?.path();
            if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|it| it == "conf")) {
                found.insert(name.to_owned(), path.clone());
            }
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests;
