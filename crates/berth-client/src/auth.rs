//! Signing in: which way the registry wants it, and where credentials may go.
//!
//! They go to the registry's own origin, and to the hosts for tokens that were named with them. A realm elsewhere is
//! asked without them, or not at all: whoever can make a registry answer with a realm would get its password else. Who
//! signs in at a registry himself can choose to believe what it answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_egress::{Egress, Link, Origin};
use http::{HeaderMap, HeaderValue};

use crate::place::Place;
use crate::scope::Scope;
use crate::token::{self, Granted, Token, Wanted};
use crate::{Challenge, ClientError, Credentials, Realms};

/// Scopes whose tokens are kept. Beyond it all are forgotten, and asked for again.
const SCOPES: usize = 4096;

/// How the registry wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    Basic,
    Bearer { realm: Link, service: Option<String> },
}

#[derive(Debug)]
pub(crate) struct Authenticator {
    origin: Origin,
    /// A token server may give an identity token in place of the one that it was given.
    credentials: Mutex<Option<Credentials>>,
    /// Hosts for tokens, as `host` or `host:port`, in lower case.
    hosts: Vec<String>,
    realms: Realms,
    way: Mutex<Option<Way>>,
    tokens: Mutex<HashMap<Scope, Arc<Place>>>,
}

impl Authenticator {
    pub(crate) fn new(
        origin: Origin,
        credentials: Option<Credentials>,
        hosts: &[String],
        realms: Realms,
    ) -> Authenticator {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let credentials = Mutex::new(credentials);
        Authenticator { origin, credentials, hosts, realms, way: Mutex::default(), tokens: Mutex::default() }
    }

    /// What to send with a request, by what is known so far.
    pub(crate) async fn header(
        &self,
        egress: &Egress,
        scope: &Scope,
    ) -> Result<Option<HeaderValue>, ClientError> {
        let way = self.way().clone();
        match way {
            None => Ok(None),
            Some(Way::Basic) => self.basic(),
            Some(Way::Bearer { realm, service }) => {
                let wanted = Wanted { realm: &realm, service: service.as_deref(), scope, identity: false };
                let header = self.bearer(egress, wanted, scope, None).await;
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
        scope: &Scope,
        asked: &Link,
        headers: &HeaderMap,
        sent: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, ClientError> {
        let way = Authenticator::wanted(asked, headers)?;
        let header = match &way {
            None => return Ok(None),
            Some((Way::Basic, _)) => self.basic()?,
            Some((Way::Bearer { realm, service }, named)) => {
                // Who refuses a token for the scope may say which one he means.
                let asked_for = match sent {
                    Some(_) => widened(scope, named.as_deref().unwrap_or_default()),
                    None => scope.clone(),
                };
                let wanted =
                    Wanted { realm, service: service.as_deref(), scope: &asked_for, identity: false };
                Some(self.bearer(egress, wanted, scope, sent).await?)
            }
        };
        *self.way() = way.map(|(way, _)| way);
        Ok(header.filter(|header| Some(header) != sent))
    }

    /// The way that a 401 asks for, and the scope that it names: a token, if it offers several.
    pub(crate) fn wanted(
        asked: &Link,
        headers: &HeaderMap,
    ) -> Result<Option<(Way, Option<String>)>, ClientError> {
        let challenges = Challenge::read(headers);
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service, scope, .. } => Some((realm, service, scope)),
            Challenge::Basic => None,
        });
        if let Some((realm, service, scope)) = bearer {
            let way = Way::Bearer { realm: asked.follow(realm)?, service: service.clone() };
            return Ok(Some((way, scope.clone())));
        }
        Ok(challenges.contains(&Challenge::Basic).then_some((Way::Basic, None)))
    }

    /// Whether name and password go to the registry itself.
    pub(crate) fn is_basic(&self) -> bool {
        *self.way() == Some(Way::Basic) && matches!(*self.credentials(), Some(Credentials::Password { .. }))
    }

    /// The field `authorization` with name and password.
    pub(crate) fn basic(&self) -> Result<Option<HeaderValue>, ClientError> {
        Ok(self.credentials().as_ref().map(Credentials::basic).transpose()?.flatten())
    }

    /// A token for the scope: the one at hand, unless it is the one that was just refused. Who waits for what another
    /// asked for waits no longer than one who asks himself.
    async fn bearer(
        &self,
        egress: &Egress,
        wanted: Wanted<'_>,
        scope: &Scope,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, ClientError> {
        let place = self.place(scope);
        let fetch = async { Ok::<Token, _>(self.granted(egress, wanted).await?.token) };
        token::in_time(place.header(refused, fetch)).await
    }

    /// Asks for a token, with the credentials that the realm may see.
    pub(crate) async fn granted(&self, egress: &Egress, wanted: Wanted<'_>) -> Result<Granted, ClientError> {
        let credentials = self.for_realm(wanted.realm.origin())?;
        let granted = token::fetch(egress, wanted, credentials.as_ref()).await?;
        if let (Some(Credentials::IdentityToken(_)), Some(next)) = (&credentials, &granted.identity) {
            *self.credentials() = Some(Credentials::IdentityToken(next.clone()));
        }
        Ok(granted)
    }

    /// The credentials that a realm is asked with.
    fn for_realm(&self, realm: &Origin) -> Result<Option<Credentials>, ClientError> {
        let host = || realm.authority();
        if self.origin.is_secure() && !realm.is_secure() {
            return Err(ClientError::Downgrade { host: host() });
        }
        // One that was named without a port has the usual one.
        let usual = if realm.is_secure() { ":443" } else { ":80" };
        let named = self.hosts.iter().any(|named| named.strip_suffix(usual).unwrap_or(named) == host());
        let named = named || self.realms == Realms::OfRegistry;
        match &*self.credentials() {
            Some(_) if *realm != self.origin && !named => Err(ClientError::ForeignRealm { host: host() }),
            credentials => Ok(credentials.clone()),
        }
    }

    fn place(&self, scope: &Scope) -> Arc<Place> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= SCOPES && !tokens.contains_key(scope) {
            tokens.clear();
        }
        tokens.entry(scope.clone()).or_default().clone()
    }

    fn way(&self) -> MutexGuard<'_, Option<Way>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn credentials(&self) -> MutexGuard<'_, Option<Credentials>> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a challenge names something that the scope lacks, and that may be asked for.
pub(crate) fn names_more(scope: &Scope, headers: &HeaderMap) -> bool {
    let named = Challenge::read(headers).into_iter().find_map(|challenge| match challenge {
        Challenge::Bearer { scope, .. } => scope,
        Challenge::Basic => None,
    });
    named.is_some_and(|named| widened(scope, &named) != *scope)
}

/// The scope with what a registry names beyond it, as far as that is about the same repository: a registry gets no
/// token for anything else by asking for it.
fn widened(scope: &Scope, named: &str) -> Scope {
    let resource = |one: &str| one.rsplit_once(':').map(|(resource, _)| resource.to_owned());
    let known: Vec<_> = scope.parts().map(resource).collect();
    let same: Vec<_> = named.split_ascii_whitespace().filter(|one| known.contains(&resource(one))).collect();
    scope.and(&same.join(" "))
}
