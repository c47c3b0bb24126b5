//! The mirror itself: its upstreams, read from the database and the configuration, and what it does by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use berth_registry::{Access, Filling, Pull, Registry, RegistryError, Upstream as UpstreamName};
use tokio::time::{MissedTickBehavior, interval};

use crate::flights::Flights;
use crate::freshness::{Freshness, Turns};
use crate::traffic::Counters;
use crate::upstream::{Plan, Upstream};
use crate::{MirrorError, Sealer, Settings};

/// Time between two looks whether another server of the same database changed something.
const RELOAD: Duration = Duration::from_secs(15);
/// Time between two writes of what was counted.
const WRITE: Duration = Duration::from_secs(5);
/// Time between two looks whether a cache holds too much.
const ROOM: Duration = Duration::from_secs(30);

/// What the operator decided.
#[derive(Debug, Clone, Default)]
pub struct MirrorOptions {
    /// Known registries that are mirrored without having been added.
    pub configured: Vec<String>,
}

/// The mirror. Clones are the same.
#[derive(Clone)]
pub struct Mirror(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) sealer: Sealer,
    pub(crate) flights: Flights,
    pub(crate) freshness: Freshness,
    pub(crate) turns: Turns,
    /// Held by the one who writes what was counted.
    pub(crate) writing: tokio::sync::Mutex<()>,
    options: MirrorOptions,
    via: String,
    upstreams: RwLock<Arc<Vec<Arc<Upstream>>>>,
}

impl Mirror {
    /// A mirror with the upstreams that are set up. From then on their names are theirs.
    ///
    /// # Errors
    /// Only internal ones. An upstream that cannot be used is no reason not to start.
    pub async fn open(
        registry: Registry,
        sealer: Sealer,
        options: MirrorOptions,
    ) -> Result<Mirror, RegistryError> {
        let mirror = Mirror(Arc::new(Shared {
            registry,
            sealer,
            flights: Flights::default(),
            freshness: Freshness::default(),
            turns: Turns::default(),
            writing: tokio::sync::Mutex::default(),
            options,
            via: format!("berth-{:016x}", rand::random::<u64>()),
            upstreams: RwLock::default(),
        }));
        mirror.reload().await?;
        Ok(mirror)
    }

    /// The registry that is filled.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Whether a request was made by this server itself, by its `Via`.
    pub fn is_own_request(&self, via: &str) -> bool {
        via.split([',', ' ']).any(|word| word == self.0.via)
    }

    /// Runs for ever: writes what was counted, makes room, and notices what others changed.
    pub async fn run(self) {
        let [mut reload, mut write, mut room] = [RELOAD, WRITE, ROOM].map(interval);
        for ticker in [&mut reload, &mut write, &mut room] {
            ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            let (what, done) = tokio::select! {
                _ = reload.tick() => ("upstreams could not be read", self.reload().await),
                _ = write.tick() => ("what was had from upstreams could not be counted", self.write().await),
                _ = room.tick() => ("no room could be made in caches", self.make_room().await),
            };
            if let Err(error) = done {
                tracing::warn!(error = &error as &dyn std::error::Error, "{what}; the next time tries again");
            }
        }
    }

    /// Reads the upstreams anew. Those that are as they were keep their connections and what is known of them.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn reload(&self) -> Result<(), RegistryError> {
        let rows = self.0.registry.upstream_rows().await?;
        let mut wanted: BTreeMap<String, (Settings, Option<Vec<u8>>, bool)> = BTreeMap::new();
        for name in &self.0.options.configured {
            match Settings::default().complete(name) {
                Ok(settings) => {
                    wanted.insert(name.clone(), (settings, None, true));
                }
                Err(error) => {
                    tracing::error!(upstream = name, %error, "an upstream of the configuration cannot be");
                }
            }
        }
        for row in rows {
            match serde_json::from_str(&row.settings) {
                Ok(settings) => {
                    wanted.insert(row.name, (settings, row.secret.map(|sealed| sealed.to_vec()), false));
                }
                Err(error) => {
                    tracing::error!(upstream = row.name, %error, "settings of an upstream cannot be read");
                }
            }
        }
        let before = self.upstreams();
        let same = |name: &str| before.iter().find(|upstream| *upstream.name == *name).cloned();
        let upstreams: Vec<Arc<Upstream>> = wanted
            .into_iter()
            .map(|(name, (settings, sealed, is_configured))| match same(&name) {
                Some(old) if old.settings == settings && old.sealed == sealed => old,
                old => {
                    let counters = old.map(|old| Arc::clone(&old.counters)).unwrap_or_default();
                    Arc::new(self.build(&name, settings, sealed, is_configured, counters))
                }
            })
            .collect();
        let names = upstreams.iter().map(|upstream| UpstreamName {
            name: Arc::clone(&upstream.name),
            visibility: upstream.settings.visibility(),
        });
        self.0.registry.authorizer().upstreams().set(names);
        *self.0.upstreams.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(upstreams);
        Ok(())
    }

    fn build(
        &self,
        name: &str,
        settings: Settings,
        sealed: Option<Vec<u8>>,
        is_configured: bool,
        counters: Arc<Counters>,
    ) -> Upstream {
        let purpose = purpose(name, &settings);
        let opened = sealed.as_ref().map(|sealed| self.0.sealer.open_secret(sealed, &purpose)).transpose();
        let (password, locked) = match opened {
            Ok(password) => (password, None),
            Err(error) => (None, Some(error)),
        };
        let via = self.0.via.clone();
        let upstream = Upstream::new(Plan {
            name: name.into(),
            settings,
            sealed,
            password,
            is_configured,
            via,
            counters,
        });
        if let Some(error) = locked {
            upstream.complain(error.to_string());
        }
        upstream
    }

    /// Whether there is an upstream of that name.
    pub fn has(&self, name: &str) -> bool {
        self.upstream(name).is_some()
    }

    /// All upstreams, by name.
    pub(crate) fn upstreams(&self) -> Arc<Vec<Arc<Upstream>>> {
        Arc::clone(&self.0.upstreams.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The upstream of that name.
    pub(crate) fn upstream(&self, name: &str) -> Option<Arc<Upstream>> {
        self.upstreams().iter().find(|upstream| *upstream.name == *name).cloned()
    }

    /// The upstream of a repository, with the proof that what comes from it may be stored there.
    pub(crate) fn source_of(&self, access: &Access<Pull>) -> Result<(Arc<Upstream>, Filling), MirrorError> {
        let gone = || MirrorError::Unknown { ns: access.repository().as_str().chars().take(80).collect() };
        let filling = Registry::filling(access).ok_or_else(gone)?;
        let upstream = self.upstream(filling.upstream()).ok_or_else(gone)?;
        upstream.touch();
        Ok((upstream, filling))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

/// What a password is sealed for: the upstream and the server that it is sent to. With another address it has to be
/// given anew.
pub(crate) fn purpose(name: &str, settings: &Settings) -> String {
    let origin = settings.bases().ok().and_then(|bases| bases.into_iter().next()).map(|base| base.origin);
    format!("upstream {name} at {}", origin.map(|origin| origin.to_string()).unwrap_or_default())
}
