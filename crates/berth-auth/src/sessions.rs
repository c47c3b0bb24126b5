//! Sessions of the web page: a secret in a cookie, which stands for a user who gave his password here.
//!
//! A session ends an hour after its last use and twelve hours after its beginning, with a sign-out, with the password,
//! and with the account. Only the SHA-256 of its secret is stored.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use berth_db::{Row, params};
use sha2::{Digest, Sha256};

use crate::access_token::{chance, hex};
use crate::accounts::now;
use crate::manage::Journal;
use crate::{Account, AccountId, AccountKind, Accounts, AuthError, Caller, Secret, Who};

const SECOND: i64 = 1_000_000;
/// How long a session may lie idle, in microseconds: an hour.
const IDLE: i64 = 60 * 60 * SECOND;
/// How long a session lives at most, in microseconds: twelve hours.
const LONGEST: i64 = 12 * 60 * 60 * SECOND;
/// How long a use counts without being written down again, in microseconds: a minute.
const SEEN: i64 = 60 * SECOND;
/// Sessions of one user; of more the longest unused end.
const MOST: i64 = 20;
/// Characters of what a browser says of itself that are kept.
const AGENT: usize = 200;

/// The number of a session, by which its user ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub i64);

/// A session as its user sees it; never its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its number.
    pub id: SessionId,
    /// When it began, in microseconds since 1970.
    pub created_at: i64,
    /// When it was last used, within a minute.
    pub seen_at: i64,
    /// Where it was last used from.
    pub address: String,
    /// What the browser said of itself.
    pub agent: String,
}

impl Accounts {
    /// Begins a session of a user who came with his password, or whom an identity provider vouched for. The secret is
    /// told this once, and is a new one each time.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] for everybody else; [`AuthError::Db`].
    pub async fn begin_session(&self, caller: &Caller, agent: &str) -> Result<Secret, AuthError> {
        let manager = self.manager(caller)?;
        manager.require_in_person("signing in")?;
        let account = manager.account.and_then(|id| manager.directory.enabled(id));
        let account = account.filter(|account| account.kind == AccountKind::User);
        let Account { id, epoch, name, .. } =
            account.cloned().ok_or(AuthError::Forbidden { what: "signing in", whom: "users" })?;
        let secret = mint()?;
        let hash = fingerprint(&secret).ok_or(AuthError::UnknownInvitation)?;
        let agent: String = agent.chars().filter(|c| !c.is_control()).take(AGENT).collect();
        let address = address(caller.address());
        let journal = Journal::new(caller.actor());
        self.0
            .db
            .write(move |mut tx| {
                let (hash, agent, address) = (hash.clone(), agent.clone(), address.clone());
                let (journal, name) = (journal.clone(), name.to_string());
                Box::pin(async move {
                    let sql = "INSERT INTO sessions (account_id, hash, epoch, created_at, seen_at, address, agent)
                         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)";
                    tx.execute(sql, params![id.0, &hash, epoch, journal.at, &address, &agent]).await?;
                    let sql = "DELETE FROM sessions WHERE account_id = ?1 AND id NOT IN
                             (SELECT id FROM sessions WHERE account_id = ?1 ORDER BY seen_at DESC, id DESC LIMIT ?2)";
                    tx.execute(sql, params![id.0, MOST]).await?;
                    Ok::<_, AuthError>(journal.tell(&mut tx, "session.begin", &name, &agent).await?)
                })
            })
            .await?;
        Ok(secret)
    }

    /// Whose session a secret is of; `None` if of none that lives.
    ///
    /// # Errors
    /// [`AuthError::Db`].
    pub async fn session(
        &self,
        secret: &Secret,
        from: Option<IpAddr>,
    ) -> Result<Option<(Caller, SessionId)>, AuthError> {
        let Some(hash) = fingerprint(secret) else { return Ok(None) };
        let sql = "SELECT id, account_id, epoch, created_at, seen_at FROM sessions WHERE hash = ?1";
        let row = self
            .0
            .db
            .read(move |mut tx| {
                let hash = hash.clone();
                Box::pin(async move { tx.query_opt(sql, params![&hash]).await })
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (id, epoch) = (SessionId(row.get(0)?), row.get::<i64>(2)?);
        let (began, seen, now) = (row.get::<i64>(3)?, row.get::<i64>(4)?, now());
        if is_over(began, seen, now) {
            return Ok(None);
        }
        let directory = self.directory();
        let account = directory.enabled(AccountId(row.get(1)?)).filter(|account| account.epoch == epoch);
        let Some(account) = account else { return Ok(None) };
        if now - seen > SEEN {
            self.note_session(id, now, from).await?;
        }
        Ok(Some((Caller::of(account, from, None, None, None), id)))
    }

    /// The sessions of the caller that live, the newest first.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::Db`].
    pub async fn sessions(&self, by: &Caller) -> Result<Vec<SessionView>, AuthError> {
        let manager = self.manager(by)?;
        let Some(account) = manager.account.and_then(|id| manager.directory.account(id)) else {
            return Ok(Vec::new());
        };
        let (id, epoch) = (account.id.0, account.epoch);
        let sql = "SELECT id, created_at, seen_at, address, agent FROM sessions
             WHERE account_id = ?1 AND epoch = ?2 ORDER BY id DESC";
        let rows = self
            .0
            .db
            .read(move |mut tx| Box::pin(async move { tx.query(sql, params![id, epoch]).await }))
            .await?;
        let views = rows.iter().map(view).collect::<Result<Vec<_>, _>>()?;
        let now = now();
        Ok(views.into_iter().filter(|view| !is_over(view.created_at, view.seen_at, now)).collect())
    }

    /// Ends a session of the caller.
    ///
    /// # Errors
    /// [`AuthError::Unknown`], also for sessions of others.
    pub async fn end_session(&self, id: SessionId, by: &Caller) -> Result<(), AuthError> {
        let Who::Account { id: account, .. } = by.who() else {
            return Err(AuthError::Unknown { what: "session", id: id.0 });
        };
        let (account, name, journal) = (account.0, by.name().to_owned(), Journal::new(by.actor()));
        self.0
            .db
            .write(move |mut tx| {
                let (name, journal) = (name.clone(), journal.clone());
                Box::pin(async move {
                    let sql = "DELETE FROM sessions WHERE id = ?1 AND account_id = ?2";
                    if tx.execute(sql, params![id.0, account]).await? == 0 {
                        return Err(AuthError::Unknown { what: "session", id: id.0 });
                    }
                    Ok(journal.tell(&mut tx, "session.end", &name, "").await?)
                })
            })
            .await
    }

    /// Writes down when and from where a session was used.
    async fn note_session(&self, id: SessionId, at: i64, from: Option<IpAddr>) -> Result<(), AuthError> {
        let from = address(from);
        let sql = "UPDATE sessions SET seen_at = ?1, address = ?2 WHERE id = ?3 AND seen_at < ?1";
        self.0
            .db
            .write(move |mut tx| {
                let from = from.clone();
                Box::pin(async move { tx.execute(sql, params![at, &from, id.0]).await.map(|_| ()) })
            })
            .await
            .map_err(AuthError::Db)
    }
}

/// What tells of a session that it is over, for the tidying up: the last time that it may have been used, and begun.
pub(crate) fn horizon(now: i64) -> (i64, i64) {
    (now - IDLE, now - LONGEST)
}

fn is_over(began: i64, seen: i64, now: i64) -> bool {
    let (idle, longest) = horizon(now);
    seen < idle || began < longest
}

fn mint() -> Result<Secret, AuthError> {
    let bytes: [u8; 32] = chance()?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is stored of a secret; `None` if it has not the form of one.
fn fingerprint(secret: &Secret) -> Option<String> {
    let is_secret = BASE64_URL_SAFE_NO_PAD.decode(secret.reveal()).is_ok_and(|bytes| bytes.len() == 32);
    is_secret.then(|| hex(&Sha256::digest(secret.reveal().as_bytes()).into()))
}

fn address(from: Option<IpAddr>) -> String {
    from.map_or_else(String::new, |address| address.to_canonical().to_string())
}

fn view(row: &Row) -> Result<SessionView, AuthError> {
    Ok(SessionView {
        id: SessionId(row.get(0)?),
        created_at: row.get(1)?,
        seen_at: row.get(2)?,
        address: row.get(3)?,
        agent: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{IDLE, LONGEST, fingerprint, is_over, mint};
    use crate::Secret;

    #[test]
    fn a_session_ends_when_idle_and_when_old() {
        let now = LONGEST * 10;
        for (began, seen, over) in [
            (now, now, false),
            (now - IDLE, now - IDLE, false),
            (now - IDLE - 1, now - IDLE - 1, true),
            (now - LONGEST, now, false),
            (now - LONGEST - 1, now, true),
        ] {
            assert_eq!(is_over(began, seen, now), over, "{} {}", now - began, now - seen);
        }
    }

    #[test]
    fn only_what_could_be_a_secret_is_looked_up() {
        assert!(fingerprint(&mint().unwrap()).is_some());
        for other in ["", "short", "berth_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &"a".repeat(1000)] {
            assert_eq!(fingerprint(&Secret::new(other)), None, "{other}");
        }
    }
}
