//! How far a caller could reach with the right token: what tokens may be issued for, and what lists may show.

use std::sync::Arc;

use berth_oci::RepositoryName;

use crate::caller::Inner;
use crate::{AccountKind, Accounts, Action, Actions, AuthError, Caller, Pattern, Verdict, Visibility, Who};

impl Accounts {
    /// The actions that `caller` may be given a bearer token for in the repository `name`: those that he may do, whatever
    /// the scope of the token that he came with.
    pub fn allowed(&self, caller: &Caller, name: &RepositoryName, visibility: Visibility) -> Actions {
        let caller = caller.unscoped();
        let may = |action: &Action| self.decide(&caller, *action, name, visibility).is_allowed();
        Action::ALL.into_iter().filter(may).collect()
    }
}

impl Accounts {
    /// The decision about somebody else: what `subject` (the name of an account, or `anonymous`) would be answered.
    ///
    /// For administrators, for the subject itself, and for whoever may grant rights in the repository.
    ///
    /// # Errors
    /// [`AuthError::UnknownAccount`], also for those whom it does not concern.
    pub fn why(
        &self,
        subject: &str,
        action: Action,
        name: &RepositoryName,
        visibility: Visibility,
        by: &Caller,
    ) -> Result<Verdict, AuthError> {
        let manager = self.manager(by)?;
        let account = manager.directory.account_named(subject);
        let is_nobody = subject == Caller::anonymous(None).principal();
        let namespace = manager.directory.namespace_of(name);
        let concerned = namespace.is_some_and(|owner| manager.may_change(owner))
            || account.map_or(manager.is_admin, |account| manager.may_change(account));
        let subject = match account.filter(|account| account.kind != AccountKind::Team) {
            Some(account) if concerned => Caller::of(account, None, None, None, None),
            None if is_nobody && concerned => Caller::anonymous(None),
            _ => return Err(AuthError::UnknownAccount { kind: "user or robot", name: subject.to_owned() }),
        };
        Ok(self.decide(&subject, action, name, visibility))
    }
}

impl Accounts {
    /// Whether `by` may decide what holds in the repositories that a pattern matches: administrators everywhere, owners
    /// and team administrators in their namespace.
    pub fn owns(&self, by: &Caller, pattern: &Pattern) -> bool {
        self.manager(by).is_ok_and(|manager| manager.may_grant(pattern))
    }

    /// Lets administrators pass, and nobody else.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`].
    pub fn require_administrator(&self, by: &Caller) -> Result<(), AuthError> {
        self.manager(by)?.require_admin("this")
    }
}

impl Caller {
    /// Whether it is the owner of the data folder.
    pub fn is_folder_owner(&self) -> bool {
        self.0.who == Who::FolderOwner
    }

    /// Whether the list of repositories may be asked for: a bearer token has to be issued for it, and somebody without
    /// a name has to get one.
    pub fn may_list_catalog(&self) -> bool {
        match &self.0.scope {
            Some(scope) => {
                scope.iter().any(|grant| grant.repository.is_none() && grant.actions.has(Action::Pull))
            }
            None => !self.is_anonymous(),
        }
    }

    /// The same, without the bounds of a bearer token's scope. What an access token was narrowed to still bounds it.
    pub fn unscoped(&self) -> Caller {
        if self.0.scope.is_none() {
            return self.clone();
        }
        Caller(Arc::new(Inner {
            who: self.0.who.clone(),
            principal: self.0.principal.clone(),
            address: self.0.address,
            narrowing: self.0.narrowing.clone(),
            scope: None,
            token: self.0.token,
        }))
    }
}
