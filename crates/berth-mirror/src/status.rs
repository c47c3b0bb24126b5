//! How upstreams are, for people.

use berth_client::Health;
use berth_registry::{RegistryError, ServerAccess, Timestamp, Traffic};

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
    /// When it was last asked, in this process.
    pub asked_at: Option<Timestamp>,
    /// Whether so few pulls are left that it is asked only for what is not here.
    pub spares: bool,
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
            all.push(Status {
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
            });
        }
        Ok(all)
    }

    /// Downloads under way.
    pub fn downloads(&self) -> usize {
        self.shared().flights.count()
    }
}
