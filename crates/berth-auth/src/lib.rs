//! Who somebody is, and what he may do.
//!
//! Two questions, two answers. [`Accounts::identify`] turns credentials into a [`Caller`], and is the only thing that
//! makes one with a name. [`Accounts::decide`] turns a caller, an action and a repository into a [`Verdict`], a pure
//! function of the [`Directory`]: all accounts, teams, grants and tokens, held in memory and read anew whenever a row
//! of them changed. Both know no HTTP.

// What is said of somebody.
mod account;
mod action;
mod caller;

// What he may do.
mod decision;
mod directory;
mod reach;

// Who he is.
mod access_token;
mod bearer;
mod guesses;
mod htpasswd;
mod identities;
mod invitation;
mod login;
mod password;
mod sessions;
mod signing_keys;

// The rows, and who may change them.
mod accounts;
mod error;
mod grants;
mod manage;
mod robots;
mod schema;
mod teams;
mod tokens;
mod users;

pub use access_token::{NewToken, TokenId, TokenView};
pub use account::{Account, AccountId, AccountKind, AccountName, NameError, Role, Visibility, WordError};
pub use accounts::Accounts;
pub use action::{Action, ActionError, Actions};
pub use bearer::{Issued, ScopeGrant};
pub use berth_oci::Secret;
pub use berth_oci::{Pattern, PatternError};
pub use caller::{Caller, Who};
pub use decision::{Missing, Reason, Verdict};
pub use directory::Directory;
pub use error::AuthError;
pub use grants::{GrantId, GrantView, NewGrant, Subject};
pub use htpasswd::Imported;
pub use identities::{IdentityView, Vouched};
pub use invitation::{Invitation, Invited};
pub use login::{Credentials, LoginError};
pub use sessions::{SessionId, SessionView};
pub use teams::{MemberView, TeamView};
pub use users::{NewUser, UserChange, UserView};
