//! What is known of a provider: fetched when it is first needed, and kept for an hour.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::discovery::{self, Discovery};
use crate::endpoint::Endpoint;
use crate::http::Client;
use crate::keys::{self, KeySet};
use crate::{OidcError, ProviderOptions};

/// How long what a provider says is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(60 * 60);
/// Time between two looks for a key that is not known.
pub(crate) const LOOK: Duration = Duration::from_secs(60);
/// How long a provider that failed is left alone, so that not each visitor waits for it in turn.
const REST: Duration = Duration::from_secs(5);

/// What is known of a provider.
#[derive(Default)]
pub(crate) struct Known {
    // Held while the provider is asked: one request serves all that wait for its answer.
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    discovery: Option<Kept<Discovery>>,
    keys: Option<Kept<KeySet>>,
    failed_at: Option<SystemTime>,
}

struct Kept<T> {
    what: Arc<T>,
    at: SystemTime,
}

impl<T> Kept<T> {
    /// What is not older than that. A clock that was set back makes everything old.
    fn younger(&self, age: Duration, now: SystemTime) -> Option<Arc<T>> {
        now.duration_since(self.at).is_ok_and(|is| is < age).then(|| Arc::clone(&self.what))
    }
}

impl Known {
    /// What the provider says of itself.
    pub(crate) async fn discovery(
        &self,
        client: &Client,
        options: &ProviderOptions,
        now: SystemTime,
    ) -> Result<Arc<Discovery>, OidcError> {
        let mut memory = self.memory.lock().await;
        if let Some(kept) = memory.discovery.as_ref().and_then(|kept| kept.younger(KEPT, now)) {
            return Ok(kept);
        }
        let at = discovery::address(&options.issuer)?;
        let document: discovery::Document = memory.fetch(client, "configuration", &at, now).await?;
        let discovery = Arc::new(document.check(options)?);
        let moved = memory.discovery.as_ref().is_some_and(|kept| kept.what.keys != discovery.keys);
        if moved {
            memory.keys = None;
        }
        memory.discovery = Some(Kept { what: Arc::clone(&discovery), at: now });
        Ok(discovery)
    }

    /// The keys of the provider, not older than `age`.
    pub(crate) async fn keys(
        &self,
        client: &Client,
        discovery: &Discovery,
        age: Duration,
        now: SystemTime,
    ) -> Result<Arc<KeySet>, OidcError> {
        let mut memory = self.memory.lock().await;
        if let Some(kept) = memory.keys.as_ref().and_then(|kept| kept.younger(age, now)) {
            return Ok(kept);
        }
        let document: keys::Document = memory.fetch(client, "keys", &discovery.keys, now).await?;
        let keys = Arc::new(KeySet::from(document));
        memory.keys = Some(Kept { what: Arc::clone(&keys), at: now });
        Ok(keys)
    }
}

impl Memory {
    async fn fetch<T: DeserializeOwned>(
        &mut self,
        client: &Client,
        what: &'static str,
        at: &Endpoint,
        now: SystemTime,
    ) -> Result<T, OidcError> {
        if self.failed_at.is_some_and(|at| is_near(at, now)) {
            return Err(OidcError::Resting);
        }
        let began = Instant::now();
        let document = client.get(at, None).await.and_then(|answer| answer.document());
        self.failed_at = document.is_err().then(|| now + began.elapsed());
        document.map_err(|source| OidcError::Ask { what, url: at.as_str().to_owned(), source })
    }
}

/// Whether a failure is so near that the provider is left alone. Who waited for it came before it; but one that lies
/// far ahead was noted by a clock that was wrong.
fn is_near(failed_at: SystemTime, now: SystemTime) -> bool {
    match now.duration_since(failed_at) {
        Ok(since) => since < REST,
        Err(ahead) => ahead.duration() < LOOK,
    }
}
