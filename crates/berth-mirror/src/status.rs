//! How upstreams are, for people.

use berth_client::Health;
use berth_registry::{RegistryError, ServerAccess, Timestamp, Traffic};

use crate::upstream::Upstream;
use crate::{Mirror, Settings};

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

impl Trouble {
    pub(crate) fn now(what: String) -> Trouble {
        Trouble { at: Timestamp::now(), what }
    }
}

/// An upstream as it is.
#[derive(Debug, Clone)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What is set of it.
    pub settings: Settings,
    /// Whether it has a password.
    pub has_password: bool,
    /// Whether it is in the configuration and nowhere else.
    pub is_configured: bool,
    /// Its server and its fallbacks, and how they were lately.
    pub servers: Vec<(String, Health)>,
    /// What was had on the last thirty days.
    pub traffic: Traffic,
    /// Bytes that its images take here.
    pub bytes: u64,
    /// The last thing that went wrong and that somebody should look at.
    pub trouble: Option<Trouble>,
    /// When somebody last asked for something of it, in this process.
    pub asked_at: Option<Timestamp>,
    /// Whether so few pulls are left that it is asked only for what is not here.
    pub spares: bool,
}

/// How an upstream is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Well,
    /// It was not asked yet, in this process.
    Unasked,
    /// It wants to be asked less.
    Limited,
    /// It fails, and a fallback answers for it.
    Fallback,
    /// It fails.
    Failing,
}

impl State {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Well => "well",
            State::Unasked => "unasked",
            State::Limited => "limited",
            State::Fallback => "fallback",
            State::Failing => "failing",
        }
    }
}

impl Status {
    /// How it is, in one word.
    pub fn state(&self) -> State {
        let answers = |health: &Health| health.failures == 0 && health.answered_at.is_some();
        match self.servers.split_first() {
            // None of its servers can be used as it is set up.
            None => State::Failing,
            Some(((_, first), others)) if first.failures > 0 => {
                let is_answered = others.iter().any(|(_, health)| answers(health));
                if is_answered { State::Fallback } else { State::Failing }
            }
            Some(((_, first), _)) if first.trouble.is_some() => State::Limited,
            Some(((_, first), _)) if answers(first) => State::Well,
            _ => State::Unasked,
        }
    }
}

impl Mirror {
    /// How all upstreams are, by name.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn status(&self, access: &ServerAccess) -> Result<Vec<Status>, RegistryError> {
        self.write().await?;
        let mut all = Vec::new();
        for upstream in self.upstreams().iter() {
            all.push(self.look_at(access, upstream).await?);
        }
        Ok(all)
    }

    /// What was had of each upstream since the process began, by name.
    pub fn traffic(&self) -> Vec<(String, Traffic)> {
        let upstreams = self.upstreams();
        upstreams.iter().map(|upstream| (upstream.name.to_string(), upstream.counters.read())).collect()
    }

    /// How one upstream is, if there is one of that name.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn status_of(
        &self,
        access: &ServerAccess,
        name: &str,
    ) -> Result<Option<Status>, RegistryError> {
        self.write().await?;
        let Some(upstream) = self.upstream(name) else { return Ok(None) };
        self.look_at(access, &upstream).await.map(Some)
    }

    async fn look_at(&self, access: &ServerAccess, upstream: &Upstream) -> Result<Status, RegistryError> {
        Ok(Status {
            name: upstream.name.to_string(),
            settings: upstream.settings.clone(),
            has_password: upstream.sealed.is_some(),
            is_configured: upstream.is_configured,
            servers: upstream.health(),
            traffic: self.registry().traffic(access, &upstream.name, 30).await?,
            bytes: self.registry().upstream_bytes(access, &upstream.name).await?,
            trouble: upstream.trouble(),
            asked_at: upstream.asked_at(),
            spares: upstream.spares(),
        })
    }

    /// Downloads under way.
    pub fn downloads(&self) -> usize {
        self.shared().flights.count()
    }
}
