//! What a token is asked for (`distribution`'s "Token Scope Documentation").

use std::fmt;

/// One scope or several, with spaces in between, as a token server reads them; none opens nothing but the door.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope(String);

impl Scope {
    /// What signing in asks for.
    pub(crate) fn none() -> Scope {
        Scope(String::new())
    }

    pub(crate) fn pull(repository: &str) -> Scope {
        Scope(format!("repository:{repository}:pull"))
    }

    /// To push is to look first.
    pub(crate) fn push(repository: &str) -> Scope {
        Scope(format!("repository:{repository}:pull,push"))
    }

    pub(crate) fn delete(repository: &str) -> Scope {
        Scope(format!("repository:{repository}:delete"))
    }

    /// To say what a removal would take is to look first.
    pub(crate) fn preview(repository: &str) -> Scope {
        Scope(format!("repository:{repository}:pull,delete"))
    }

    pub(crate) fn catalog() -> Scope {
        Scope("registry:catalog:*".to_owned())
    }

    /// What `docker search` asks for.
    pub(crate) fn search() -> Scope {
        Scope("registry:catalog:search".to_owned())
    }

    /// Both in one.
    pub(crate) fn and(&self, other: &str) -> Scope {
        let new = other.split_ascii_whitespace().filter(|one| !self.parts().any(|known| known == *one));
        let all: Vec<_> = self.parts().chain(new).collect();
        Scope(all.join(" "))
    }

    /// Each by itself.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn what_is_asked_for_twice_is_asked_once() {
        let both = Scope::push("a").and("repository:b:pull  repository:a:pull,push");
        assert_eq!(both.as_str(), "repository:a:pull,push repository:b:pull");
        assert_eq!(Scope::none().and("registry:catalog:*"), Scope::catalog());
        assert_eq!(Scope::none().parts().count(), 0);
    }
}
