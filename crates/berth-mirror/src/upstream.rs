//! One upstream: where it is, what may be had from it, and how it was lately.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use berth_client::{Client, ClientError, ClientOptions, Credentials, Health, Reach, Secret};
use berth_oci::{Pattern, RepositoryName};
use berth_registry::Timestamp;
use tokio::sync::Semaphore;

use crate::error::chain;
use crate::settings::Base;
use crate::status::Trouble;
use crate::traffic::Counters;
use crate::{MirrorError, Settings, lock};
use berth_client::known;
use berth_oci::DOCKER_HUB as HUB;

/// Downloads from one upstream at a time. More wait: a server is not to be stormed in somebody's name.
const DOWNLOADS: usize = 24;

/// How long an upstream may take to begin its answer.
const HEAD: Duration = Duration::from_secs(15);

/// An upstream with its connections. It is made anew when its settings change.
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Settings,
    /// Sealed, as it was stored: to notice that it changed.
    pub(crate) sealed: Option<Vec<u8>>,
    /// Whether it is in the configuration and nowhere else.
    pub(crate) is_configured: bool,
    pub(crate) counters: Arc<Counters>,
    pub(crate) downloads: Semaphore,
    sources: Vec<Source>,
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    trouble: Mutex<Option<Trouble>>,
    asked_at: AtomicI64,
}

/// A server that has its images.
struct Source {
    client: Client,
    prefix: String,
}

/// What an upstream is made of.
pub(crate) struct Plan {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Settings,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) password: Option<Secret>,
    pub(crate) is_configured: bool,
    /// What was counted of it before its settings changed.
    pub(crate) counters: Arc<Counters>,
    /// What this server is called in `Via`, by which it knows its own requests again.
    pub(crate) via: String,
}

impl Upstream {
    /// Makes ready to ask. What cannot be used is told as its trouble, and it then gives only what is here.
    pub(crate) fn new(plan: Plan) -> Upstream {
        let (mut trouble, mut sources) = (None, Vec::new());
        let mut broken = |error: &dyn std::error::Error| {
            tracing::error!(upstream = %plan.name, error = chain(error), "an upstream cannot be used as it is set up");
            trouble.get_or_insert_with(|| Trouble::now(chain(error)));
        };
        match plan.settings.bases() {
            Err(error) => broken(&error),
            Ok(bases) => {
                for (n, base) in bases.into_iter().enumerate() {
                    match source(&plan, base, n == 0) {
                        Ok(source) => sources.push(source),
                        Err(error) => broken(&error),
                    }
                }
            }
        }
        let [allow, deny] = plan.settings.patterns().unwrap_or_else(|error| {
            // Doubt gives nothing away.
            broken(&error);
            sources.clear();
            Default::default()
        });
        Upstream {
            name: plan.name,
            settings: plan.settings,
            sealed: plan.sealed,
            is_configured: plan.is_configured,
            counters: plan.counters,
            downloads: Semaphore::new(DOWNLOADS),
            sources,
            allow,
            deny,
            trouble: Mutex::new(trouble),
            asked_at: AtomicI64::new(0),
        }
    }

    /// What a repository is called there.
    ///
    /// # Errors
    /// [`MirrorError::NotMirrored`] if it is not among what may be had.
    pub(crate) fn remote(&self, repository: &RepositoryName) -> Result<String, MirrorError> {
        let not_mirrored = || MirrorError::NotMirrored { upstream: self.name.to_string() };
        let rest = repository.as_str().strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix('/'));
        let remote: RepositoryName = rest.and_then(|rest| rest.parse().ok()).ok_or_else(not_mirrored)?;
        let allowed = self.allow.is_empty() || self.allow.iter().any(|pattern| pattern.matches(&remote));
        if !allowed || self.deny.iter().any(|pattern| pattern.matches(&remote)) {
            return Err(not_mirrored());
        }
        Ok(remote.to_string())
    }

    /// Asks one source after the other, until one has an answer. A fallback need not have everything, so "not there" is
    /// believed only if all say it; and when one that is away might have had it, nobody knows.
    pub(crate) async fn ask<T, F>(
        &self,
        remote: &str,
        question: impl Fn(Client, String) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut worst: Option<ClientError> = None;
        for source in &self.sources {
            let error = match question(source.client.clone(), format!("{}{remote}", source.prefix)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tracing::debug!(upstream = %self.name, origin = %source.client.origin(), error = chain(&error), "no answer");
            // Who set a password up wants to hear that it will not do; elsewhere this is how registries say "not there".
            if self.settings.user.is_some() && matches!(error, ClientError::Unauthorized { .. }) {
                self.complain(format!("{remote}: {}", chain(&error)));
            }
            if worst.as_ref().is_none_or(|worst| !worst.is_away()) {
                worst = Some(error);
            }
        }
        Err(worst.unwrap_or(ClientError::Useless { what: "it is not set up rightly, see its status" }))
    }

    /// Whether it is another server than this, or else the one that a client means by `ns`.
    pub(crate) fn is_called(&self, ns: &str) -> bool {
        let alias = known(&self.name).is_some_and(|known| known.aliases.contains(&ns));
        let place = self.sources.first().map(|source| source.client.origin().authority());
        *self.name == *ns || alias || place.as_deref() == Some(ns)
    }

    /// Whether images of one part are below `library/`.
    pub(crate) fn is_hub(&self) -> bool {
        &*self.name == HUB
    }

    /// Whether so few of its pulls are left that it is asked only for what is not here.
    pub(crate) fn spares(&self) -> bool {
        let rate = self.sources.first().and_then(|source| source.client.health().rate);
        rate.is_some_and(|rate| {
            u128::from(rate.remaining) * 100 < u128::from(rate.limit) * u128::from(self.settings.reserve)
        })
    }

    /// How its server and its fallbacks were lately.
    pub(crate) fn health(&self) -> Vec<(String, Health)> {
        self.sources
            .iter()
            .map(|source| (source.client.origin().to_string(), source.client.health()))
            .collect()
    }

    /// Somebody asks for something of it.
    pub(crate) fn touch(&self) {
        self.asked_at.store(Timestamp::now().0, Ordering::Relaxed);
    }

    /// When somebody last did, in this process.
    pub(crate) fn asked_at(&self) -> Option<Timestamp> {
        Some(Timestamp(self.asked_at.load(Ordering::Relaxed))).filter(|at| at.0 > 0)
    }

    /// The last thing that went wrong and that somebody should look at.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        lock(&self.trouble).clone()
    }

    /// Remembers what went wrong, for its status, and logs it.
    pub(crate) fn complain(&self, what: String) {
        tracing::warn!(upstream = %self.name, trouble = what, "an upstream gave something wrong");
        *lock(&self.trouble) = Some(Trouble::now(what));
    }
}

fn source(plan: &Plan, base: Base, is_first: bool) -> Result<Source, berth_client::RootsError> {
    let mut options = ClientOptions::new(base.origin);
    options.via = Some(plan.via.clone());
    // Clients give up after 30 s without the head of an answer.
    options.limits.head = HEAD;
    options.reach = if plan.settings.private { Reach::Private } else { Reach::Public };
    options.ca_file.clone_from(&plan.settings.ca_file);
    options.unverified = plan.settings.unverified;
    if is_first {
        options.auth_hosts.clone_from(&plan.settings.auth_hosts);
        let user = plan.settings.user.clone();
        let pair = user.zip(plan.password.clone());
        options.credentials = pair.map(|(user, password)| Credentials::password(user, password));
    }
    Ok(Source { client: Client::new(options)?, prefix: base.prefix })
}
