//! Who an identity provider vouches for: a subject of an issuer, linked with a user here.
//!
//! The subject is what counts, since a provider never gives it to somebody else; names and addresses of mail change hands.

use std::net::IpAddr;

use berth_db::{Row, params};

use crate::accounts::bump;
use crate::manage::{Journal, insert};
use crate::{AccountId, AccountKind, AccountName, Accounts, AuthError, Caller, Who};

/// What a provider says of somebody who just signed in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The provider, as its tokens name it.
    pub issuer: String,
    /// The number or word by which it knows the person.
    pub subject: String,
    /// The name that a new user would get.
    pub user_name: Option<String>,
}

/// A link between a user and an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityView {
    /// The provider.
    pub issuer: String,
    /// Whom it vouches for.
    pub subject: String,
    /// Since when, in microseconds since 1970.
    pub created_at: i64,
}

impl Accounts {
    /// The user whom an identity is linked with; a new one if there is none and `makes_users` says so.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] if the user is disabled; [`AuthError::Exists`] if the name for a new user is taken: who
    /// has it may sign in and link; [`AuthError::Invalid`] if there is none and none is made.
    pub async fn vouched(
        &self,
        identity: &Vouched,
        from: Option<IpAddr>,
        makes_users: bool,
    ) -> Result<Caller, AuthError> {
        if let Some(id) = self.linked(identity).await? {
            let directory = self.directory();
            let account = directory.enabled(id);
            let account =
                account.ok_or(AuthError::Forbidden { what: "signing in", whom: "users who are enabled" })?;
            let caller = Caller::of(account, from, None, None, None);
            self.tell_login(&caller, &identity.issuer).await?;
            return Ok(caller);
        }
        if !makes_users || !self.any() {
            let advice = "no user here is linked with this identity; sign in with a password and link it, or ask an administrator";
            return Err(AuthError::Invalid(advice.to_owned()));
        }
        let id = self.make_vouched(identity, from).await?;
        self.reload().await?;
        let directory = self.directory();
        let account = directory.enabled(id).ok_or(AuthError::UnknownInvitation)?;
        Ok(Caller::of(account, from, None, None, None))
    }

    /// Links an identity with the caller, who came in person.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`]; [`AuthError::Exists`] if it is linked with somebody.
    pub async fn link_identity(&self, identity: &Vouched, by: &Caller) -> Result<(), AuthError> {
        let manager = self.manager(by)?;
        manager.require_in_person("linking identities")?;
        let Who::Account { id, kind: AccountKind::User, name } = by.who().clone() else {
            return Err(AuthError::Forbidden { what: "linking identities", whom: "users" });
        };
        let (identity, journal) = (identity.clone(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (identity, journal, name) = (identity.clone(), journal.clone(), name.clone());
                Box::pin(async move { link(&mut tx, &identity, id.0, name.as_str(), &journal).await })
            })
            .await
    }

    /// The identities that are linked with the caller.
    ///
    /// # Errors
    /// [`AuthError::Db`].
    pub async fn identities(&self, by: &Caller) -> Result<Vec<IdentityView>, AuthError> {
        let Who::Account { id, .. } = by.who() else { return Ok(Vec::new()) };
        let id = id.0;
        let sql =
            "SELECT issuer, subject, created_at FROM identities WHERE account_id = ?1 ORDER BY created_at";
        let rows =
            self.0.db.read(move |mut tx| Box::pin(async move { tx.query(sql, params![id]).await })).await?;
        let view = |row: &Row| {
            Ok(IdentityView { issuer: row.get(0)?, subject: row.get(1)?, created_at: row.get(2)? })
        };
        rows.iter().map(view).collect()
    }

    /// Ends a link of the caller.
    ///
    /// # Errors
    /// [`AuthError::Unknown`] if he has none such.
    pub async fn unlink_identity(&self, issuer: &str, subject: &str, by: &Caller) -> Result<(), AuthError> {
        let manager = self.manager(by)?;
        manager.require_in_person("ending links")?;
        let account = manager.account.map_or(-1, |id| id.0);
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        let (journal, name) = (manager.journal(), by.name().to_owned());
        self.0
            .db
            .write(move |mut tx| {
                let (issuer, subject) = (issuer.clone(), subject.clone());
                let (journal, name) = (journal.clone(), name.clone());
                Box::pin(async move {
                    let sql = "DELETE FROM identities WHERE issuer = ?1 AND subject = ?2 AND account_id = ?3";
                    if tx.execute(sql, params![&issuer, &subject, account]).await? == 0 {
                        return Err(AuthError::Unknown { what: "identity", id: account });
                    }
                    Ok(journal.tell(&mut tx, "identity.unlink", &name, &issuer).await?)
                })
            })
            .await
    }

    async fn linked(&self, identity: &Vouched) -> Result<Option<AccountId>, AuthError> {
        let (issuer, subject) = (identity.issuer.clone(), identity.subject.clone());
        let sql = "SELECT account_id FROM identities WHERE issuer = ?1 AND subject = ?2";
        let row = self
            .0
            .db
            .read(move |mut tx| {
                let (issuer, subject) = (issuer.clone(), subject.clone());
                Box::pin(async move { tx.query_opt(sql, params![&issuer, &subject]).await })
            })
            .await?;
        row.map(|row| Ok(AccountId(row.get(0)?))).transpose()
    }

    /// Makes a user without a password, linked from the beginning.
    async fn make_vouched(&self, identity: &Vouched, from: Option<IpAddr>) -> Result<AccountId, AuthError> {
        let wanted = identity.user_name.as_deref().unwrap_or_default().to_lowercase();
        // Providers put an address where a name belongs.
        let name: AccountName = wanted.split('@').next().unwrap_or_default().parse()?;
        let journal = Journal::new(Caller::anonymous(from).actor());
        let identity = identity.clone();
        let id = self
            .0
            .db
            .write(move |mut tx| {
                let (identity, name, journal) = (identity.clone(), name.clone(), journal.clone());
                Box::pin(async move {
                    let id = insert(&mut tx, AccountKind::User, &name, None, journal.at).await?;
                    bump(&mut tx).await?;
                    journal.tell(&mut tx, "user.add", name.as_str(), &identity.issuer).await?;
                    link(&mut tx, &identity, id, name.as_str(), &journal).await?;
                    Ok::<_, AuthError>(id)
                })
            })
            .await?;
        Ok(AccountId(id))
    }

    async fn tell_login(&self, caller: &Caller, issuer: &str) -> Result<(), AuthError> {
        let (journal, name, issuer) =
            (Journal::new(caller.actor()), caller.name().to_owned(), issuer.to_owned());
        self.0
            .db
            .write(move |mut tx| {
                let (journal, name, issuer) = (journal.clone(), name.clone(), issuer.clone());
                Box::pin(async move {
                    Ok::<_, AuthError>(journal.tell(&mut tx, "login.accept", &name, &issuer).await?)
                })
            })
            .await
    }
}

async fn link(
    tx: &mut berth_db::Tx<'_>,
    identity: &Vouched,
    account: i64,
    name: &str,
    journal: &Journal,
) -> Result<(), AuthError> {
    let sql = "INSERT INTO identities (issuer, subject, account_id, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (issuer, subject) DO NOTHING";
    let values = params![&identity.issuer, &identity.subject, account, journal.at];
    if tx.execute(sql, values).await? == 0 {
        return Err(AuthError::Exists { name: format!("{} of {}", identity.subject, identity.issuer) });
    }
    Ok(journal.tell(tx, "identity.link", name, &identity.issuer).await?)
}
