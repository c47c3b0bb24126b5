//! Who may change accounts: the checks that all changes share, and the form of a change.
//!
//! Whoever may not know of an account is told that there is none, so nobody learns names by trying.

use std::sync::Arc;

use berth_audit::{Actor, Event};
use berth_db::{DbError, Tx, params};

use crate::accounts::now;
use crate::{
    Account, AccountId, AccountKind, AccountName, Accounts, AuthError, Caller, Directory, Pattern, Role, Who,
};

/// Somebody who changes accounts, as the directory sees him at this moment.
pub(crate) struct Manager {
    pub(crate) directory: Arc<Directory>,
    /// `None` is the owner of the data folder.
    pub(crate) account: Option<AccountId>,
    pub(crate) is_admin: bool,
    /// Whether he came with a password (or owns the folder), not with a token.
    pub(crate) in_person: bool,
    pub(crate) actor: Actor,
}

/// Tells the audit log of a change, and when it was made.
#[derive(Clone)]
pub(crate) struct Journal {
    actor: Actor,
    pub(crate) at: i64,
}

impl Journal {
    pub(crate) fn new(actor: Actor) -> Journal {
        Journal { actor, at: now() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.actor.name
    }

    pub(crate) async fn tell(
        &self,
        tx: &mut Tx<'_>,
        action: &'static str,
        target: &str,
        detail: &str,
    ) -> Result<(), DbError> {
        let event = Event { at: self.at, action, repository: None, target, detail };
        berth_audit::append(tx, &self.actor, &event).await
    }
}

impl Accounts {
    /// The caller as one who changes accounts.
    ///
    /// A bearer token is issued for repositories and changes no account. An access token changes some if it was made for
    /// everything: all actions, all names.
    pub(crate) fn manager(&self, by: &Caller) -> Result<Manager, AuthError> {
        let directory = self.directory();
        let (account, is_admin) = match by.who() {
            Who::FolderOwner => (None, true),
            Who::Anonymous => return Err(forbidden("this", "those who signed in")),
            Who::Account { id, .. } => {
                let account = directory.enabled(*id).ok_or(forbidden("this", "accounts that are enabled"))?;
                (Some(account.id), account.admin)
            }
        };
        if by.has_bearer() || by.0.narrowing.as_ref().is_some_and(|narrowing| !narrowing.is_whole()) {
            return Err(forbidden(
                "changing accounts",
                "those who sign in with their password or an unnarrowed token",
            ));
        }
        let in_person = by.0.token.is_none();
        Ok(Manager { directory, account, is_admin, in_person, actor: by.actor() })
    }
}

impl Manager {
    /// For the rows of a change that this one makes now.
    pub(crate) fn journal(&self) -> Journal {
        Journal::new(self.actor.clone())
    }

    pub(crate) fn require_admin(&self, what: &'static str) -> Result<(), AuthError> {
        if self.is_admin { Ok(()) } else { Err(forbidden(what, "administrators")) }
    }

    /// A token must not be able to make itself outlive its revocation: no passwords, no other tokens.
    pub(crate) fn require_in_person(&self, what: &'static str) -> Result<(), AuthError> {
        if self.in_person { Ok(()) } else { Err(forbidden(what, "those who sign in with their password")) }
    }

    /// The account of that name and kind, if this one may change it: its own, its robots', its teams' where it is an
    /// administrator, all for administrators.
    pub(crate) fn find(&self, name: &AccountName, kind: AccountKind) -> Result<Account, AuthError> {
        let account = self.directory.account_named(name.as_str()).filter(|account| account.kind == kind);
        let account = account.filter(|account| self.may_change(account));
        account.cloned().ok_or_else(|| unknown(kind, name))
    }

    /// Whether this one may change an account and what belongs to it.
    pub(crate) fn may_change(&self, account: &Account) -> bool {
        let Some(own) = self.account.filter(|_| !self.is_admin) else { return true };
        match account.kind {
            AccountKind::User => account.id == own,
            AccountKind::Team => self.directory.role(own, account.id) == Some(Role::Admin),
            AccountKind::Robot => {
                let owner = account.owner.and_then(|owner| self.directory.account(owner));
                owner.is_some_and(|owner| self.may_change(owner))
            }
        }
    }

    /// Whether this one may say who may do what in the repositories that a pattern matches.
    pub(crate) fn may_grant(&self, pattern: &Pattern) -> bool {
        if self.is_admin {
            return true;
        }
        let namespace = pattern.as_str().split_once('/').map(|(first, _)| first);
        let owner = namespace.and_then(|name| self.directory.account_named(name));
        owner.is_some_and(|owner| owner.kind != AccountKind::Robot && self.may_change(owner))
    }
}

pub(crate) fn forbidden(what: &'static str, whom: &'static str) -> AuthError {
    AuthError::Forbidden { what, whom }
}

pub(crate) fn unknown(kind: AccountKind, name: &AccountName) -> AuthError {
    AuthError::UnknownAccount { kind: kind.as_str(), name: name.to_string() }
}

/// The id of an account that must still be there when the transaction runs.
pub(crate) async fn require(
    tx: &mut Tx<'_>,
    kind: AccountKind,
    name: &AccountName,
) -> Result<i64, AuthError> {
    let sql = "SELECT id FROM accounts WHERE name = ?1 AND kind = ?2";
    let row = tx.query_opt(sql, params![name.as_str(), kind.as_str()]).await?;
    Ok(row.ok_or_else(|| unknown(kind, name))?.get(0)?)
}

/// Removes an account with what belongs to it. What was granted in its namespace goes too: the next of that name shall
/// not have given it.
pub(crate) async fn remove(tx: &mut Tx<'_>, id: i64, name: &AccountName) -> Result<(), AuthError> {
    tx.execute("DELETE FROM accounts WHERE id = ?1", params![id]).await?;
    let namespace = format!("{name}/");
    let sql = "DELETE FROM grants WHERE substr(pattern, 1, ?1) = ?2";
    let length = i64::try_from(namespace.len()).unwrap_or(i64::MAX);
    tx.execute(sql, params![length, &namespace]).await?;
    Ok(())
}

/// Adds the row of an account, whose name must be free.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    kind: AccountKind,
    name: &AccountName,
    owner: Option<i64>,
    at: i64,
) -> Result<i64, AuthError> {
    let taken = tx.query_opt("SELECT 1 FROM accounts WHERE name = ?1", params![name.as_str()]).await?;
    if taken.is_some() {
        return Err(AuthError::Exists { name: name.to_string() });
    }
    let sql =
        "INSERT INTO accounts (kind, name, admin, disabled, default_visibility, epoch, owner_id, created_at)
         VALUES (?1, ?2, 0, 0, 'private', 0, ?3, ?4) RETURNING id";
    let row = tx.query_one(sql, params![kind.as_str(), name.as_str(), owner, at]).await?;
    Ok(row.get(0)?)
}
