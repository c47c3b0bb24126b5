//! Signing in: which way the registry wants it, and where credentials may go.
//!
//! They go to the registry's own origin, and to the hosts for tokens that were named with them. A realm elsewhere is
//! asked without them, or not at all: whoever can make a registry answer with a realm would get its password else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_egress::{Egress, EgressError, Link, Origin};
use http::{HeaderMap, HeaderValue};
use tokio::time::timeout;

use crate::credentials::sensitive;
use crate::token::{self, Token};
use crate::{Challenge, ClientError, Credentials};

/// Scopes whose tokens are kept. Beyond it all are forgotten, and asked for again.
const SCOPES: usize = 4096;

/// How the registry wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Basic,
    Bearer { realm: Link, service: Option<String> },
}

/// The place of one scope's token: who holds it asks for it, and the others wait for what comes.
type Place = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Debug)]
pub(crate) struct Authenticator {
    origin: Origin,
    credentials: Option<Credentials>,
    /// Hosts for tokens, as `host` or `host:port`, in lower case.
    hosts: Vec<String>,
    way: Mutex<Option<Way>>,
    tokens: Mutex<HashMap<String, Place>>,
}

impl Authenticator {
    pub(crate) fn new(origin: Origin, credentials: Option<Credentials>, hosts: &[String]) -> Authenticator {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Authenticator { origin, credentials, hosts, way: Mutex::default(), tokens: Mutex::default() }
    }

    /// What to send with a request, by what is known so far.
    pub(crate) async fn header(
        &self,
        egress: &Egress,
        scope: &str,
    ) -> Result<Option<HeaderValue>, ClientError> {
        let way = self.way().clone();
        match way {
            None => Ok(None),
            Some(Way::Basic) => self.basic(),
            Some(Way::Bearer { realm, service }) => {
                let header = self.bearer(egress, &realm, service.as_deref(), scope, None).await;
                if header.is_err() {
                    // The registry may have another token server by now: the next question finds out anew.
                    *self.way() = None;
                }
                header.map(Some)
            }
        }
    }

    /// What to send after a 401 to a request that carried `sent`; `None` if nothing else would help.
    pub(crate) async fn challenged(
        &self,
        egress: &Egress,
        scope: &str,
        asked: &Link,
        headers: &HeaderMap,
        sent: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, ClientError> {
        let challenges = Challenge::read(headers);
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service, .. } => Some((realm, service)),
            Challenge::Basic => None,
        });
        if let Some((realm, service)) = bearer {
            let realm = asked.follow(realm)?;
            let header = self.bearer(egress, &realm, service.as_deref(), scope, sent).await?;
            *self.way() = Some(Way::Bearer { realm, service: service.clone() });
            return Ok(Some(header).filter(|header| Some(header) != sent));
        }
        if challenges.contains(&Challenge::Basic) {
            *self.way() = Some(Way::Basic);
            return Ok(self.basic()?.filter(|header| Some(header) != sent));
        }
        Ok(None)
    }

    fn basic(&self) -> Result<Option<HeaderValue>, ClientError> {
        Ok(self.credentials.as_ref().map(Credentials::basic).transpose()?)
    }

    /// A token for the scope: the one at hand, unless it is the one that was just refused. Who waits for what another
    /// asked for waits no longer than one who asks himself.
    async fn bearer(
        &self,
        egress: &Egress,
        realm: &Link,
        service: Option<&str>,
        scope: &str,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, ClientError> {
        let header = self.bearer_at_last(egress, realm, service, scope, refused);
        timeout(token::LIMIT, header).await.map_err(|_| EgressError::TooSlow(token::LIMIT))?
    }

    async fn bearer_at_last(
        &self,
        egress: &Egress,
        realm: &Link,
        service: Option<&str>,
        scope: &str,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, ClientError> {
        let credentials = self.for_realm(realm.origin())?;
        let place = self.place(scope);
        let mut token = place.lock().await;
        if let Some(token) = token.as_ref().filter(|token| token.is_good()) {
            let header = sensitive(format!("Bearer {}", token.text.reveal()))?;
            if Some(&header) != refused {
                return Ok(header);
            }
        }
        let fresh = token::fetch(egress, realm, service, scope, credentials).await?;
        let header = sensitive(format!("Bearer {}", fresh.text.reveal()))?;
        *token = Some(fresh);
        Ok(header)
    }

    /// The credentials that a realm is asked with.
    fn for_realm(&self, realm: &Origin) -> Result<Option<&Credentials>, ClientError> {
        let host = || realm.authority();
        if self.origin.is_secure() && !realm.is_secure() {
            return Err(ClientError::Downgrade { host: host() });
        }
        // One that was named without a port has the usual one.
        let usual = if realm.is_secure() { ":443" } else { ":80" };
        let named = self.hosts.iter().any(|named| named.strip_suffix(usual).unwrap_or(named) == host());
        match &self.credentials {
            Some(_) if *realm != self.origin && !named => Err(ClientError::ForeignRealm { host: host() }),
            credentials => Ok(credentials.as_ref()),
        }
    }

    fn place(&self, scope: &str) -> Place {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= SCOPES && !tokens.contains_key(scope) {
            tokens.clear();
        }
        tokens.entry(scope.to_owned()).or_default().clone()
    }

    fn way(&self) -> MutexGuard<'_, Option<Way>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
