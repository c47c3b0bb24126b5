//! Scopes of the token specification of `distribution` ("Token Scope Documentation"): what a client asks a token for.

use std::fmt;

use crate::RepositoryName;

/// One scope, as asked for. Any text is one; what we do not know grants nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// What it is about.
    pub resource: Resource,
    /// The words behind the last colon: `pull`, `push`, `*`, or others.
    pub actions: Vec<String>,
}

/// What a scope is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `repository:NAME:…`, also with a class as in `repository(plugin):NAME:…`.
    Repository(RepositoryName),
    /// `registry:catalog:…`: the list of repositories.
    Catalog,
    /// Something that is not here, or is malformed.
    Unknown,
}

impl Scope {
    /// The longest scope that is looked at, in bytes; a longer one is unknown.
    pub const MAX_LEN: usize = 512;

    /// Reads all scopes of a request: each parameter may hold several with spaces between them.
    pub fn read_all<'a>(parameters: impl IntoIterator<Item = &'a str>) -> Vec<Scope> {
        let words = parameters.into_iter().flat_map(|text| text.split([' ', '+', '\t']));
        words.filter(|word| !word.is_empty()).map(Scope::read).collect()
    }

    /// Reads one scope. The actions stand behind the last colon and the type before the first, so the name between them
    /// may hold colons.
    pub fn read(text: &str) -> Scope {
        let unknown = Scope { resource: Resource::Unknown, actions: Vec::new() };
        if text.len() > Scope::MAX_LEN {
            return unknown;
        }
        let Some((resource, actions)) = text.rsplit_once(':') else { return unknown };
        let Some((kind, name)) = resource.split_once(':') else { return unknown };
        let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
        let resource = match (kind, name) {
            ("repository", name) => name.parse().map_or(Resource::Unknown, Resource::Repository),
            ("registry", "catalog") => Resource::Catalog,
            _ => Resource::Unknown,
        };
        let actions = actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect();
        Scope { resource, actions }
    }

    /// Whether an action is asked for, by its word or by `*`.
    pub fn asks(&self, action: &str) -> bool {
        self.actions.iter().any(|asked| asked == action || asked == "*")
    }
}

/// As a challenge writes it.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.resource {
            Resource::Repository(name) => write!(f, "repository:{name}:{}", self.actions.join(",")),
            Resource::Catalog => write!(f, "registry:catalog:{}", self.actions.join(",")),
            Resource::Unknown => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repository(text: &str) -> Option<String> {
        match Scope::read(text).resource {
            Resource::Repository(name) => Some(name.to_string()),
            _ => None,
        }
    }

    #[test]
    fn scopes_of_every_shape_are_read() {
        assert_eq!(repository("repository:a/b:pull,push").as_deref(), Some("a/b"));
        assert_eq!(repository("repository(plugin):a/b:pull").as_deref(), Some("a/b"));
        assert_eq!(repository("repository:quay.io/a/b:*").as_deref(), Some("quay.io/a/b"));
        assert_eq!(Scope::read("registry:catalog:*").resource, Resource::Catalog);
        assert_eq!(Scope::read("registry:catalog:search").resource, Resource::Catalog);
        for unknown in [
            "",
            ":",
            "::",
            "repository",
            "repository:a",
            "repository:A:pull",
            "repository:localhost:5000/a:pull",
            "registry:other:*",
            "plugin:a:pull",
            "repository:../a:pull",
        ] {
            assert_eq!(Scope::read(unknown).resource, Resource::Unknown, "{unknown}");
        }
        let all = Scope::read_all(["repository:a:pull repository:b:push", "", "repository:c:*"]);
        assert_eq!(
            all.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["repository:a:pull", "repository:b:push", "repository:c:*"]
        );
        let scope = Scope::read("repository:a:pull,,push");
        assert!(scope.asks("pull") && scope.asks("push") && !scope.asks("delete"));
        assert!(Scope::read("repository:a:*").asks("delete"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_scope_and_what_is_shown_is_read_again(text in any::<String>()) {
            for scope in Scope::read_all([text.as_str()]) {
                if scope.resource != Resource::Unknown {
                    prop_assert_eq!(Scope::read(&scope.to_string()), scope);
                }
            }
        }
    }
}
