//! Where the files are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where to look. A test has all of them in one folder.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// Docker's own, with `config.json`.
    pub docker: Option<PathBuf>,
    /// `~/.config`.
    pub config: Option<PathBuf>,
    /// Where podman keeps sign-ins until the machine is switched off.
    pub runtime: Option<PathBuf>,
    /// The file of sign-ins that podman was told to use in place of its own.
    pub auth_file: Option<PathBuf>,
    /// The file that stands for podman's `registries.conf`.
    pub registries: Option<PathBuf>,
    /// `/etc`.
    pub etc: PathBuf,
}

impl Folders {
    /// Those of this user, by the variables that the programs themselves go by: `DOCKER_CONFIG`, `HOME`,
    /// `XDG_CONFIG_HOME`, `XDG_RUNTIME_DIR`, `REGISTRY_AUTH_FILE`, `CONTAINERS_REGISTRIES_CONF`.
    pub fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Folders {
        let path = |name: &str| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME");
        let below = |folder: &str| home.as_ref().map(|home| home.join(folder));
        Folders {
            docker: path("DOCKER_CONFIG").or_else(|| below(".docker")),
            config: path("XDG_CONFIG_HOME").or_else(|| below(".config")),
            runtime: path("XDG_RUNTIME_DIR"),
            auth_file: path("REGISTRY_AUTH_FILE"),
            registries: path("CONTAINERS_REGISTRIES_CONF"),
            etc: PathBuf::from("/etc"),
        }
    }

    /// Docker's `config.json`.
    pub fn docker_config(&self) -> Option<PathBuf> {
        self.docker.as_ref().map(|folder| folder.join("config.json"))
    }

    /// Files with sign-ins, in the order in which they count: Docker's, where ours are kept too, then podman's.
    pub fn sign_ins(&self) -> Vec<PathBuf> {
        let podman = |folder: &PathBuf| folder.join("containers/auth.json");
        let podmans = self.auth_file.clone().into_iter();
        let podmans =
            podmans.chain(self.runtime.as_ref().map(podman)).chain(self.config.as_ref().map(podman));
        self.docker_config().into_iter().chain(podmans).collect()
    }

    /// Folders with one folder of certificates for each registry, in the order in which they count.
    pub(crate) fn certificates(&self) -> Vec<PathBuf> {
        let own = self
            .config
            .iter()
            .flat_map(|config| ["containers/certs.d", "docker/certs.d"].map(|folder| config.join(folder)));
        let all = ["docker/certs.d", "containers/certs.d"].map(|folder| self.etc.join(folder));
        own.chain(all).collect()
    }

    /// The `registries.conf` that counts, and folders with more of it.
    pub(crate) fn registries(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let containers = |folder: &Path| folder.join("containers");
        let own = self.config.as_deref().map(containers);
        let all = containers(&self.etc);
        let files = [self.registries.clone(), own.as_ref().map(|own| own.join("registries.conf"))];
        let files = files.into_iter().flatten().chain([all.join("registries.conf")]).collect();
        let folders = [Some(all), own].into_iter().flatten().map(|folder| folder.join("registries.conf.d"));
        (files, folders.collect())
    }

    /// Files of the Docker daemon, in the order in which they count.
    pub(crate) fn daemon(&self) -> Vec<PathBuf> {
        let own = self.config.iter().map(|config| config.join("docker/daemon.json"));
        own.chain([self.etc.join("docker/daemon.json")]).collect()
    }
}
