//! The one on whose behalf a request comes.

use std::net::IpAddr;
use std::sync::Arc;

use berth_audit::Actor;

use crate::access_token::Narrowing;
use crate::bearer::ScopeGrant;
use crate::{Account, AccountId, AccountKind, AccountName, TokenId};

/// Who somebody is, and what his credentials hold him to. Cheap to clone.
///
/// One with a name is only made by [`Accounts::identify`](crate::Accounts::identify).
#[derive(Debug, Clone)]
pub struct Caller(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) who: Who,
    /// Stable name for history rows and for the ownership of uploads.
    pub(crate) principal: String,
    pub(crate) address: Option<IpAddr>,
    /// What the access token that was used allows; `None` without one: everything that its account may.
    pub(crate) narrowing: Option<Arc<Narrowing>>,
    /// What a bearer token was issued for; `None` for other credentials.
    pub(crate) scope: Option<Vec<ScopeGrant>>,
    /// The access token that was used, directly or to get a bearer token.
    pub(crate) token: Option<TokenId>,
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Somebody who gave no name.
    Anonymous,
    /// The one who can read and write the data folder: on the control socket, or with the server stopped.
    FolderOwner,
    /// A user or a robot.
    Account {
        /// Its id.
        id: AccountId,
        /// User or robot.
        kind: AccountKind,
        /// Its name when it was identified.
        name: AccountName,
    },
}

impl Caller {
    /// Somebody who gave no name.
    pub fn anonymous(address: Option<IpAddr>) -> Caller {
        Caller::plain(Who::Anonymous, "anonymous".to_owned(), address)
    }

    /// The owner of the data folder, who may do everything: whoever can write the rows need not ask.
    ///
    /// To be used by the command line and by the control socket, which only that user can open.
    pub fn folder_owner() -> Caller {
        Caller::plain(Who::FolderOwner, "owner".to_owned(), None)
    }

    /// Somebody with an account.
    pub(crate) fn of(
        account: &Account,
        address: Option<IpAddr>,
        narrowing: Option<Arc<Narrowing>>,
        scope: Option<Vec<ScopeGrant>>,
        token: Option<TokenId>,
    ) -> Caller {
        let who = Who::Account { id: account.id, kind: account.kind, name: account.name.clone() };
        let principal = format!("{}:{}", account.kind, account.id.0);
        Caller(Arc::new(Inner { who, principal, address, narrowing, scope, token }))
    }

    fn plain(who: Who, principal: String, address: Option<IpAddr>) -> Caller {
        Caller(Arc::new(Inner { who, principal, address, narrowing: None, scope: None, token: None }))
    }

    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.0.who
    }

    /// A stable name, never used twice: `anonymous`, `owner`, `user:7`, `robot:9`.
    pub fn principal(&self) -> &str {
        &self.0.principal
    }

    /// The name for people: `anonymous`, `owner`, or the account's.
    pub fn name(&self) -> &str {
        match &self.0.who {
            Who::Account { name, .. } => name.as_str(),
            Who::Anonymous | Who::FolderOwner => &self.0.principal,
        }
    }

    /// Where the request came from, if over a network.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// Whether nobody said who it is.
    pub fn is_anonymous(&self) -> bool {
        self.0.who == Who::Anonymous
    }

    /// Whether it speaks with a bearer token, so that a missing right may be asked for with another one.
    pub fn has_bearer(&self) -> bool {
        self.0.scope.is_some()
    }

    /// For the audit log.
    pub fn actor(&self) -> Actor {
        Actor { id: self.principal().to_owned(), name: self.name().to_owned(), address: self.address() }
    }
}
