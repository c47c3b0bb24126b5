//! All accounts, teams, grants and tokens, in memory.
//!
//! Rows are the truth; a directory is what they said at one generation. Every transaction that changes one of those
//! rows counts the generation up (`auth_state`), so that this process reads anew at once and others within two seconds.

use std::collections::HashMap;
use std::str::FromStr;

use berth_db::{Db, Row, Tx};
use berth_oci::RepositoryName;

use crate::access_token::{self, TokenRecord};
use crate::grants::GrantRecord;
use crate::{Account, AccountId, AccountKind, AuthError, GrantId, Role};

/// What the rows said at one generation. Never changed, only replaced.
#[derive(Debug, Default)]
pub struct Directory {
    pub(crate) generation: i64,
    /// Whether there is a user, so that the server asks who is there.
    pub(crate) has_users: bool,
    pub(crate) accounts: HashMap<AccountId, Account>,
    pub(crate) by_name: HashMap<String, AccountId>,
    /// Teams of a user, with his role.
    pub(crate) memberships: HashMap<AccountId, Vec<(AccountId, Role)>>,
    /// Grants of an account; those to everyone are under `None`.
    pub(crate) grants: HashMap<Option<AccountId>, Vec<GrantRecord>>,
    /// Access tokens that are not revoked, by the SHA-256 of their secret.
    pub(crate) tokens: HashMap<[u8; 32], TokenRecord>,
    pub(crate) token_hashes: HashMap<crate::TokenId, [u8; 32]>,
}

impl Directory {
    /// The account with that name.
    pub fn account_named(&self, name: &str) -> Option<&Account> {
        self.accounts.get(self.by_name.get(name)?)
    }

    /// The account with that id.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// The account with that id, if it may do anything: it is not disabled, and for a robot its owner is not either.
    pub(crate) fn enabled(&self, id: AccountId) -> Option<&Account> {
        let account = self.accounts.get(&id).filter(|account| !account.disabled)?;
        match account.owner {
            Some(owner) => self.accounts.get(&owner).filter(|owner| !owner.disabled).map(|_| account),
            None => Some(account),
        }
    }

    /// The user or team that owns the namespace of a repository. Names of one part have none, and nor have those that
    /// begin with a host: no user and no team has a dot in its name.
    pub fn namespace_of(&self, name: &RepositoryName) -> Option<&Account> {
        let (first, _) = name.as_str().split_once('/')?;
        self.account_named(first).filter(|account| account.kind != AccountKind::Robot)
    }

    /// The role of a user in a team.
    /// The teams that a user is in, by name.
    pub fn teams_of(&self, user: AccountId) -> Vec<&Account> {
        let memberships = self.memberships.get(&user).map_or(&[][..], Vec::as_slice);
        let mut teams: Vec<_> = memberships.iter().filter_map(|(team, _)| self.account(*team)).collect();
        teams.sort_by(|a, b| a.name.cmp(&b.name));
        teams
    }

    pub(crate) fn role(&self, user: AccountId, team: AccountId) -> Option<Role> {
        let teams = self.memberships.get(&user)?;
        teams.iter().find(|(id, _)| *id == team).map(|(_, role)| *role)
    }

    /// Reads all rows. They are read again when one changed meanwhile, so a directory never mixes two generations.
    pub(crate) async fn read(db: &Db) -> Result<Directory, AuthError> {
        loop {
            let directory = db.read(|mut tx| Box::pin(async move { rows(&mut tx).await })).await?;
            if generation(db).await? == directory.generation {
                return Ok(directory);
            }
        }
    }
}

/// The generation that the rows have now.
pub(crate) async fn generation(db: &Db) -> Result<i64, AuthError> {
    db.read(|mut tx| Box::pin(async move { current(&mut tx).await })).await
}

async fn current(tx: &mut Tx<'_>) -> Result<i64, AuthError> {
    let sql = "SELECT value FROM auth_state WHERE key = 'generation'";
    Ok(tx.query_one(sql, &[]).await?.get(0)?)
}

async fn rows(tx: &mut Tx<'_>) -> Result<Directory, AuthError> {
    let mut directory = Directory { generation: current(tx).await?, ..Directory::default() };
    let sql = "SELECT id, kind, name, admin, disabled, default_visibility, epoch, owner_id FROM accounts";
    for row in tx.query(sql, &[]).await? {
        let account = account(&row)?;
        directory.has_users |= account.kind == AccountKind::User;
        directory.by_name.insert(account.name.to_string(), account.id);
        directory.accounts.insert(account.id, account);
    }
    for row in tx.query("SELECT user_id, team_id, role FROM team_members", &[]).await? {
        let (user, team) = (AccountId(row.get(0)?), AccountId(row.get(1)?));
        directory.memberships.entry(user).or_default().push((team, word(&row, 2)?));
    }
    for row in tx.query("SELECT id, account_id, pattern, actions FROM grants ORDER BY id", &[]).await? {
        let account = row.get::<Option<i64>>(1)?.map(AccountId);
        let grant =
            GrantRecord { id: GrantId(row.get(0)?), pattern: word(&row, 2)?, actions: word(&row, 3)? };
        directory.grants.entry(account).or_default().push(grant);
    }
    let sql =
        "SELECT id, account_id, kind, epoch, expires_at, actions, patterns, sources, hash FROM access_tokens";
    for row in tx.query(sql, &[]).await? {
        let (hash, token) = access_token::record(&row)?;
        directory.token_hashes.insert(token.id, hash);
        directory.tokens.insert(hash, token);
    }
    Ok(directory)
}

fn account(row: &Row) -> Result<Account, AuthError> {
    Ok(Account {
        id: AccountId(row.get(0)?),
        kind: word(row, 1)?,
        name: word(row, 2)?,
        admin: row.get::<i64>(3)? != 0,
        disabled: row.get::<i64>(4)? != 0,
        default_visibility: word(row, 5)?,
        epoch: row.get(6)?,
        owner: row.get::<Option<i64>>(7)?.map(AccountId),
    })
}

/// A column that holds a word of ours.
pub(crate) fn word<T: FromStr>(row: &Row, column: usize) -> Result<T, AuthError> {
    row.get::<String>(column)?.parse().map_err(|_| AuthError::Damaged { column })
}
