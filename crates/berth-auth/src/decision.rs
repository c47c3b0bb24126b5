//! The decision: one pure function from the directory, a caller, an action and a repository to a verdict.

use std::fmt;

use berth_oci::RepositoryName;

use crate::grants::GrantRecord;
use crate::{
    Account, AccountId, AccountName, Action, Caller, Directory, GrantId, Pattern, Role, ScopeGrant,
    Visibility, Who,
};

/// What was decided, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, by this.
    Allowed(Reason),
    /// No, for want of this.
    Refused(Missing),
}

/// What allows something. Its `Display` is a sentence for `berth why`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The owner of the data folder may do everything.
    FolderOwner,
    /// An administrator may do everything.
    Administrator,
    /// The namespace is the caller's own.
    OwnNamespace,
    /// By a role in the team that owns the namespace.
    Member {
        /// The team.
        team: AccountName,
        /// The role.
        role: Role,
    },
    /// By a grant to the caller, to a team of his, or to everybody.
    Grant {
        /// Which.
        id: GrantId,
        /// To whom: an account's name, or `everyone`.
        subject: String,
        /// For which names.
        pattern: Pattern,
    },
    /// The repository is public, and it is about pulling.
    Public,
}

/// What is missing. Its `Display` is a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// Nobody said who he is; signing in may help.
    SignIn,
    /// The account is disabled or gone.
    AccountDisabled,
    /// The account has no right to the action there.
    Right {
        /// Who.
        who: String,
        /// What.
        action: Action,
        /// The namespace's owner, who can grant it; `None`: an administrator.
        owner: Option<AccountName>,
    },
    /// The account may, but the access token was narrowed to other actions or names.
    TokenNarrowed {
        /// What.
        action: Action,
    },
    /// The account may, but the bearer token was issued for another scope; ask for one with this scope.
    OtherScope,
}

impl Verdict {
    /// Whether it is a yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Verdict::Allowed(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::FolderOwner => f.write_str("the owner of the data folder may do everything"),
            Reason::Administrator => f.write_str("administrators may do everything"),
            Reason::OwnNamespace => f.write_str("it is the caller's own namespace"),
            Reason::Member { team, role } => write!(f, "by the role {role} in the team {team}"),
            Reason::Grant { id, subject, pattern } => {
                write!(f, "by grant {}, which {subject} has for {pattern}", id.0)
            }
            Reason::Public => f.write_str("the repository is public"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::SignIn => {
                f.write_str("sign in; without an account only public repositories can be pulled")
            }
            Missing::AccountDisabled => {
                f.write_str("the account is disabled; an administrator can enable it")
            }
            Missing::Right { who, action, owner } => {
                write!(f, "{who} has no right to {action} here; ")?;
                match owner {
                    Some(owner) => write!(f, "{owner} or an administrator can grant it"),
                    None => f.write_str("an administrator can grant it"),
                }
            }
            Missing::TokenNarrowed { action } => {
                write!(f, "the access token is not meant for {action} here; use another one")
            }
            Missing::OtherScope => {
                f.write_str("the bearer token was issued for another scope; ask for one with this scope")
            }
        }
    }
}

/// Decides. Everything that can be asked about rights comes through here.
pub(crate) fn decide(
    directory: &Directory,
    caller: &Caller,
    action: Action,
    name: &RepositoryName,
    visibility: Visibility,
) -> Verdict {
    let asked = Asked { directory, action, name, visibility };
    let verdict = match caller.who() {
        Who::FolderOwner => return Verdict::Allowed(Reason::FolderOwner),
        Who::Anonymous => asked.by_everyone().map_or(Verdict::Refused(Missing::SignIn), Verdict::Allowed),
        Who::Account { id, .. } => asked.by_account(*id, caller.name()),
    };
    if !verdict.is_allowed() {
        return verdict;
    }
    let inner = &caller.0;
    if inner.narrowing.as_ref().is_some_and(|narrowing| !narrowing.allows(action, name)) {
        return Verdict::Refused(Missing::TokenNarrowed { action });
    }
    let covers = |grant: &ScopeGrant| grant.repository.as_ref() == Some(name) && grant.actions.has(action);
    if inner.scope.as_ref().is_some_and(|scope| !scope.iter().any(covers)) {
        return Verdict::Refused(Missing::OtherScope);
    }
    verdict
}

/// A question about rights.
struct Asked<'a> {
    directory: &'a Directory,
    action: Action,
    name: &'a RepositoryName,
    visibility: Visibility,
}

impl Asked<'_> {
    /// What the account itself may.
    fn by_account(&self, id: AccountId, who: &str) -> Verdict {
        let Some(account) = self.directory.enabled(id) else {
            return Verdict::Refused(Missing::AccountDisabled);
        };
        if account.admin {
            return Verdict::Allowed(Reason::Administrator);
        }
        let owner = self.directory.namespace_of(self.name);
        let own = owner.filter(|owner| owner.id == account.id).map(|_| Reason::OwnNamespace);
        let reason = own.or_else(|| self.by_team(account, owner?)).or_else(|| self.by_grant(account));
        match reason.or_else(|| self.by_everyone()) {
            Some(reason) => Verdict::Allowed(reason),
            None => Verdict::Refused(Missing::Right {
                who: who.to_owned(),
                action: self.action,
                owner: owner.map(|owner| owner.name.clone()),
            }),
        }
    }

    fn by_team(&self, account: &Account, team: &Account) -> Option<Reason> {
        let role = self.directory.role(account.id, team.id)?;
        let covers = match role {
            Role::Read => self.action == Action::Pull,
            Role::Write => matches!(self.action, Action::Pull | Action::Push),
            Role::Admin => true,
        };
        covers.then(|| Reason::Member { team: team.name.clone(), role })
    }

    fn by_grant(&self, account: &Account) -> Option<Reason> {
        let teams = self.directory.memberships.get(&account.id).map_or(&[][..], Vec::as_slice);
        let subjects = std::iter::once(account.id).chain(teams.iter().map(|(team, _)| *team));
        subjects.into_iter().find_map(|subject| {
            let name = self.directory.account(subject).map(|account| account.name.to_string());
            self.grant_to(Some(subject), name.as_deref().unwrap_or_default())
        })
    }

    /// What somebody without a name may.
    fn by_everyone(&self) -> Option<Reason> {
        if self.action == Action::Pull && self.visibility == Visibility::Public {
            return Some(Reason::Public);
        }
        self.grant_to(None, "everyone")
    }

    fn grant_to(&self, account: Option<AccountId>, subject: &str) -> Option<Reason> {
        let covers =
            |grant: &&GrantRecord| grant.actions.has(self.action) && grant.pattern.matches(self.name);
        let grant = self.directory.grants.get(&account)?.iter().find(covers)?;
        let (id, subject, pattern) = (grant.id, subject.to_owned(), grant.pattern.clone());
        Some(Reason::Grant { id, subject, pattern })
    }
}
