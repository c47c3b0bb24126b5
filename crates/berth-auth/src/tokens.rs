//! Access tokens: making, listing, revoking.

use berth_db::{Row, Tx, params};

use crate::access_token::{self, Kind, hex, joined, parts};
use crate::accounts::{bump, now};
use crate::directory::word;
use crate::manage::{Journal, Manager};
use crate::{
    Account, AccountId, AccountKind, AccountName, Accounts, AuthError, Caller, NewToken, Secret, TokenId,
    TokenView,
};

const VIEW: &str =
    "SELECT t.id, a.name, t.name, t.kind, t.actions, t.patterns, t.sources, t.created_at, t.expires_at,
         t.last_used_at, t.last_used_from
     FROM access_tokens t JOIN accounts a ON a.id = t.account_id";

/// Logins that are remembered of a user; of more the longest unused end.
const LOGINS: i64 = 100;

impl Accounts {
    /// Makes a token, for the caller or for a robot of his. The secret is told this once. A token makes no tokens.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::UnknownAccount`], [`AuthError::Invalid`].
    pub async fn add_token(&self, token: NewToken, by: &Caller) -> Result<(TokenView, Secret), AuthError> {
        let manager = self.manager(by)?;
        manager.require_in_person("making tokens")?;
        let account = manager.token_account(token.account.as_ref())?;
        check(&token)?;
        let secret = access_token::mint()?;
        let hash = access_token::fingerprint(&secret).ok_or(AuthError::UnknownInvitation)?;
        let (name, id, journal) = (account.name.to_string(), account.id, manager.journal());
        let row = self
            .0
            .db
            .write(move |mut tx| {
                let (token, name, journal) = (token.clone(), name.clone(), journal.clone());
                Box::pin(async move {
                    let row = insert(&mut tx, Kind::Access, id, 0, &token, &hash, journal.at).await?;
                    journal.tell(&mut tx, "token.add", &name, &token.name).await?;
                    Ok::<_, AuthError>(row)
                })
            })
            .await?;
        self.reload().await?;
        Ok((view(&row)?, secret))
    }

    /// Tokens of the caller and of what he may change; of `account` alone if that is given.
    ///
    /// # Errors
    /// [`AuthError::UnknownAccount`].
    pub async fn tokens(
        &self,
        account: Option<&AccountName>,
        by: &Caller,
    ) -> Result<Vec<TokenView>, AuthError> {
        let manager = self.manager(by)?;
        let only = account.map(|name| manager.token_account(Some(name))).transpose()?;
        let rows = self
            .0
            .db
            .read(|mut tx| Box::pin(async move { tx.query(&format!("{VIEW} ORDER BY t.id"), &[]).await }))
            .await?;
        let mut views = rows.iter().map(view).collect::<Result<Vec<_>, _>>()?;
        views.retain(|token| {
            let owner = manager.directory.account_named(token.account.as_str());
            owner.is_some_and(|owner| match &only {
                Some(only) => owner.id == only.id,
                None => manager.may_change(owner),
            })
        });
        Ok(views)
    }

    /// Revokes a token, at once. Who may make it may do that.
    ///
    /// # Errors
    /// [`AuthError::Unknown`], also for tokens of others.
    pub async fn revoke_token(&self, id: TokenId, by: &Caller) -> Result<(), AuthError> {
        let manager = self.manager(by)?;
        let token = self.tokens(None, by).await?.into_iter().find(|token| token.id == id);
        let token = token.ok_or(AuthError::Unknown { what: "token", id: id.0 })?;
        let journal = manager.journal();
        self.0
            .db
            .write(move |mut tx| {
                let (token, journal) = (token.clone(), journal.clone());
                Box::pin(async move {
                    tx.execute("DELETE FROM access_tokens WHERE id = ?1", params![id.0]).await?;
                    bump(&mut tx).await?;
                    Ok::<_, AuthError>(
                        journal.tell(&mut tx, "token.revoke", token.account.as_str(), &token.name).await?,
                    )
                })
            })
            .await?;
        self.reload().await
    }

    /// Makes a token of the kind *login* for a user who came with his password.
    pub(crate) async fn add_login(
        &self,
        account: &Account,
        name: String,
        by: &Caller,
    ) -> Result<Secret, AuthError> {
        let token = NewToken {
            account: None,
            name,
            actions: crate::Actions::ALL,
            patterns: Vec::new(),
            expires_at: Some(now().saturating_add(access_token::LOGIN_LIFE)),
            sources: Vec::new(),
        };
        let secret = access_token::mint()?;
        let hash = access_token::fingerprint(&secret).ok_or(AuthError::UnknownInvitation)?;
        let (id, epoch, journal) = (account.id, account.epoch, Journal::new(by.actor()));
        self.0
            .db
            .write(move |mut tx| {
                let (token, journal) = (token.clone(), journal.clone());
                Box::pin(async move {
                    let row = insert(&mut tx, Kind::Login, id, epoch, &token, &hash, journal.at).await?;
                    let sql =
                        "DELETE FROM access_tokens WHERE account_id = ?1 AND kind = 'login' AND id NOT IN
                             (SELECT id FROM access_tokens WHERE account_id = ?1 AND kind = 'login'
                              ORDER BY COALESCE(last_used_at, created_at) DESC, id DESC LIMIT ?2)";
                    tx.execute(sql, params![id.0, LOGINS]).await?;
                    let account: String = row.get(1)?;
                    journal.tell(&mut tx, "token.add", &account, &token.name).await?;
                    Ok::<_, AuthError>(())
                })
            })
            .await?;
        self.reload().await?;
        Ok(secret)
    }
}

impl Manager {
    /// The account that a token is for.
    fn token_account(&self, name: Option<&AccountName>) -> Result<Account, AuthError> {
        match name {
            Some(name) if name.robot_owner().is_some() => self.find(name, AccountKind::Robot),
            Some(name) => self.find(name, AccountKind::User),
            None => {
                let own = self.account.and_then(|own| self.directory.account(own));
                own.cloned().ok_or_else(|| AuthError::Invalid("say whose token it is to be".to_owned()))
            }
        }
    }
}

fn check(token: &NewToken) -> Result<(), AuthError> {
    let invalid = |text: &str| Err(AuthError::Invalid(text.to_owned()));
    if token.name.is_empty() || token.name.chars().count() > 100 || token.name.chars().any(char::is_control) {
        return invalid("a token has a name of 1 to 100 characters");
    }
    if token.actions.is_empty() {
        return invalid("a token needs an action");
    }
    if token.expires_at.is_some_and(|end| end <= now()) {
        return invalid("the token would have ended already");
    }
    if token.patterns.len() > 100 || token.sources.len() > 100 {
        return invalid("a token has at most 100 patterns and 100 source networks");
    }
    Ok(())
}

async fn insert(
    tx: &mut Tx<'_>,
    kind: Kind,
    account: AccountId,
    epoch: i64,
    token: &NewToken,
    hash: &[u8; 32],
    at: i64,
) -> Result<Row, AuthError> {
    let sql = "INSERT INTO access_tokens
             (account_id, kind, name, hash, epoch, actions, patterns, sources, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id";
    let (actions, patterns, sources) =
        (token.actions.to_string(), joined(&token.patterns), joined(&token.sources));
    let hash = hex(hash);
    let values = params![
        account.0,
        kind.as_str(),
        &token.name,
        &hash,
        epoch,
        &actions,
        &patterns,
        &sources,
        at,
        token.expires_at
    ];
    let id: i64 = tx.query_one(sql, values).await?.get(0)?;
    bump(tx).await?;
    Ok(tx.query_one(&format!("{VIEW} WHERE t.id = ?1"), params![id]).await?)
}

fn view(row: &Row) -> Result<TokenView, AuthError> {
    Ok(TokenView {
        id: TokenId(row.get(0)?),
        account: word(row, 1)?,
        name: row.get(2)?,
        is_login: row.get::<String>(3)? == Kind::Login.as_str(),
        actions: word(row, 4)?,
        patterns: parts(row, 5)?,
        sources: parts(row, 6)?,
        created_at: row.get(7)?,
        expires_at: row.get(8)?,
        last_used_at: row.get(9)?,
        last_used_from: row.get::<Option<String>>(10)?.and_then(|address| address.parse().ok()),
    })
}
