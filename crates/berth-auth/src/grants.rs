//! Grants: subject × pattern of names × actions.

use std::fmt;
use std::str::FromStr;

use berth_db::{Row, params};

use crate::accounts::bump;
use crate::directory::word;
use crate::manage::forbidden;
use crate::{AccountName, Accounts, Actions, AuthError, Caller, NameError, Pattern};

/// A row number of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(pub i64);

/// To whom something is granted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Everybody, also those who did not sign in. Written `everyone`.
    Everyone,
    /// A user, a team (each member) or a robot.
    Account(AccountName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Everyone => f.write_str(EVERYONE),
            Subject::Account(name) => name.fmt(f),
        }
    }
}

impl FromStr for Subject {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Subject, NameError> {
        if text == EVERYONE { Ok(Subject::Everyone) } else { text.parse().map(Subject::Account) }
    }
}

/// How [`Subject::Everyone`] is written; no account can have the name.
const EVERYONE: &str = "everyone";

/// A grant as the directory holds it.
#[derive(Debug, Clone)]
pub(crate) struct GrantRecord {
    pub(crate) id: GrantId,
    pub(crate) pattern: Pattern,
    pub(crate) actions: Actions,
}

/// What is to be granted.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// To whom.
    pub subject: Subject,
    /// Where.
    pub pattern: Pattern,
    /// What.
    pub actions: Actions,
    /// Whether a pattern that reaches into every namespace is meant.
    pub wide: bool,
}

/// A grant as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantView {
    /// Its number, by which it is removed.
    pub id: GrantId,
    /// To whom.
    pub subject: Subject,
    /// Where.
    pub pattern: Pattern,
    /// What.
    pub actions: Actions,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
}

const VIEW: &str =
    "SELECT g.id, COALESCE(a.name, 'everyone'), g.pattern, g.actions, g.created_at, g.created_by
     FROM grants g LEFT JOIN accounts a ON a.id = g.account_id";

impl Accounts {
    /// Grants something. Administrators may grant everything; owners and team administrators in their namespace (the
    /// pattern's first component names it).
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::UnknownAccount`], [`AuthError::WidePattern`].
    pub async fn add_grant(&self, grant: NewGrant, by: &Caller) -> Result<GrantView, AuthError> {
        let manager = self.manager(by)?;
        if !manager.may_grant(&grant.pattern) {
            return Err(forbidden("granting rights there", "the owner of the namespace and administrators"));
        }
        if grant.pattern.is_wide() && !grant.wide {
            return Err(AuthError::WidePattern { pattern: grant.pattern.to_string() });
        }
        if grant.actions.is_empty() {
            return Err(AuthError::Invalid("a grant needs an action".to_owned()));
        }
        let account = match &grant.subject {
            Subject::Everyone => None,
            Subject::Account(name) => match manager.directory.account_named(name.as_str()) {
                Some(account) => Some(account.id.0),
                None => {
                    return Err(AuthError::UnknownAccount { kind: "account", name: name.to_string() });
                }
            },
        };
        let journal = manager.journal();
        let row = self
            .0
            .db
            .write(move |mut tx| {
                let (grant, journal) = (grant.clone(), journal.clone());
                Box::pin(async move {
                    let sql = "INSERT INTO grants (account_id, pattern, actions, created_at, created_by)
                         VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id";
                    let (pattern, actions) = (grant.pattern.as_str(), grant.actions.to_string());
                    let values = params![account, pattern, &actions, journal.at, journal.name()];
                    let id: i64 = tx.query_one(sql, values).await?.get(0)?;
                    bump(&mut tx).await?;
                    let detail = format!("{actions} on {pattern}");
                    journal.tell(&mut tx, "grant.add", &grant.subject.to_string(), &detail).await?;
                    Ok::<_, AuthError>(tx.query_one(&format!("{VIEW} WHERE g.id = ?1"), params![id]).await?)
                })
            })
            .await?;
        self.reload().await?;
        view(&row)
    }

    /// Grants that the caller may see: all for administrators, those in their namespaces and to themselves for others.
    ///
    /// # Errors
    /// [`AuthError::Db`].
    pub async fn grants(&self, by: &Caller) -> Result<Vec<GrantView>, AuthError> {
        let manager = self.manager(by)?;
        let rows = self
            .0
            .db
            .read(|mut tx| Box::pin(async move { tx.query(&format!("{VIEW} ORDER BY g.id"), &[]).await }))
            .await?;
        let mut views = rows.iter().map(view).collect::<Result<Vec<_>, _>>()?;
        views.retain(|grant| {
            let own = |name: &AccountName| {
                manager
                    .directory
                    .account_named(name.as_str())
                    .is_some_and(|account| manager.may_change(account))
            };
            manager.may_grant(&grant.pattern) || matches!(&grant.subject, Subject::Account(name) if own(name))
        });
        Ok(views)
    }

    /// Takes a grant back; who may grant it may do that.
    ///
    /// # Errors
    /// [`AuthError::Unknown`].
    pub async fn remove_grant(&self, id: GrantId, by: &Caller) -> Result<(), AuthError> {
        let manager = self.manager(by)?;
        let mut grants = self.grants(by).await?.into_iter();
        let grant = grants.find(|grant| grant.id == id && manager.may_grant(&grant.pattern));
        let grant = grant.ok_or(AuthError::Unknown { what: "grant", id: id.0 })?;
        let journal = manager.journal();
        self.0
            .db
            .write(move |mut tx| {
                let (grant, journal) = (grant.clone(), journal.clone());
                Box::pin(async move {
                    tx.execute("DELETE FROM grants WHERE id = ?1", params![id.0]).await?;
                    bump(&mut tx).await?;
                    let detail = format!("{} on {}", grant.actions, grant.pattern);
                    Ok::<_, AuthError>(
                        journal.tell(&mut tx, "grant.remove", &grant.subject.to_string(), &detail).await?,
                    )
                })
            })
            .await?;
        self.reload().await
    }
}

fn view(row: &Row) -> Result<GrantView, AuthError> {
    Ok(GrantView {
        id: GrantId(row.get(0)?),
        subject: word(row, 1)?,
        pattern: word(row, 2)?,
        actions: word(row, 3)?,
        created_at: row.get(4)?,
        created_by: row.get(5)?,
    })
}
