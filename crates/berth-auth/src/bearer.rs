//! Bearer tokens: short-lived, signed, issued for scopes.
//!
//! A JSON Web Token signed with HMAC-SHA-256 by a key of this installation; nobody else has to verify it. It names the
//! account by id and epoch and carries the scopes that were granted; what it allows is decided at each use from the
//! directory as well, so a right that was taken away is gone at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use berth_oci::RepositoryName;
use serde::{Deserialize, Serialize};

use crate::access_token::{chance, hex};
use crate::caller::Inner;
use crate::login::LoginError;
use crate::signing_keys::SigningKey;
use crate::{AccountId, Accounts, Actions, AuthError, Caller, Directory, Secret, TokenId, Who};

/// Who issues, and for whom.
const PARTY: &str = "berth";
/// How long a token lives, in seconds.
const LIFE: u64 = 300;
/// How far the clocks of two servers may differ, in seconds.
const LEEWAY: u64 = 60;
/// The longest token that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;
/// Verified tokens that are remembered.
const MANY: usize = 10_000;

/// A scope as it was granted: actions in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeGrant {
    /// The repository; `None` is the catalog.
    pub repository: Option<RepositoryName>,
    /// The granted actions; perhaps none. For the catalog `pull` means that it may be listed.
    pub actions: Actions,
}

/// A token that was issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub token: Secret,
    /// Seconds until it ends, at least 60.
    pub expires_in: u64,
    /// When it was issued, in seconds since 1970.
    pub issued_at: u64,
}

/// What a token says (RFC 7519, and `access` of the distribution token specification).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    epoch: i64,
    /// The access token that it was got with.
    tok: Option<i64>,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    access: Vec<Access>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Vec<String>,
}

/// Tokens that were verified a moment ago, with the generation under which they were.
#[derive(Debug, Default)]
pub(crate) struct Bearers(Mutex<HashMap<Box<str>, Verified>>);

#[derive(Debug, Clone)]
struct Verified {
    caller: Caller,
    ends: u64,
    generation: i64,
}

impl Bearers {
    fn get(&self, token: &str, generation: i64) -> Option<Caller> {
        let known = self.lock();
        let verified = known.get(token)?;
        let holds = verified.generation == generation && seconds() < verified.ends;
        holds.then(|| verified.caller.clone())
    }

    fn put(&self, token: &str, verified: Verified) {
        let mut known = self.lock();
        if known.len() >= MANY {
            let now = seconds();
            known.retain(|_, verified| verified.ends > now);
        }
        if known.len() >= MANY {
            known.clear();
        }
        known.insert(token.into(), verified);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Verified>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// Issues a bearer token that stands for `caller` within `scope`.
    ///
    /// # Errors
    /// [`AuthError::System`] if there is no key to sign with.
    pub fn issue(&self, caller: &Caller, scope: Vec<ScopeGrant>) -> Result<Issued, AuthError> {
        let now = seconds();
        let epoch = match caller.who() {
            Who::Account { id, .. } => self.directory().account(*id).map_or(0, |account| account.epoch),
            Who::Anonymous | Who::FolderOwner => 0,
        };
        let claims = Claims {
            iss: PARTY.to_owned(),
            aud: PARTY.to_owned(),
            sub: caller.principal().to_owned(),
            epoch,
            tok: caller.0.token.map(|token| token.0),
            iat: now,
            nbf: now,
            exp: now + LIFE,
            jti: hex(&chance()?)[..16].to_owned(),
            access: scope.into_iter().map(Access::from).collect(),
        };
        let (keys, newest) = self
            .0
            .keys
            .newest()
            .ok_or_else(|| AuthError::System("there is no key to sign with".to_owned()))?;
        let key = &keys[newest];
        let body = serde_json::to_vec(&claims).map_err(|error| AuthError::System(error.to_string()))?;
        let message = format!("{}.{}", key.header, BASE64_URL_SAFE_NO_PAD.encode(body));
        let token = format!("{message}.{}", key.sign(&message));
        Ok(Issued { token: Secret::new(token), expires_in: LIFE, issued_at: now })
    }

    /// Finds out whom a bearer token stands for.
    pub(crate) async fn bearer(&self, token: &Secret, from: Option<IpAddr>) -> Result<Caller, LoginError> {
        let text = token.reveal();
        if text.len() > LONGEST {
            return Err(LoginError::Invalid);
        }
        let directory = self.directory();
        if let Some(caller) = self.0.bearers.get(text, directory.generation) {
            return self.at(caller, from, &directory);
        }
        let claims = match self.claims(text) {
            Err(LoginError::Invalid) if self.0.keys.look_again(&self.0.db).await? => self.claims(text)?,
            claims => claims?,
        };
        let ends = claims.exp + LEEWAY;
        let caller = stands_for(&claims, from, &directory)?;
        let verified = Verified { caller: caller.clone(), ends, generation: directory.generation };
        self.0.bearers.put(text, verified);
        self.at(caller, from, &directory)
    }

    /// What a token says, if one of our keys signed it and its time is now.
    fn claims(&self, token: &str) -> Result<Claims, LoginError> {
        let keys = self.0.keys.all();
        let claims = read(&keys, token).ok_or(LoginError::Invalid)?;
        let now = seconds();
        if claims.iss != PARTY
            || claims.aud != PARTY
            || now + LEEWAY < claims.nbf
            || now + LEEWAY < claims.iat
        {
            return Err(LoginError::Invalid);
        }
        if claims.exp + LEEWAY <= now { Err(LoginError::Expired) } else { Ok(claims) }
    }

    /// The same caller, from where it calls now.
    fn at(&self, caller: Caller, from: Option<IpAddr>, directory: &Directory) -> Result<Caller, LoginError> {
        if let Some(token) = caller.0.token {
            let record = directory.token_hashes.get(&token).and_then(|hash| directory.tokens.get(hash));
            let record =
                record.filter(|record| record.expires_at.is_none_or(|end| end > crate::accounts::now()));
            record.ok_or(LoginError::Invalid)?.narrowing.require_source(from)?;
        }
        if caller.address() == from {
            return Ok(caller);
        }
        let Inner { who, principal, narrowing, scope, token, .. } = &*caller.0;
        Ok(Caller(Arc::new(Inner {
            who: who.clone(),
            principal: principal.clone(),
            address: from,
            narrowing: narrowing.clone(),
            scope: scope.clone(),
            token: *token,
        })))
    }
}

/// Reads a token that one of the keys signed. The key is the one whose header the token begins with.
fn read(keys: &[SigningKey], token: &str) -> Option<Claims> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, body) = message.split_once('.')?;
    let key = keys.iter().find(|key| key.header == header)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !key.verifies(message, &signature) {
        return None;
    }
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}

/// The caller that a token stands for, if what it stands for has not ended.
fn stands_for(claims: &Claims, from: Option<IpAddr>, directory: &Directory) -> Result<Caller, LoginError> {
    let scope = Some(claims.access.iter().filter_map(Access::grant).collect());
    if claims.sub == Caller::anonymous(None).principal() {
        let inner = Inner {
            who: Who::Anonymous,
            principal: claims.sub.clone(),
            address: from,
            narrowing: None,
            scope,
            token: None,
        };
        return Ok(Caller(Arc::new(inner)));
    }
    let id = claims.sub.split_once(':').and_then(|(_, id)| id.parse().ok()).map(AccountId);
    let account = id.and_then(|id| directory.enabled(id)).filter(|account| account.epoch == claims.epoch);
    let account = account.ok_or(LoginError::Invalid)?;
    let narrowing = match claims.tok.map(TokenId) {
        None => None,
        Some(token) => {
            let record = directory.token_hashes.get(&token).and_then(|hash| directory.tokens.get(hash));
            let record =
                record.filter(|record| record.account == account.id && record.is_valid(account.epoch));
            Some(Arc::clone(&record.ok_or(LoginError::Invalid)?.narrowing))
        }
    };
    Ok(Caller::of(account, from, narrowing, scope, claims.tok.map(TokenId)))
}

impl From<ScopeGrant> for Access {
    fn from(grant: ScopeGrant) -> Access {
        let actions = grant.actions.iter().map(|action| action.as_str().to_owned()).collect();
        match grant.repository {
            Some(name) => Access { kind: "repository".to_owned(), name: name.to_string(), actions },
            None => Access { kind: "registry".to_owned(), name: "catalog".to_owned(), actions },
        }
    }
}

impl Access {
    fn grant(&self) -> Option<ScopeGrant> {
        let actions = self.actions.iter().filter_map(|action| action.parse().ok()).collect();
        match self.kind.as_str() {
            "repository" => Some(ScopeGrant { repository: Some(self.name.parse().ok()?), actions }),
            "registry" if self.name == "catalog" => Some(ScopeGrant { repository: None, actions }),
            _ => None,
        }
    }
}

/// Seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
