//! Robots: accounts of machines, which belong to a user or a team.

use berth_db::params;

use crate::accounts::bump;
use crate::manage::{self, unknown};
use crate::{AccountKind, AccountName, Accounts, AuthError, Caller};

impl Accounts {
    /// Makes a robot, `owner.name`. For administrators, the owner, and administrators of the owning team. It may do
    /// nothing until something is granted to it.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] if the name is not that of a robot, [`AuthError::UnknownAccount`] for the owner,
    /// [`AuthError::Exists`].
    pub async fn add_robot(&self, name: AccountName, by: &Caller) -> Result<(), AuthError> {
        let manager = self.manager(by)?;
        let Some(owner) = name.robot_owner() else {
            return Err(AuthError::Invalid(format!("a robot is called OWNER.NAME, for example {name}.ci")));
        };
        let account = manager.directory.account_named(owner).filter(|owner| owner.kind != AccountKind::Robot);
        let account = account.filter(|owner| manager.may_change(owner));
        let owner = account
            .map(|owner| owner.id.0)
            .ok_or_else(|| AuthError::UnknownAccount { kind: "user or team", name: owner.to_owned() })?;
        let journal = manager.journal();
        self.0
            .db
            .write(move |mut tx| {
                let (name, journal) = (name.clone(), journal.clone());
                Box::pin(async move {
                    manage::insert(&mut tx, AccountKind::Robot, &name, Some(owner), journal.at).await?;
                    bump(&mut tx).await?;
                    Ok::<_, AuthError>(journal.tell(&mut tx, "robot.add", name.as_str(), "").await?)
                })
            })
            .await?;
        self.reload().await
    }

    /// Robots that the caller may change, in the order of their names.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] for those without a name.
    pub async fn robots(&self, by: &Caller) -> Result<Vec<AccountName>, AuthError> {
        let manager = self.manager(by)?;
        let robots = manager.directory.accounts.values().filter(|account| account.kind == AccountKind::Robot);
        let mut names: Vec<_> =
            robots.filter(|robot| manager.may_change(robot)).map(|robot| robot.name.clone()).collect();
        names.sort();
        Ok(names)
    }

    /// Removes a robot with its tokens and grants.
    ///
    /// # Errors
    /// [`AuthError::UnknownAccount`].
    pub async fn remove_robot(&self, name: &AccountName, by: &Caller) -> Result<(), AuthError> {
        let manager = self.manager(by)?;
        manager.find(name, AccountKind::Robot)?;
        let (name, journal) = (name.clone(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (name, journal) = (name.clone(), journal.clone());
                Box::pin(async move {
                    let sql = "DELETE FROM accounts WHERE name = ?1 AND kind = 'robot'";
                    if tx.execute(sql, params![name.as_str()]).await? == 0 {
                        return Err(unknown(AccountKind::Robot, &name));
                    }
                    bump(&mut tx).await?;
                    Ok(journal.tell(&mut tx, "robot.remove", name.as_str(), "").await?)
                })
            })
            .await?;
        self.reload().await
    }
}
