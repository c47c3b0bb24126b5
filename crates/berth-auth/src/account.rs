//! Accounts: users, teams and robots, and the grammar of their names.

use std::fmt;
use std::str::FromStr;

/// A row number of an account; never used twice, so a name that is given again inherits nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub(crate) i64);

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// A person. Owns the namespace of its name.
    User,
    /// Several people. Owns the namespace of its name; its members have roles.
    Team,
    /// A machine that belongs to a user or a team; has no password, only tokens.
    Robot,
}

/// The name of an account.
///
/// A user or a team: `[a-z0-9]+([_-][a-z0-9]+)*`, 2 to 64 bytes, so that it is a component of a repository name which
/// no host name can be confused with (no dot). A robot: the owner's name, a dot, a name of the same form: `acme.ci`.
/// Nothing in it needs quoting in a shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Box<str>);

/// Why a text is not the name of an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot be the name of an account: use 2 to 64 of a-z and 0-9, with a single - or _ between them; a robot is \
     called OWNER.NAME; some words are kept for other uses"
)]
pub struct NameError {
    /// What was given, shortened.
    pub name: String,
}

impl AccountName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The owner's part of a robot's name, `None` for users and teams.
    pub fn robot_owner(&self) -> Option<&str> {
        self.0.split_once('.').map(|(owner, _)| owner)
    }
}

impl FromStr for AccountName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<AccountName, NameError> {
        let good = match text.split_once('.') {
            Some((owner, robot)) => is_name(owner) && is_name(robot),
            None => is_name(text) && !RESERVED.contains(&text),
        };
        if good {
            Ok(AccountName(text.into()))
        } else {
            Err(NameError { name: text.chars().take(80).collect() })
        }
    }
}

/// Names that mean something else in a path, in a grant, or to people.
const RESERVED: [&str; 11] =
    ["anonymous", "api", "docker", "everyone", "library", "localhost", "owner", "setup", "token", "v1", "v2"];

/// Runs of letters and digits, a single `-` or `_` between each two.
fn is_name(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text.split(['-', '_']).all(|run| {
            !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The word for each, in rows and on the command line.
macro_rules! words {
    ($type:ident, $what:literal: $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = WordError;

            fn from_str(text: &str) -> Result<$type, WordError> {
                match text {
                    $($word => Ok($type::$variant),)+
                    _ => Err(WordError { expected: $what, found: text.chars().take(40).collect() }),
                }
            }
        }
    };
}
words!(AccountKind, "user, team or robot": User = "user", Team = "team", Robot = "robot");
words!(Role, "read, write or admin": Read = "read", Write = "write", Admin = "admin");
words!(Visibility, "private or public": Private = "private", Public = "public");

/// Why a text is not one of a few words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, not {found:?}")]
pub struct WordError {
    /// The words there are.
    pub expected: &'static str,
    /// What was given, shortened.
    pub found: String,
}

/// What a member of a team may do in the team's repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Pull.
    Read,
    /// Pull and push.
    Write,
    /// Everything, and say who is a member.
    Admin,
}

/// Who may pull from a repository without a right to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Visibility {
    /// Nobody; for others it does not exist.
    #[default]
    Private,
    /// Everybody.
    Public,
}

/// An account as the directory holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What it is.
    pub kind: AccountKind,
    /// Its name.
    pub name: AccountName,
    /// Whether it may do everything, everywhere. Only users.
    pub admin: bool,
    /// Whether it may do nothing for the time being.
    pub disabled: bool,
    /// What repositories that are made by a push into its namespace become.
    pub default_visibility: Visibility,
    /// Counted up when everything that was handed out for it must end: password, disabling.
    pub epoch: i64,
    /// The user or team that a robot belongs to.
    pub owner: Option<AccountId>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_components_that_no_host_has() {
        for good in ["al", "alice", "a1", "acme-corp", "a_b-c", "alice.ci", "acme.build-2", "00"] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            "a",
            "Alice",
            "a--b",
            "-a",
            "a-",
            "a__b",
            "a.b.c",
            ".ab",
            "ab.",
            "quay.io/x",
            "a b",
            "robot$x",
            "\u{430}lice",
            "everyone",
            "library",
            "v2",
            "al/ice",
            long.as_str(),
        ] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
        assert_eq!("acme.ci".parse::<AccountName>().unwrap().robot_owner(), Some("acme"));
        assert_eq!("acme".parse::<AccountName>().unwrap().robot_owner(), None);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for role in [Role::Read, Role::Write, Role::Admin] {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!(
            "open".parse::<Visibility>().unwrap_err().to_string(),
            "expected private or public, not \"open\""
        );
    }

    proptest! {
        #[test]
        fn every_name_is_a_component_of_a_repository_name(text in "[a-z0-9._-]{0,12}") {
            if let Ok(name) = text.parse::<AccountName>() {
                let repository = format!("{name}/x");
                prop_assert!(repository.parse::<berth_oci::RepositoryName>().is_ok());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            if let Ok(name) = text.parse::<AccountName>() {
                prop_assert_eq!(name.as_str(), text);
            }
        }
    }
}
