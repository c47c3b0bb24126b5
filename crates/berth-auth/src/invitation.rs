//! One-time links: to choose a first or a new password, or to make the first administrator.

use std::net::IpAddr;

use berth_audit::Actor;
use berth_db::{Tx, params};

use crate::access_token::{fingerprint, hex, mint};
use crate::accounts::{bump, now};
use crate::manage::Journal;
use crate::users::{self, end_logins};
use crate::{AccountKind, AccountName, Accounts, AuthError, Caller, NewUser, Secret};

/// How long the first link lives, in microseconds: 15 minutes.
const FIRST: i64 = 15 * 60 * 1_000_000;
/// How long a link to choose a password lives, in microseconds: a day.
const PASSWORD: i64 = 24 * 60 * 60 * 1_000_000;

/// A link's secret, to be put behind `/setup/`.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Works once.
    pub secret: Secret,
    /// Until when, in microseconds since 1970.
    pub expires_at: i64,
}

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invited {
    /// To make the first administrator; the visitor chooses the name.
    FirstAdministrator,
    /// To choose the password of this user.
    Password(AccountName),
}

impl Accounts {
    /// A link for the first administrator, 15 minutes; earlier ones end. `None` when there are accounts already.
    ///
    /// # Errors
    /// [`AuthError::Db`].
    pub async fn invite_first_administrator(&self) -> Result<Option<Invitation>, AuthError> {
        if self.any() {
            return Ok(None);
        }
        self.invite(None, FIRST).await.map(Some)
    }

    /// A link to choose a password, 24 hours; earlier ones for the user end. For administrators.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::UnknownAccount`].
    pub async fn invite_password(&self, user: &AccountName, by: &Caller) -> Result<Invitation, AuthError> {
        let manager = self.manager(by)?;
        manager.require_admin("making links")?;
        manager.require_in_person("making links")?;
        let user = manager.find(user, AccountKind::User)?;
        let invitation = self.invite(Some(user.id.0), PASSWORD).await?;
        let (name, journal) = (user.name.to_string(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (name, journal) = (name.clone(), journal.clone());
                Box::pin(
                    async move { Ok::<_, AuthError>(journal.tell(&mut tx, "user.invite", &name, "").await?) },
                )
            })
            .await?;
        Ok(invitation)
    }

    /// What an open link is for.
    ///
    /// # Errors
    /// [`AuthError::UnknownInvitation`] if it never existed, was used, or has ended.
    pub async fn invited(&self, secret: &Secret) -> Result<Invited, AuthError> {
        let hash = hash(secret)?;
        let opened = self
            .0
            .db
            .read(move |mut tx| {
                let hash = hash.clone();
                Box::pin(async move { find(&mut tx, &hash).await })
            })
            .await?;
        match opened {
            None if self.any() => Err(AuthError::UnknownInvitation),
            None => Ok(Invited::FirstAdministrator),
            Some((_, name)) => Ok(Invited::Password(name.parse()?)),
        }
    }

    /// Uses a link: sets the password, and makes the administrator `name` if that is what it is for. In one transaction,
    /// so that of two visitors one succeeds.
    ///
    /// # Errors
    /// [`AuthError::UnknownInvitation`], [`AuthError::WeakPassword`], [`AuthError::Exists`], a missing name.
    pub async fn accept(
        &self,
        secret: &Secret,
        name: Option<AccountName>,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<AccountName, AuthError> {
        // Before any work is done: nobody without a link can make us compute hashes.
        self.invited(secret).await?;
        let password = self.0.passwords.hash(password).await?;
        let hash = hash(secret)?;
        let accepted = self
            .0
            .db
            .write(move |mut tx| {
                let (hash, name, password) = (hash.clone(), name.clone(), password.clone());
                Box::pin(async move {
                    let opened = find(&mut tx, &hash).await?;
                    tx.execute("DELETE FROM invitations WHERE hash = ?1", params![&hash]).await?;
                    match opened {
                        None => first(&mut tx, name, &password, from).await,
                        Some((id, name)) => choose(&mut tx, id, &name, &password, from).await,
                    }
                })
            })
            .await?;
        self.reload().await?;
        Ok(accepted)
    }

    async fn invite(&self, account: Option<i64>, life: i64) -> Result<Invitation, AuthError> {
        let secret = mint()?;
        let (hash, expires_at) = (hash(&secret)?, now().saturating_add(life));
        self.0
            .db
            .write(move |mut tx| {
                let hash = hash.clone();
                Box::pin(async move {
                    let sql = "DELETE FROM invitations WHERE COALESCE(account_id, 0) = COALESCE(?1, 0)";
                    tx.execute(sql, params![account]).await?;
                    let sql = "INSERT INTO invitations (hash, account_id, expires_at) VALUES (?1, ?2, ?3)";
                    tx.execute(sql, params![&hash, account, expires_at]).await?;
                    Ok::<_, AuthError>(())
                })
            })
            .await?;
        Ok(Invitation { secret, expires_at })
    }
}

fn hash(secret: &Secret) -> Result<String, AuthError> {
    fingerprint(secret).map(|hash| hex(&hash)).ok_or(AuthError::UnknownInvitation)
}

/// The user whose password an open link is for, `None` if it is for the first administrator.
async fn find(tx: &mut Tx<'_>, hash: &str) -> Result<Option<(i64, String)>, AuthError> {
    let sql = "SELECT i.account_id, a.name FROM invitations i LEFT JOIN accounts a ON a.id = i.account_id
         WHERE i.hash = ?1 AND i.expires_at > ?2";
    let row = tx.query_opt(sql, params![hash, now()]).await?.ok_or(AuthError::UnknownInvitation)?;
    Ok(row.get::<Option<i64>>(0)?.zip(row.get::<Option<String>>(1)?))
}

/// Makes the first administrator, unless there is somebody by now.
async fn first(
    tx: &mut Tx<'_>,
    name: Option<AccountName>,
    password: &str,
    from: Option<IpAddr>,
) -> Result<AccountName, AuthError> {
    let somebody = tx.query_opt("SELECT 1 FROM accounts WHERE kind = 'user' LIMIT 1", &[]).await?;
    if somebody.is_some() {
        return Err(AuthError::UnknownInvitation);
    }
    let name = name.filter(|name| name.robot_owner().is_none());
    let name = name.ok_or_else(|| AuthError::Invalid("choose a name for the administrator".to_owned()))?;
    let user = NewUser { name: name.clone(), admin: true, password: None };
    users::add(tx, &user, Some(password), &visitor("setup link", from)).await?;
    Ok(name)
}

async fn choose(
    tx: &mut Tx<'_>,
    id: i64,
    name: &str,
    password: &str,
    from: Option<IpAddr>,
) -> Result<AccountName, AuthError> {
    tx.execute("UPDATE accounts SET password = ?1 WHERE id = ?2", params![password, id]).await?;
    end_logins(tx, id).await?;
    bump(tx).await?;
    visitor(name, from).tell(tx, "user.password", name, "by link").await?;
    Ok(name.parse()?)
}

/// Whoever has the link, for the audit log.
fn visitor(name: &str, address: Option<IpAddr>) -> Journal {
    Journal::new(Actor { id: "link".to_owned(), name: name.to_owned(), address })
}
