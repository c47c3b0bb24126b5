//! Who may do what: the proof that a verb asks for, and the only place that makes one.

use std::marker::PhantomData;

use berth_oci::RepositoryName;

/// The one on whose behalf a request comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    principal: String,
}

impl Caller {
    /// Somebody who gave no name.
    pub fn anonymous() -> Caller {
        Caller { principal: "anonymous".to_owned() }
    }

    /// A stable name for history rows and for the ownership of uploads.
    pub fn principal(&self) -> &str {
        &self.principal
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Something that one can be allowed to do in a repository.
pub trait Right: sealed::Sealed {
    /// The word for it in challenges and scopes.
    const NAME: &'static str;
}

/// Reading.
#[derive(Debug, Clone, Copy)]
pub struct Pull;
/// Adding blobs, manifests and tags.
#[derive(Debug, Clone, Copy)]
pub struct Push;
/// Removing them.
#[derive(Debug, Clone, Copy)]
pub struct Delete;

macro_rules! right {
    ($type:ty, $name:literal) => {
        impl sealed::Sealed for $type {}
        impl Right for $type {
            const NAME: &'static str = $name;
        }
    };
}
right!(Pull, "pull");
right!(Push, "push");
right!(Delete, "delete");

/// Proof that `R` is allowed in one repository. Nothing outside of [`Authorizer`] can make one:
///
/// ```compile_fail,E0451
/// use berth_registry::{Access, Caller, Pull};
///
/// fn forge(caller: Caller) -> Access<Pull> {
///     Access { repository: "a/b".parse().unwrap(), caller, right: std::marker::PhantomData }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Access<R> {
    repository: RepositoryName,
    caller: Caller,
    right: PhantomData<R>,
}

impl<R> Access<R> {
    /// The repository that it is good for.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Who holds it.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// Proof that the list of repositories may be read.
#[derive(Debug)]
pub struct CatalogAccess {
    _minted: (),
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{principal} has no right to {right} {repository}")]
pub struct Refusal {
    /// Who asked.
    pub principal: String,
    /// The missing right.
    pub right: &'static str,
    /// Where.
    pub repository: String,
}

/// The one function that decides.
#[derive(Debug, Clone)]
pub struct Authorizer {
    policy: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    /// No accounts: everybody who can connect may do everything.
    Open,
}

impl Authorizer {
    /// A registry without accounts, for one machine or for a network whose members trust each other.
    pub fn open() -> Authorizer {
        Authorizer { policy: Rule::Open }
    }

    /// Decides whether `caller` may do `R` in `repository`.
    ///
    /// # Errors
    /// [`Refusal`], which says what is missing.
    pub fn authorize<R: Right>(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
    ) -> Result<Access<R>, Refusal> {
        match self.policy {
            Rule::Open => {
                Ok(Access { repository: repository.clone(), caller: caller.clone(), right: PhantomData })
            }
        }
    }

    /// Decides whether `caller` may list repositories.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn catalog(&self, _caller: &Caller) -> Result<CatalogAccess, Refusal> {
        match self.policy {
            Rule::Open => Ok(CatalogAccess { _minted: () }),
        }
    }
}
