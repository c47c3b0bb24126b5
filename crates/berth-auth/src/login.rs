//! From credentials to a caller.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use berth_db::params;

use crate::access_token::fingerprint;
use crate::guesses::network;
use crate::manage::Journal;
use crate::password::{Stored, is_old};
use crate::{AccountId, AccountKind, AccountName, Accounts, AuthError, Caller, Secret, Who};

/// Networks that are remembered of a user.
const KNOWN: i64 = 20;
/// How long a user's network counts as seen without being written down again: a day, in microseconds.
const SEEN: i64 = 24 * 60 * 60 * 1_000_000;

/// What came with a request.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nothing, or an empty user name and password.
    None,
    /// A user name with a password or an access token.
    Basic {
        /// As it was given; with an access token it does not matter.
        user: String,
        /// Password or access token.
        secret: Secret,
    },
    /// A bearer token that was issued here, or an access token.
    Bearer(Secret),
}

/// Why credentials are not taken. None of these says whether a user exists.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Wrong name or password, a token that is unknown or revoked, or an account that is disabled.
    #[error("incorrect username or password")]
    Incorrect,
    /// A bearer token that has ended; a new one will do.
    #[error("the token has expired; log in again")]
    Expired,
    /// A bearer token that was not issued here, is malformed, or stands for something that ended.
    #[error("the token is not valid here; log in again")]
    Invalid,
    /// The access token may not be used from this address.
    #[error("this token may not be used from {address}")]
    Source {
        /// The address.
        address: IpAddr,
    },
    /// Too many wrong guesses; the right password from a known address goes on working.
    #[error("too many attempts; try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// When to come back.
        retry_after: Duration,
    },
    /// Something broke.
    #[error(transparent)]
    Internal(#[from] AuthError),
}

impl Accounts {
    /// Finds out who somebody is.
    ///
    /// `from` is the client's address, taken from a proxy only when that proxy is trusted. Without any account there is
    /// nobody to be: everybody is anonymous, whatever he brings.
    ///
    /// # Errors
    /// [`LoginError`]; wrong credentials are never anonymous.
    pub async fn identify(
        &self,
        credentials: &Credentials,
        from: Option<IpAddr>,
    ) -> Result<Caller, LoginError> {
        if !self.any() {
            return Ok(Caller::anonymous(from));
        }
        match credentials {
            Credentials::None => Ok(Caller::anonymous(from)),
            Credentials::Basic { user, secret } if user.is_empty() && secret.reveal().is_empty() => {
                Ok(Caller::anonymous(from))
            }
            Credentials::Basic { user, secret } => match fingerprint(secret) {
                Some(hash) => self.by_token(&hash, from).ok_or(LoginError::Incorrect)?,
                None => self.by_password(user, secret, from).await,
            },
            Credentials::Bearer(token) => match fingerprint(token) {
                Some(hash) => self.by_token(&hash, from).ok_or(LoginError::Invalid)?,
                None => self.bearer(token, from).await,
            },
        }
    }

    /// Finds out whose token a client kept in place of a password (`grant_type=refresh_token`).
    ///
    /// # Errors
    /// [`LoginError::Incorrect`] if it is none, or was revoked.
    pub fn refresh(&self, token: &Secret, from: Option<IpAddr>) -> Result<Caller, LoginError> {
        let hash = fingerprint(token).ok_or(LoginError::Incorrect)?;
        self.by_token(&hash, from).ok_or(LoginError::Incorrect)?
    }

    /// Makes a token that a client may keep instead of the password (`offline_token=true`, `access_type=offline`): an
    /// access token of the kind *login*. `None` unless the caller came with a password.
    ///
    /// # Errors
    /// [`AuthError::Db`].
    pub async fn remember(&self, caller: &Caller, client: &str) -> Result<Option<Secret>, AuthError> {
        let Who::Account { id, kind: AccountKind::User, .. } = caller.who() else { return Ok(None) };
        if caller.0.token.is_some() || caller.has_bearer() {
            return Ok(None);
        }
        let directory = self.directory();
        let Some(account) = directory.enabled(*id) else { return Ok(None) };
        let client: String = client.chars().filter(|c| !c.is_control()).take(60).collect();
        let name = if client.is_empty() { "login".to_owned() } else { format!("login of {client}") };
        self.add_login(account, name, caller).await.map(Some)
    }

    /// The caller that an access token stands for, `None` if it is unknown or stands for nothing any more.
    fn by_token(&self, hash: &[u8; 32], from: Option<IpAddr>) -> Option<Result<Caller, LoginError>> {
        let directory = self.directory();
        let token = directory.tokens.get(hash)?;
        let account = directory.enabled(token.account).filter(|account| token.is_valid(account.epoch))?;
        if let Err(error) = token.narrowing.require_source(from) {
            return Some(Err(error));
        }
        self.0.uses.note(token.id, from);
        Some(Ok(Caller::of(account, from, Some(token.narrowing.clone()), None, Some(token.id))))
    }

    async fn by_password(
        &self,
        user: &str,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<Caller, LoginError> {
        let stored = self.stored(user).await?;
        let directory = self.directory();
        let account = stored.as_ref().and_then(|stored| directory.enabled(stored.account));
        if let (Some(stored), Some(account)) = (&stored, account)
            && self.0.passwords.remembers(stored, password)
        {
            return Ok(Caller::of(account, from, None, None, None));
        }
        let guess = Guess { user: name_hash(user), network: from.map(network) };
        let is_known = self.is_known(stored.as_ref(), &guess).await?;
        let admitted = self.0.passwords.guesses.admit(guess.user, guess.network, is_known, Instant::now());
        admitted.map_err(|retry_after| LoginError::TooMany { retry_after })?;
        let is_right = self.0.passwords.verify(stored.as_ref(), password).await?;
        match (account, stored) {
            (Some(account), Some(stored)) if is_right => {
                self.0.passwords.guesses.forgive(guess.user, guess.network);
                let caller = Caller::of(account, from, None, None, None);
                self.accepted(&stored, password, &guess, &caller).await?;
                Ok(caller)
            }
            _ => {
                self.refused(user, from).await?;
                Err(LoginError::Incorrect)
            }
        }
    }

    /// Checks the present password of a user who is about to change it.
    pub(crate) async fn require_password(&self, user: AccountId, password: &Secret) -> Result<(), AuthError> {
        let directory = self.directory();
        let Some(account) = directory.account(user) else { return Err(AuthError::WrongPassword) };
        let stored = self.stored(account.name.as_str()).await?;
        let guess = name_hash(account.name.as_str());
        let admitted = self.0.passwords.guesses.admit(guess, None, true, Instant::now());
        if admitted.is_err() {
            return Err(AuthError::Busy);
        }
        if self.0.passwords.verify(stored.as_ref(), password).await? {
            self.0.passwords.guesses.forgive(guess, None);
            Ok(())
        } else {
            Err(AuthError::WrongPassword)
        }
    }

    async fn stored(&self, user: &str) -> Result<Option<Stored>, AuthError> {
        let user: String = user.chars().take(80).collect();
        let sql =
            "SELECT id, password FROM accounts WHERE name = ?1 AND kind = 'user' AND password IS NOT NULL";
        let row = self
            .0
            .db
            .read(move |mut tx| {
                let user = user.clone();
                Box::pin(async move { tx.query_opt(sql, params![&user]).await })
            })
            .await?;
        row.map(|row| Ok(Stored { account: AccountId(row.get(0)?), hash: row.get(1)? })).transpose()
    }

    async fn is_known(&self, stored: Option<&Stored>, guess: &Guess) -> Result<bool, AuthError> {
        // Who is asked for one that does not exist asks the database too: both take as long.
        let account = stored.map_or(-1, |stored| stored.account.0);
        let network = guess.network_text();
        let sql = "SELECT 1 FROM known_addresses WHERE account_id = ?1 AND network = ?2";
        let row = self
            .0
            .db
            .read(move |mut tx| {
                let network = network.clone();
                Box::pin(async move { tx.query_opt(sql, params![account, &network]).await })
            })
            .await?;
        Ok(row.is_some())
    }

    /// Remembers a login: where from, in the audit log, and with a hash of today.
    async fn accepted(
        &self,
        stored: &Stored,
        password: &Secret,
        guess: &Guess,
        caller: &Caller,
    ) -> Result<(), AuthError> {
        let fresh = if is_old(&stored.hash) { self.0.passwords.hash(password).await.ok() } else { None };
        let (id, old, network) = (stored.account.0, stored.hash.clone(), guess.network_text());
        let journal = Journal::new(caller.actor());
        let name = caller.name().to_owned();
        self.0
            .db
            .write(move |mut tx| {
                let (old, fresh, network) = (old.clone(), fresh.clone(), network.clone());
                let (journal, name) = (journal.clone(), name.clone());
                Box::pin(async move {
                    if let Some(fresh) = &fresh {
                        let sql = "UPDATE accounts SET password = ?1 WHERE id = ?2 AND password = ?3";
                        tx.execute(sql, params![fresh, id, &old]).await?;
                    }
                    let sql = "INSERT INTO known_addresses (account_id, network, seen_at) VALUES (?1, ?2, ?3)
                         ON CONFLICT (account_id, network) DO UPDATE SET seen_at = excluded.seen_at
                         WHERE known_addresses.seen_at < ?4";
                    tx.execute(sql, params![id, &network, journal.at, journal.at - SEEN]).await?;
                    let sql = "DELETE FROM known_addresses WHERE account_id = ?1 AND network NOT IN
                             (SELECT network FROM known_addresses WHERE account_id = ?1
                              ORDER BY seen_at DESC LIMIT ?2)";
                    tx.execute(sql, params![id, KNOWN]).await?;
                    Ok::<_, AuthError>(journal.tell(&mut tx, "login.accept", &name, "password").await?)
                })
            })
            .await
    }

    /// Only guesses that cost a hash come here, so nobody can flood the log.
    async fn refused(&self, user: &str, from: Option<IpAddr>) -> Result<(), AuthError> {
        // People type passwords where names belong: only what could be a name is written down.
        let user = user.parse::<AccountName>().map_or_else(|_| "?".to_owned(), |name| name.to_string());
        let journal = Journal::new(Caller::anonymous(from).actor());
        self.0
            .db
            .write(move |mut tx| {
                let (user, journal) = (user.clone(), journal.clone());
                Box::pin(async move {
                    Ok::<_, AuthError>(journal.tell(&mut tx, "login.refuse", &user, "password").await?)
                })
            })
            .await
    }
}

/// An attempt with a password.
struct Guess {
    user: u64,
    network: Option<ipnet::IpNet>,
}

impl Guess {
    fn network_text(&self) -> String {
        self.network.map_or_else(|| "local".to_owned(), |network| network.to_string())
    }
}

/// A number for a name that was given, whether or not anybody has it.
fn name_hash(user: &str) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(user)
}
