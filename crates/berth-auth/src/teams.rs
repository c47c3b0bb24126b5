//! Teams and their members.

use berth_db::{Tx, params};

use crate::accounts::bump;
use crate::manage::{self, Journal, Manager};
use crate::{Account, AccountKind, AccountName, Accounts, AuthError, Caller, Role, Visibility};

/// A member of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// The user.
    pub user: AccountName,
    /// What he may do.
    pub role: Role,
}

/// A team as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamView {
    /// The name.
    pub name: AccountName,
    /// Its members, in the order of their names.
    pub members: Vec<MemberView>,
    /// What repositories that pushes into its namespace make become.
    pub default_visibility: Visibility,
}

impl Accounts {
    /// Makes a team. For administrators.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::Exists`].
    pub async fn add_team(&self, name: AccountName, by: &Caller) -> Result<TeamView, AuthError> {
        let manager = self.manager(by)?;
        manager.require_admin("making teams")?;
        if name.robot_owner().is_some() {
            return Err(AuthError::Invalid(format!("{name} is the name of a robot")));
        }
        if !self.any() {
            return Err(AuthError::Invalid("add an administrator first".to_owned()));
        }
        let (made, journal) = (name.clone(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (name, journal) = (made.clone(), journal.clone());
                Box::pin(async move {
                    manage::insert(&mut tx, AccountKind::Team, &name, None, journal.at).await?;
                    bump(&mut tx).await?;
                    Ok::<_, AuthError>(journal.tell(&mut tx, "team.add", name.as_str(), "").await?)
                })
            })
            .await?;
        self.reload().await?;
        self.team(&name, by).await
    }

    /// Teams: all for administrators, their own for others.
    ///
    /// # Errors
    /// [`AuthError::Db`].
    pub async fn teams(&self, by: &Caller) -> Result<Vec<TeamView>, AuthError> {
        let manager = self.manager(by)?;
        let teams = manager.directory.accounts.values().filter(|account| account.kind == AccountKind::Team);
        let mut views: Vec<_> =
            teams.filter(|team| manager.may_see_team(team)).map(|team| manager.view_team(team)).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(views)
    }

    /// One team. For administrators and its members.
    ///
    /// # Errors
    /// [`AuthError::UnknownAccount`].
    pub async fn team(&self, name: &AccountName, by: &Caller) -> Result<TeamView, AuthError> {
        let manager = self.manager(by)?;
        let team = manager.directory.account_named(name.as_str());
        let team = team.filter(|team| team.kind == AccountKind::Team && manager.may_see_team(team));
        team.map(|team| manager.view_team(team)).ok_or_else(|| manage::unknown(AccountKind::Team, name))
    }

    /// Changes what repositories that pushes make become. For administrators and the team's.
    ///
    /// # Errors
    /// [`AuthError::UnknownAccount`].
    pub async fn change_team(
        &self,
        name: &AccountName,
        default_visibility: Visibility,
        by: &Caller,
    ) -> Result<TeamView, AuthError> {
        self.write_team(name, by, move |tx, team, journal| {
            Box::pin(async move {
                let sql = "UPDATE accounts SET default_visibility = ?1 WHERE id = ?2";
                tx.execute(sql, params![default_visibility.as_str(), team.1]).await?;
                Ok(journal.tell(tx, "team.change", team.0.as_str(), default_visibility.as_str()).await?)
            })
        })
        .await
    }

    /// Removes a team with its robots, grants and memberships. For administrators.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::UnknownAccount`].
    pub async fn remove_team(&self, name: &AccountName, by: &Caller) -> Result<(), AuthError> {
        let manager = self.manager(by)?;
        manager.require_admin("removing teams")?;
        let (name, journal) = (name.clone(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (name, journal) = (name.clone(), journal.clone());
                Box::pin(async move {
                    let id = manage::require(&mut tx, AccountKind::Team, &name).await?;
                    manage::remove(&mut tx, id, &name).await?;
                    bump(&mut tx).await?;
                    Ok::<_, AuthError>(journal.tell(&mut tx, "team.remove", name.as_str(), "").await?)
                })
            })
            .await?;
        self.reload().await
    }

    /// Makes a user a member, or changes his role. For administrators and the team's.
    ///
    /// # Errors
    /// [`AuthError::UnknownAccount`].
    pub async fn set_member(
        &self,
        team: &AccountName,
        user: &AccountName,
        role: Role,
        by: &Caller,
    ) -> Result<TeamView, AuthError> {
        let user = user.clone();
        self.write_team(team, by, move |tx, team, journal| {
            let user = user.clone();
            Box::pin(async move {
                let id = manage::require(tx, AccountKind::User, &user).await?;
                let sql = "INSERT INTO team_members (team_id, user_id, role) VALUES (?1, ?2, ?3)
                     ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role";
                tx.execute(sql, params![team.1, id, role.as_str()]).await?;
                Ok(journal.tell(tx, "team.member", team.0.as_str(), &format!("{user}: {role}")).await?)
            })
        })
        .await
    }

    /// Ends a membership. For administrators and the team's; a member who leaves asks one of them.
    ///
    /// # Errors
    /// [`AuthError::UnknownAccount`].
    pub async fn remove_member(
        &self,
        team: &AccountName,
        user: &AccountName,
        by: &Caller,
    ) -> Result<TeamView, AuthError> {
        let user = user.clone();
        self.write_team(team, by, move |tx, team, journal| {
            let user = user.clone();
            Box::pin(async move {
                let id = manage::require(tx, AccountKind::User, &user).await?;
                let sql = "DELETE FROM team_members WHERE team_id = ?1 AND user_id = ?2";
                if tx.execute(sql, params![team.1, id]).await? == 0 {
                    return Err(AuthError::Invalid(format!("{user} is no member of {}", team.0)));
                }
                Ok(journal.tell(tx, "team.leave", team.0.as_str(), user.as_str()).await?)
            })
        })
        .await
    }

    /// Changes a team that the caller may change, and shows what became of it.
    async fn write_team<F>(&self, name: &AccountName, by: &Caller, work: F) -> Result<TeamView, AuthError>
    where
        F: for<'t> Fn(
                &'t mut Tx<'_>,
                (AccountName, i64),
                Journal,
            ) -> berth_db::BoxFuture<'t, Result<(), AuthError>>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let manager = self.manager(by)?;
        manager.find(name, AccountKind::Team)?;
        let (team, journal) = (name.clone(), manager.journal());
        self.0
            .db
            .write(move |mut tx| {
                let (team, journal, work) = (team.clone(), journal.clone(), work.clone());
                Box::pin(async move {
                    let id = manage::require(&mut tx, AccountKind::Team, &team).await?;
                    work(&mut tx, (team, id), journal).await?;
                    Ok::<_, AuthError>(bump(&mut tx).await?)
                })
            })
            .await?;
        self.reload().await?;
        // Who gave up his own role may not look any more, but did change it.
        let manager = Manager { directory: self.directory(), ..manager };
        let team = manager.directory.account_named(name.as_str());
        team.map(|team| manager.view_team(team)).ok_or_else(|| manage::unknown(AccountKind::Team, name))
    }
}

impl Manager {
    fn may_see_team(&self, team: &Account) -> bool {
        self.may_change(team) || self.account.is_some_and(|own| self.directory.role(own, team.id).is_some())
    }

    fn view_team(&self, team: &Account) -> TeamView {
        let role = |(user, teams): (_, &Vec<(_, Role)>)| {
            let (_, role) = teams.iter().find(|(id, _)| *id == team.id)?;
            Some(MemberView { user: self.directory.account(user)?.name.clone(), role: *role })
        };
        let mut members: Vec<_> =
            self.directory.memberships.iter().filter_map(|(user, teams)| role((*user, teams))).collect();
        members.sort_by(|a, b| a.user.cmp(&b.user));
        TeamView { name: team.name.clone(), members, default_visibility: team.default_visibility }
    }
}
