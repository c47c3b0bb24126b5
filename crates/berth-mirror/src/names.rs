//! Which name is whose.
//!
//! | where it is asked | what is asked | what is meant |
//! |---|---|---|
//! | anywhere | with `?ns=` of an upstream | that upstream's image |
//! | anywhere | with another `?ns=` | nothing |
//! | anywhere | a name whose first part is an upstream | that upstream's image |
//! | main listener | any other name | an own repository |
//! | mirror listener | any other name | Docker Hub's image |
//!
//! At the mirror listener only public upstreams count: for a private one it is as if there were none of that name.
//!
//! So no name means two things at one place, and nothing that somebody may push can take the place of something that an
//! upstream has: below an upstream's name nobody can push, and the mirror listener shows no own repository. What was
//! pushed below `quay.io/` before there was an upstream of that name stays an own repository for who asks by its name;
//! who asks with `?ns=` is told that there is nothing, and goes to the upstream himself.

use berth_oci::RepositoryName;

use crate::{Mirror, MirrorError};
use berth_oci::DOCKER_HUB as HUB;

/// Where somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entrance {
    /// The listener of the registry.
    #[default]
    Main,
    /// The listener for clients that take this server for Docker Hub.
    Mirror,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// An own repository, if there is one.
    Own(RepositoryName),
    /// An image of an upstream, by the name of its repository here.
    Upstream(RepositoryName),
}

impl Mirror {
    /// What a name means that was asked for at `entrance`, with `?ns=` if there was one. `own` is what the client calls
    /// this server: an `ns` of that name says nothing.
    ///
    /// # Errors
    /// [`MirrorError::Unknown`] if it belongs to nobody here.
    pub fn named(
        &self,
        entrance: Entrance,
        ns: Option<&str>,
        own: Option<&str>,
        name: &RepositoryName,
    ) -> Result<Named, MirrorError> {
        let upstreams = self.upstreams();
        let ns = ns.map(str::to_ascii_lowercase).filter(|ns| Some(ns.as_str()) != own);
        let first = name.as_str().split_once('/').map(|(first, _)| first);
        let upstream = match &ns {
            Some(ns) => {
                let found = upstreams.iter().find(|upstream| upstream.is_called(ns));
                Some(found.ok_or_else(|| unknown(ns))?)
            }
            None => upstreams.iter().find(|upstream| first == Some(&upstream.name)),
        };
        let Some(upstream) = upstream else {
            return match entrance {
                Entrance::Main => Ok(Named::Own(name.clone())),
                Entrance::Mirror => {
                    let hub = upstreams.iter().find(|upstream| upstream.is_hub() && upstream.settings.public);
                    below(&hub.ok_or_else(|| unknown(HUB))?.name, true, name.as_str())
                }
            };
        };
        // Nobody says who he is at the other listener, and without accounts nobody could.
        if entrance == Entrance::Mirror && !upstream.settings.public {
            return Err(unknown(&upstream.name));
        }
        let rest = name.as_str().strip_prefix(&*upstream.name).and_then(|rest| rest.strip_prefix('/'));
        below(&upstream.name, upstream.is_hub(), rest.unwrap_or(name.as_str()))
    }

    /// The name under which an image of an upstream is kept: `docker.io/alpine` is `docker.io/library/alpine`.
    pub fn canonical(&self, name: &RepositoryName) -> RepositoryName {
        match self.named(Entrance::Main, None, None, name) {
            Ok(Named::Upstream(name) | Named::Own(name)) => name,
            Err(_) => name.clone(),
        }
    }
}

fn unknown(ns: &str) -> MirrorError {
    MirrorError::Unknown { ns: ns.chars().take(80).collect() }
}

fn below(upstream: &str, is_hub: bool, rest: &str) -> Result<Named, MirrorError> {
    let library = if is_hub && !rest.contains('/') { "library/" } else { "" };
    let name = format!("{upstream}/{library}{rest}").parse();
    // A name that fits only without its upstream before it is one that cannot be kept.
    name.map(Named::Upstream).map_err(|_| MirrorError::NotMirrored { upstream: upstream.to_owned() })
}
