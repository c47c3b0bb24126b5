//! What a command runs in: the folders of its user, and whoever reads what it prints.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use berth_client::Proxies;
use berth_engine_config::Folders;
use berth_images::Store;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// The variable that names the folder of local images.
const IMAGES: &str = "BERTH_IMAGES";

/// Where a command runs.
#[derive(Debug, Clone)]
pub struct Environment {
    /// What Docker and podman were told.
    pub(crate) folders: Folders,
    /// The folder of local images; `None` if nobody knows where the user's files are.
    images: Option<PathBuf>,
    /// Whether people see what goes to standard error as it comes.
    pub(crate) is_watched: bool,
    /// Whether colours are welcome there.
    pub(crate) is_colored: bool,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Environment {
        let is_watched = io::stderr().is_terminal();
        let get = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Environment {
            folders: Folders::from_variables(get),
            images: images(get),
            is_watched,
            // https://no-color.org
            is_colored: is_watched && get("NO_COLOR").is_none(),
        }
    }

    /// The store of local images.
    ///
    /// # Errors
    /// That it cannot be opened, or that nobody knows where it is.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        let Some(folder) = &self.images else {
            return Err(Failure::other("there is no folder for images, since HOME is not set")
                .hint(format!("{IMAGES}=FOLDER says where they are")));
        };
        Store::open(folder).map_err(|error| {
            Failure::other(error).hint(format!("{IMAGES}=FOLDER names another folder for images"))
        })
    }

    /// The proxies on the way out.
    pub(crate) fn proxies(&self) -> Result<Proxies, Failure> {
        Proxies::from_variables(|name| std::env::var(name).ok()).map_err(Failure::other)
    }

    /// Does what waits for others.
    pub(crate) fn wait_for<T>(&self, doing: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        runtime()?.block_on(doing)
    }

    /// Does what waits for others, and gives up at Ctrl-C and SIGTERM, so that the caller can tidy up.
    pub(crate) fn wait_unless_stopped<T>(
        &self,
        doing: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        /// What waits for a disk is not waited for much longer: the process ends anyway.
        const PATIENCE: Duration = Duration::from_secs(1);
        let runtime = runtime()?;
        let done = runtime.block_on(async {
            let (mut interrupt, mut terminate) =
                (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            tokio::select! {
                done = doing => done.map(Some),
                _ = interrupt.recv() => Ok(None),
                _ = terminate.recv() => Ok(None),
            }
        })?;
        if done.is_none() {
            runtime.shutdown_timeout(PATIENCE);
        }
        done.ok_or_else(Failure::stopped)
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// `$BERTH_IMAGES`, else a folder where programs keep what is the user's (XDG Base Directory Specification).
fn images(get: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let data = || get("XDG_DATA_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || get("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    get(IMAGES).map(PathBuf::from).or_else(|| Some(data().or_else(home)?.join("berth/images")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_lie_with_what_is_the_users() {
        let found = |variables: &[(&str, &str)]| {
            images(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        let home = ("HOME", "/home/ann");
        for (variables, folder) in [
            (&[home][..], "/home/ann/.local/share/berth/images"),
            (&[home, ("XDG_DATA_HOME", "/data")], "/data/berth/images"),
            (&[home, ("XDG_DATA_HOME", "data")], "/home/ann/.local/share/berth/images"),
            (&[home, ("XDG_DATA_HOME", "/data"), (IMAGES, "/images")], "/images"),
        ] {
            assert_eq!(found(variables), Some(PathBuf::from(folder)));
        }
        assert_eq!(found(&[]), None);
    }
}
