//! Users.

use berth_db::{Row, Tx, params};

use crate::accounts::bump;
use crate::directory::word;
use crate::manage::{self, Journal, Manager, unknown};
use crate::{AccountKind, AccountName, Accounts, AuthError, Caller, Secret, Visibility};

/// The columns of a [`UserView`].
const VIEW: &str = "SELECT name, admin, disabled, CASE WHEN password IS NULL THEN 0 ELSE 1 END, default_visibility, created_at FROM accounts";

/// What a new user is to be.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name.
    pub name: AccountName,
    /// Whether he may do everything.
    pub admin: bool,
    /// The password; without one he cannot sign in until he used a link (`Accounts::invite_password`).
    pub password: Option<Secret>,
}

/// What is to be changed of a user; absent parts stay.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Whether he may do everything. For administrators.
    pub admin: Option<bool>,
    /// Whether he may do nothing for the time being. For administrators.
    pub disabled: Option<bool>,
    /// What repositories that his pushes make become.
    pub default_visibility: Option<Visibility>,
    /// A new password. Ends everything that was handed out for the old one, except access tokens.
    pub password: Option<Secret>,
    /// The present password: needed of users who change their own.
    pub present_password: Option<Secret>,
}

/// A user as people see him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The name.
    pub name: AccountName,
    /// Whether he may do everything.
    pub admin: bool,
    /// Whether he may do nothing for the time being.
    pub disabled: bool,
    /// Whether he has a password.
    pub has_password: bool,
    /// What repositories that his pushes make become.
    pub default_visibility: Visibility,
    /// When he was added, in microseconds since 1970.
    pub created_at: i64,
}

impl Accounts {
    /// Adds a user. The first one must be an administrator.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::Exists`], [`AuthError::WeakPassword`].
    pub async fn add_user(&self, user: NewUser, by: &Caller) -> Result<UserView, AuthError> {
        let manager = self.manager(by)?;
        manager.require_admin("adding users")?;
        manager.require_in_person("adding users")?;
        if user.name.robot_owner().is_some() {
            return Err(AuthError::Invalid(format!("{} is the name of a robot", user.name)));
        }
        if !user.admin && !self.any() {
            return Err(AuthError::Invalid("the first user must be an administrator".to_owned()));
        }
        let hash = match &user.password {
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        let (name, journal) = (user.name.clone(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (user, hash, journal) = (user.clone(), hash.clone(), journal.clone());
                Box::pin(async move { add(&mut tx, &user, hash.as_deref(), &journal).await })
            })
            .await?;
        self.reload().await?;
        self.view_user(&name).await
    }

    /// Users in the order of their names. For administrators.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`].
    pub async fn users(&self, by: &Caller) -> Result<Vec<UserView>, AuthError> {
        self.manager(by)?.require_admin("listing users")?;
        let sql = format!("{VIEW} WHERE kind = 'user' ORDER BY name");
        let rows = self
            .0
            .db
            .read(move |mut tx| {
                let sql = sql.clone();
                Box::pin(async move { tx.query(&sql, &[]).await })
            })
            .await?;
        rows.iter().map(view).collect()
    }

    /// One user. For administrators, and for himself.
    ///
    /// # Errors
    /// [`AuthError::UnknownAccount`].
    pub async fn user(&self, name: &AccountName, by: &Caller) -> Result<UserView, AuthError> {
        self.manager(by)?.find(name, AccountKind::User)?;
        self.view_user(name).await
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::UnknownAccount`], [`AuthError::WrongPassword`],
    /// [`AuthError::WeakPassword`], [`AuthError::LastAdministrator`].
    pub async fn change_user(
        &self,
        name: &AccountName,
        change: UserChange,
        by: &Caller,
    ) -> Result<UserView, AuthError> {
        let manager = self.manager(by)?;
        let user = manager.find(name, AccountKind::User)?;
        if change.admin.is_some() || change.disabled.is_some() {
            manager.require_admin("this")?;
        }
        if change.admin.is_some() || change.disabled.is_some() || change.password.is_some() {
            manager.require_in_person("changing users")?;
        }
        if change.password.is_some() && manager.account == Some(user.id) {
            let present = change.present_password.as_ref().ok_or(AuthError::WrongPassword)?;
            self.require_password(user.id, present).await?;
        }
        let hash = match &change.password {
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        self.write_user(name, change, hash, &manager).await?;
        self.view_user(name).await
    }

    /// Removes a user with his tokens, robots, grants and memberships. Who removes him says what becomes of his
    /// repositories before: the caller makes sure that his namespace is empty, or hands it to administrators.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::UnknownAccount`], [`AuthError::LastAdministrator`].
    pub async fn remove_user(&self, name: &AccountName, by: &Caller) -> Result<(), AuthError> {
        let manager = self.manager(by)?;
        manager.require_admin("removing users")?;
        manager.require_in_person("removing users")?;
        let (name, journal) = (name.clone(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (name, journal) = (name.clone(), journal.clone());
                Box::pin(async move {
                    let id = manage::require(&mut tx, AccountKind::User, &name).await?;
                    manage::remove(&mut tx, id, &name).await?;
                    require_an_administrator(&mut tx, &name).await?;
                    bump(&mut tx).await?;
                    Ok::<_, AuthError>(journal.tell(&mut tx, "user.remove", name.as_str(), "").await?)
                })
            })
            .await?;
        self.reload().await
    }

    async fn write_user(
        &self,
        name: &AccountName,
        change: UserChange,
        hash: Option<String>,
        manager: &Manager,
    ) -> Result<(), AuthError> {
        let (name, journal) = (name.clone(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (name, change, hash, journal) =
                    (name.clone(), change.clone(), hash.clone(), journal.clone());
                Box::pin(async move { apply(&mut tx, &name, &change, hash.as_deref(), &journal).await })
            })
            .await?;
        self.reload().await
    }

    async fn view_user(&self, name: &AccountName) -> Result<UserView, AuthError> {
        let sql = format!("{VIEW} WHERE kind = 'user' AND name = ?1");
        let wanted = name.clone();
        let row = self
            .0
            .db
            .read(move |mut tx| {
                let (sql, name) = (sql.clone(), wanted.clone());
                Box::pin(async move { tx.query_opt(&sql, params![name.as_str()]).await })
            })
            .await?;
        view(&row.ok_or_else(|| unknown(AccountKind::User, name))?)
    }
}

/// Adds the row of a user, in a transaction that may do more.
pub(crate) async fn add(
    tx: &mut Tx<'_>,
    user: &NewUser,
    hash: Option<&str>,
    journal: &Journal,
) -> Result<(), AuthError> {
    let id = manage::insert(tx, AccountKind::User, &user.name, None, journal.at).await?;
    let sql = "UPDATE accounts SET admin = ?1, password = ?2 WHERE id = ?3";
    tx.execute(sql, params![i64::from(user.admin), hash, id]).await?;
    bump(tx).await?;
    let detail = if user.admin { "administrator" } else { "" };
    Ok(journal.tell(tx, "user.add", user.name.as_str(), detail).await?)
}

/// What was handed out for a password ends with it, also when the account may do nothing any more.
pub(crate) async fn end_logins(tx: &mut Tx<'_>, id: i64) -> Result<(), AuthError> {
    tx.execute("UPDATE accounts SET epoch = epoch + 1 WHERE id = ?1", params![id]).await?;
    tx.execute("DELETE FROM access_tokens WHERE account_id = ?1 AND kind = 'login'", params![id]).await?;
    Ok(())
}

async fn apply(
    tx: &mut Tx<'_>,
    name: &AccountName,
    change: &UserChange,
    hash: Option<&str>,
    journal: &Journal,
) -> Result<(), AuthError> {
    let id = manage::require(tx, AccountKind::User, name).await?;
    let sql = "UPDATE accounts SET admin = COALESCE(?1, admin), disabled = COALESCE(?2, disabled),
             default_visibility = COALESCE(?3, default_visibility), password = COALESCE(?4, password) WHERE id = ?5";
    let (admin, disabled) = (change.admin.map(i64::from), change.disabled.map(i64::from));
    let visibility = change.default_visibility.map(Visibility::as_str);
    tx.execute(sql, params![admin, disabled, visibility, hash, id]).await?;
    if hash.is_some() || change.disabled == Some(true) {
        end_logins(tx, id).await?;
    }
    require_an_administrator(tx, name).await?;
    bump(tx).await?;
    let changes = [
        (hash.is_some(), "user.password", ""),
        (change.disabled == Some(true), "user.disable", ""),
        (change.disabled == Some(false), "user.enable", ""),
        (
            change.admin.is_some(),
            "user.change",
            if admin == Some(1) { "administrator" } else { "no administrator" },
        ),
        (visibility.is_some(), "user.change", visibility.unwrap_or_default()),
    ];
    for (_, action, detail) in changes.into_iter().filter(|(happened, ..)| *happened) {
        journal.tell(tx, action, name.as_str(), detail).await?;
    }
    Ok(())
}

/// Nobody could ever add one again.
async fn require_an_administrator(tx: &mut Tx<'_>, changed: &AccountName) -> Result<(), AuthError> {
    let sql = "SELECT 1 FROM accounts WHERE kind = 'user' AND admin = 1 AND disabled = 0 LIMIT 1";
    match tx.query_opt(sql, &[]).await? {
        Some(_) => Ok(()),
        None => Err(AuthError::LastAdministrator { name: changed.to_string() }),
    }
}

fn view(row: &Row) -> Result<UserView, AuthError> {
    Ok(UserView {
        name: word(row, 0)?,
        admin: row.get::<i64>(1)? != 0,
        disabled: row.get::<i64>(2)? != 0,
        has_password: row.get::<i64>(3)? != 0,
        default_visibility: word(row, 4)?,
        created_at: row.get(5)?,
    })
}
