//! Access tokens: secrets that stand for an account, narrowed to what they are for.
//!
//! A secret is `berth_` and 43 characters of base64url (256 random bits); only its SHA-256 is stored. With it any user
//! name is accepted. What `docker login` is given in place of a password is one of these too, of the kind *login*.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use berth_db::{Row, params};
use berth_oci::RepositoryName;
use ipnet::IpNet;
use rand::TryRngCore;
use sha2::{Digest, Sha256};

use crate::accounts::now;
use crate::directory::word;
use crate::{AccountId, AccountName, Accounts, Action, Actions, AuthError, LoginError, Pattern, Secret};

/// What every secret begins with, so that scanners recognise it.
const PREFIX: &str = "berth_";
/// Bytes of chance in a secret.
const CHANCE: usize = 32;
/// How long a *login* token lives, in microseconds: 180 days.
pub(crate) const LOGIN_LIFE: i64 = 180 * 24 * 60 * 60 * 1_000_000;

/// What a token stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something that a person made on purpose.
    Access,
    /// The password, in the configuration of a client.
    Login,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Access => "access",
            Kind::Login => "login",
        }
    }
}

/// A row number of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i64);

/// What a token may be used for at most. Its account's rights bound it as well, at the time of each use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Narrowing {
    /// The actions.
    pub(crate) actions: Actions,
    /// The names; none means all.
    pub(crate) patterns: Vec<Pattern>,
    /// The source addresses; none means all.
    pub(crate) sources: Vec<IpNet>,
}

/// A token as the directory holds it.
#[derive(Debug, Clone)]
pub(crate) struct TokenRecord {
    pub(crate) id: TokenId,
    pub(crate) account: AccountId,
    pub(crate) is_login: bool,
    /// The epoch of the account when a *login* token was made: such tokens end with the password.
    pub(crate) epoch: i64,
    /// Microseconds since 1970.
    pub(crate) expires_at: Option<i64>,
    pub(crate) narrowing: Arc<Narrowing>,
}

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose; `None` is the caller's own.
    pub account: Option<AccountName>,
    /// What it is called.
    pub name: String,
    /// What it may do at most.
    pub actions: Actions,
    /// Where; none means wherever the account may.
    pub patterns: Vec<Pattern>,
    /// Until when, in microseconds since 1970; `None` is for ever.
    pub expires_at: Option<i64>,
    /// From which addresses; none means all.
    pub sources: Vec<IpNet>,
}

/// A token as people see it; never its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenView {
    /// Its number, by which it is revoked.
    pub id: TokenId,
    /// Whose.
    pub account: AccountName,
    /// What it is called.
    pub name: String,
    /// Whether a client got it for a password at `docker login`.
    pub is_login: bool,
    /// What it may do at most.
    pub actions: Actions,
    /// Where.
    pub patterns: Vec<Pattern>,
    /// From which addresses.
    pub sources: Vec<IpNet>,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// Until when.
    pub expires_at: Option<i64>,
    /// When it was last used, within a minute.
    pub last_used_at: Option<i64>,
    /// From where.
    pub last_used_from: Option<IpAddr>,
}

impl Narrowing {
    /// Whether it leaves `action` in a repository.
    pub(crate) fn allows(&self, action: Action, name: &RepositoryName) -> bool {
        self.actions.has(action)
            && (self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(name)))
    }

    /// Whether it leaves everything that the account may.
    pub(crate) fn is_whole(&self) -> bool {
        self.actions == Actions::ALL && self.patterns.is_empty()
    }

    pub(crate) fn require_source(&self, from: Option<IpAddr>) -> Result<(), LoginError> {
        match from {
            Some(address) if !self.admits(from) => Err(LoginError::Source { address }),
            _ => Ok(()),
        }
    }

    /// Whether the token may be used from there. What does not come over a network comes from this machine.
    pub(crate) fn admits(&self, from: Option<IpAddr>) -> bool {
        let Some(from) = from.map(|address| address.to_canonical()) else { return true };
        self.sources.is_empty() || self.sources.iter().any(|network| network.contains(&from))
    }
}

impl TokenRecord {
    /// Whether it still stands for its account, which has this epoch now.
    pub(crate) fn is_valid(&self, epoch: i64) -> bool {
        self.expires_at.is_none_or(|end| end > now()) && (!self.is_login || self.epoch == epoch)
    }
}

/// Makes the secret of a token.
pub(crate) fn mint() -> Result<Secret, AuthError> {
    let bytes: [u8; CHANCE] = chance()?;
    Ok(Secret::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))))
}

/// Bytes that nobody can guess.
pub(crate) fn chance<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(|error| AuthError::System(error.to_string()))?;
    Ok(bytes)
}

/// What is stored of a secret; `None` if it has not the form of a token.
///
/// A plain hash is enough: there are too many secrets to try them all.
pub(crate) fn fingerprint(secret: &Secret) -> Option<[u8; 32]> {
    let chance = secret.reveal().strip_prefix(PREFIX)?;
    let is_token = BASE64_URL_SAFE_NO_PAD.decode(chance).is_ok_and(|bytes| bytes.len() == CHANCE);
    is_token.then(|| Sha256::digest(secret.reveal().as_bytes()).into())
}

/// Reads the columns `id, account_id, kind, epoch, expires_at, actions, patterns, sources, hash`.
pub(crate) fn record(row: &Row) -> Result<([u8; 32], TokenRecord), AuthError> {
    let narrowing = Narrowing { actions: word(row, 5)?, patterns: parts(row, 6)?, sources: parts(row, 7)? };
    let record = TokenRecord {
        id: TokenId(row.get(0)?),
        account: AccountId(row.get(1)?),
        is_login: row.get::<String>(2)? == Kind::Login.as_str(),
        epoch: row.get(3)?,
        expires_at: row.get(4)?,
        narrowing: Arc::new(narrowing),
    };
    Ok((unhex(&row.get::<String>(8)?).ok_or(AuthError::Damaged { column: 8 })?, record))
}

/// Values in one column, with a space between them: none of them holds one.
pub(crate) fn joined<T: Display>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// The values of a column that [`joined`] wrote.
pub(crate) fn parts<T: FromStr>(row: &Row, column: usize) -> Result<Vec<T>, AuthError> {
    let text: String = row.get(column)?;
    text.split_whitespace().map(|part| part.parse().map_err(|_| AuthError::Damaged { column })).collect()
}

pub(crate) fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(bytes)
}

/// When and from where tokens were used, until that is written down.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashMap<TokenId, (i64, Option<IpAddr>)>>);

impl Uses {
    pub(crate) fn note(&self, token: TokenId, from: Option<IpAddr>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token, (now(), from));
    }

    fn take(&self) -> HashMap<TokenId, (i64, Option<IpAddr>)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Accounts {
    /// Writes down when tokens were last used; a *login* token lives on from there.
    pub(crate) async fn write_uses(&self) -> Result<(), AuthError> {
        let uses = Arc::new(self.0.uses.take());
        if uses.is_empty() {
            return Ok(());
        }
        self.0
            .db
            .write(move |mut tx| {
                let uses = Arc::clone(&uses);
                Box::pin(async move {
                    let sql = "UPDATE access_tokens SET last_used_at = ?1, last_used_from = ?2,
                             expires_at = CASE WHEN kind = 'login' THEN ?3 ELSE expires_at END WHERE id = ?4";
                    for (token, (at, from)) in uses.iter() {
                        let from = from.map(|address| address.to_string());
                        let end = at.saturating_add(LOGIN_LIFE);
                        tx.execute(sql, params![*at, from.as_deref(), end, token.0]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_and_nothing_else_is() {
        let secret = mint().unwrap();
        assert_eq!(secret.reveal().len(), PREFIX.len() + 43);
        assert!(fingerprint(&secret).is_some());
        assert_ne!(fingerprint(&secret), fingerprint(&mint().unwrap()));
        for other in
            ["", "berth_", "password", "berth_short", &secret.reveal()[1..], &format!("{}=", secret.reveal())]
        {
            assert_eq!(fingerprint(&Secret::new(other)), None, "{other:?}");
        }
    }

    #[test]
    fn hexadecimal_goes_there_and_back() {
        let bytes: [u8; 32] = chance().unwrap();
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        for bad in ["", "zz", &"g".repeat(64), &"\u{e9}".repeat(32)] {
            assert_eq!(unhex(bad), None);
        }
    }

    #[test]
    fn sources_bound_where_a_token_is_used_from() {
        let narrowing = |sources: &[&str]| Narrowing {
            actions: Actions::ALL,
            patterns: Vec::new(),
            sources: sources.iter().map(|source| source.parse().unwrap()).collect(),
        };
        let from = |address: &str| Some(address.parse().unwrap());
        assert!(narrowing(&[]).admits(from("10.0.0.1")));
        assert!(narrowing(&["10.0.0.0/8"]).admits(from("10.0.0.1")));
        assert!(narrowing(&["10.0.0.0/8"]).admits(from("::ffff:10.0.0.1")));
        assert!(!narrowing(&["10.0.0.0/8"]).admits(from("11.0.0.1")));
        assert!(narrowing(&["10.0.0.0/8"]).admits(None));
    }
}
