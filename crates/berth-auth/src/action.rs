//! Actions: what can be done with a repository.

use std::fmt;
use std::str::FromStr;

/// One action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read manifests, blobs, tags and referrers.
    Pull,
    /// Add blobs, manifests and tags, and make the repository by doing so.
    Push,
    /// Remove tags, manifests and blobs.
    Delete,
    /// Change the repository's visibility, description and README.
    Admin,
}

/// A set of actions; may be empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Actions(u8);

/// Why a text names no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no action; there are pull, push, delete, admin, and * for all")]
pub struct ActionError {
    /// What was given, shortened.
    pub found: String,
}

impl Action {
    /// All there are.
    pub const ALL: [Action; 4] = [Action::Pull, Action::Push, Action::Delete, Action::Admin];

    /// The word for it in scopes and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "push",
            Action::Delete => "delete",
            Action::Admin => "admin",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Action, ActionError> {
        Action::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| ActionError { found: text.chars().take(40).collect() })
    }
}

impl Actions {
    /// None.
    pub const NONE: Actions = Actions(0);
    /// Every one.
    pub const ALL: Actions = Actions(0b1111);

    /// Whether `action` is among them.
    pub fn has(self, action: Action) -> bool {
        self.0 & bit(action) != 0
    }

    /// These and `action`.
    #[must_use]
    pub fn with(self, action: Action) -> Actions {
        Actions(self.0 | bit(action))
    }

    /// Those that both have.
    #[must_use]
    pub fn and(self, other: Actions) -> Actions {
        Actions(self.0 & other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.has(*action))
    }
}

fn bit(action: Action) -> u8 {
    1 << action as u8
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Actions {
        actions.into_iter().fold(Actions::NONE, Actions::with)
    }
}

/// `pull,push`, in the order of [`Action::ALL`].
impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, action) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            action.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Actions({self})")
    }
}

/// Words with commas between them; `*` is all.
impl FromStr for Actions {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Actions, ActionError> {
        if text == "*" {
            return Ok(Actions::ALL);
        }
        text.split(',').map(|word| word.trim().parse::<Action>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_as_they_are_written() {
        let some: Actions = "push, pull".parse().unwrap();
        assert_eq!(some.to_string(), "pull,push");
        assert!(some.has(Action::Pull) && !some.has(Action::Delete));
        assert_eq!("*".parse(), Ok(Actions::ALL));
        assert_eq!(Actions::ALL.to_string(), "pull,push,delete,admin");
        assert_eq!(some.and("push,admin".parse().unwrap()).to_string(), "push");
        for bad in ["", "pull,", "Pull", "read"] {
            assert!(bad.parse::<Actions>().is_err(), "{bad:?}");
        }
    }
}
