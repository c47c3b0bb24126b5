//! Who may do what: the proof that a verb asks for, and the only place that makes one.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use berth_auth::{Accounts, Action, Actions, Missing, Verdict, Visibility};
use berth_meta::{Change, Meta, Timestamp};
use berth_oci::{Pattern, RepositoryName};

use crate::refusal::Refusal;
use crate::upstreams::{Upstream, UpstreamNames};
use crate::{Caller, RegistryError};

mod sealed {
    pub trait Sealed {}
}

/// Something that one can be allowed to do in a repository.
pub trait Right: sealed::Sealed {
    /// The action that it is.
    const ACTION: Action;
}

macro_rules! right {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl sealed::Sealed for $name {}
        impl Right for $name {
            const ACTION: Action = Action::$name;
        }
    };
}
right!(
    /// Reading.
    Pull
);
right!(
    /// Adding blobs, manifests and tags.
    Push
);
right!(
    /// Removing them.
    Delete
);
right!(
    /// Saying who may see the repository, and what is told about it.
    Admin
);

/// Proof that `R` is allowed in one repository. Nothing outside of [`Authorizer`] can make one:
///
/// ```compile_fail,E0451
/// use berth_registry::{Access, Caller, Pull};
///
/// fn forge(caller: Caller) -> Access<Pull> {
///     Access {
///         repository: "a/b".parse().unwrap(),
///         caller,
///         audited: false,
///         makes_public: false,
///         upstream: None,
///         right: std::marker::PhantomData,
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Access<R> {
    repository: RepositoryName,
    caller: Caller,
    audited: bool,
    makes_public: bool,
    upstream: Option<Arc<str>>,
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

    /// The upstream whose images the repository holds, if it is not one of our own.
    pub fn upstream(&self) -> Option<&str> {
        self.upstream.as_deref()
    }

    /// The circumstances of a change that is made now.
    pub(crate) fn change(&self) -> Change {
        Change {
            actor: self.caller.actor(),
            audited: self.audited,
            at: Timestamp::now(),
            makes_public: self.makes_public,
            upstream: None,
        }
    }

    /// The upstream of the repository, if it has one, to be kept.
    pub(crate) fn shared_upstream(&self) -> Option<Arc<str>> {
        self.upstream.clone()
    }
}

/// Proof that the list of repositories may be read, as far as its holder may see them.
#[derive(Debug)]
pub struct CatalogAccess {
    caller: Caller,
}

/// Proof that its holder may say what holds in the repositories that a pattern matches.
#[derive(Debug)]
pub struct PatternAccess {
    pub(crate) pattern: Pattern,
    pub(crate) change: Change,
}

/// Proof that its holder may do what concerns the whole server.
#[derive(Debug)]
pub struct ServerAccess {
    pub(crate) change: Change,
}

/// The one function that decides.
#[derive(Clone)]
pub struct Authorizer {
    rule: Rule,
    /// Decisions about repositories so far: how busy the registry is.
    decisions: Arc<AtomicU64>,
    /// First parts of names that belong to upstreams.
    upstreams: UpstreamNames,
}

#[derive(Clone)]
enum Rule {
    /// Everybody who can connect may do everything.
    Open,
    /// The accounts decide; and while there are none, this.
    Accounts { accounts: Accounts, meta: Meta, without: WithoutAccounts },
}

/// What holds while there is no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutAccounts {
    /// Everybody may do everything: only this machine, or a network whose members trust each other, can connect.
    Open,
    /// Nobody may do anything until there is one.
    Closed,
}

impl Authorizer {
    /// A registry that never asks, for tests and measurements.
    pub fn open() -> Authorizer {
        Authorizer { rule: Rule::Open, decisions: Arc::default(), upstreams: UpstreamNames::default() }
    }

    /// A registry with accounts, as soon as there is one.
    pub fn new(accounts: Accounts, meta: Meta, without: WithoutAccounts) -> Authorizer {
        let rule = Rule::Accounts { accounts, meta, without };
        Authorizer { rule, decisions: Arc::default(), upstreams: UpstreamNames::default() }
    }

    /// The names that belong to upstreams. Whoever fetches from these sets them.
    pub fn upstreams(&self) -> &UpstreamNames {
        &self.upstreams
    }

    /// Decisions about repositories since the server began: each request to one takes one.
    pub(crate) fn decisions(&self) -> u64 {
        self.decisions.load(Ordering::Relaxed)
    }

    /// Whether one has to say who he is: there are accounts.
    pub fn has_accounts(&self) -> bool {
        matches!(&self.rule, Rule::Accounts { accounts, .. } if accounts.any())
    }

    /// Whether nothing is served until there is an account.
    pub fn waits_for_setup(&self) -> bool {
        let Rule::Accounts { accounts, without, .. } = &self.rule else { return false };
        *without == WithoutAccounts::Closed && !accounts.any()
    }

    /// Decides whether `caller` may do `R` in `repository`.
    ///
    /// # Errors
    /// [`RegistryError::Denied`], which says what is missing; an internal one if that cannot be known.
    pub async fn authorize<R: Right>(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
    ) -> Result<Access<R>, RegistryError> {
        self.decisions.fetch_add(1, Ordering::Relaxed);
        if R::ACTION == Action::Pull
            && let Some(renamed) = self.follow(caller, repository).await?
        {
            return Ok(self.proof(caller, &renamed, false, None));
        }
        let upstream = self.upstream_of(repository, R::ACTION).await?;
        let makes_public = match &self.rule {
            Rule::Open => false,
            Rule::Accounts { accounts, .. } if accounts.any() => {
                self.decide(caller, R::ACTION, repository).await?;
                match &upstream {
                    Some(upstream) => upstream.visibility == Visibility::Public,
                    None => accounts.default_visibility(repository) == Visibility::Public,
                }
            }
            // The owner of the folder may prepare it before the first account is made.
            Rule::Accounts { without: WithoutAccounts::Closed, .. } if !caller.is_folder_owner() => {
                return Err(Refusal::NotSetUp.into());
            }
            Rule::Accounts { .. } => false,
        };
        match upstream {
            Some(Upstream { name, .. }) if R::ACTION == Action::Push => {
                Err(Refusal::Mirrored { upstream: name }.into())
            }
            upstream => {
                Ok(self.proof(caller, repository, makes_public, upstream.map(|upstream| upstream.name)))
            }
        }
    }

    fn proof<R>(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        makes_public: bool,
        upstream: Option<Arc<str>>,
    ) -> Access<R> {
        Access {
            repository: repository.clone(),
            caller: caller.clone(),
            audited: self.has_accounts(),
            makes_public,
            upstream,
            right: PhantomData,
        }
    }

    /// The upstream that a repository belongs to: by its name, unless it was pushed here before there was that upstream;
    /// and for changes also by what it holds, if that upstream is no more. So what came from an upstream is never mixed
    /// with what somebody pushes, and is the upstream's again when that is set up anew.
    async fn upstream_of(
        &self,
        repository: &RepositoryName,
        action: Action,
    ) -> Result<Option<Upstream>, RegistryError> {
        let named = self.upstreams.of(repository);
        // Only names with a dot in their first part can have come from an upstream.
        let first =
            repository.as_str().split_once('/').map(|(first, _)| first).filter(|first| first.contains('.'));
        let Some(first) = first.filter(|_| named.is_some() || action != Action::Pull) else {
            return Ok(None);
        };
        let found = match &self.rule {
            Rule::Open => None,
            Rule::Accounts { meta, .. } => meta.door(repository).await?,
        };
        Ok(match found {
            Some(found) if !found.is_mirrored => None,
            Some(found) => {
                let visibility = door(found.is_public);
                named.or_else(|| Some(Upstream { name: first.into(), visibility }))
            }
            None => named,
        })
    }

    /// Where a former name leads to, if there is no repository of that name and the caller may pull from the one that
    /// had it. Who may not sees what he would see if the name had never been used.
    async fn follow(
        &self,
        caller: &Caller,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryName>, RegistryError> {
        let Rule::Accounts { accounts, meta, .. } = &self.rule else { return Ok(None) };
        if self.waits_for_setup() && !caller.is_folder_owner() {
            return Ok(None);
        }
        if meta.is_public(name).await?.is_some() {
            return Ok(None);
        }
        let Some(renamed) = meta.renamed(name, Timestamp::now()).await? else { return Ok(None) };
        if !accounts.any() {
            return Ok(Some(renamed));
        }
        // A token must be good for the name that was asked for, its account for the repository.
        let reaches = accounts.decide(caller, Action::Pull, name, Visibility::Public).is_allowed();
        let visibility = self.seen_as(meta, &renamed).await?;
        let may = accounts.decide(&caller.unscoped(), Action::Pull, &renamed, visibility).is_allowed();
        Ok((reaches && may).then_some(renamed))
    }

    /// Decides whether `caller` may say what holds in the repositories that a pattern matches.
    ///
    /// # Errors
    /// [`RegistryError::Denied`].
    pub fn owns(&self, caller: &Caller, pattern: &Pattern) -> Result<PatternAccess, RegistryError> {
        let may = match &self.rule {
            Rule::Accounts { accounts, .. } if accounts.any() => accounts.owns(caller, pattern),
            _ => !self.waits_for_setup() || caller.is_folder_owner(),
        };
        if may {
            Ok(PatternAccess { pattern: pattern.clone(), change: self.change(caller) })
        } else {
            Err(Refusal::Owners.into())
        }
    }

    /// Decides whether `caller` may do what concerns the whole server.
    ///
    /// # Errors
    /// [`RegistryError::Denied`].
    pub fn administers(&self, caller: &Caller) -> Result<ServerAccess, RegistryError> {
        let may = match &self.rule {
            Rule::Accounts { accounts, .. } if accounts.any() => {
                accounts.require_administrator(caller).is_ok()
            }
            _ => !self.waits_for_setup() || caller.is_folder_owner(),
        };
        if may {
            Ok(ServerAccess { change: self.change(caller) })
        } else {
            Err(Refusal::Administrators.into())
        }
    }

    fn change(&self, caller: &Caller) -> Change {
        Change {
            actor: caller.actor(),
            audited: self.has_accounts(),
            at: Timestamp::now(),
            makes_public: false,
            upstream: None,
        }
    }

    /// Decides whether blobs may be mounted from `repository`; `None` if not.
    ///
    /// The scope of a bearer token does not matter here, only what its account may read: clients ask for tokens for the
    /// repository that they push to, and a mount without a source could never be allowed otherwise.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn source(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
    ) -> Result<Option<Access<Pull>>, RegistryError> {
        match self.authorize::<Pull>(&caller.unscoped(), repository).await {
            Ok(access) => Ok(Some(access)),
            Err(RegistryError::Denied(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn decide(
        &self,
        caller: &Caller,
        action: Action,
        repository: &RepositoryName,
    ) -> Result<(), RegistryError> {
        let Rule::Accounts { accounts, meta, .. } = &self.rule else { return Ok(()) };
        // Most callers have a right of their own, and whether the repository is public need not be looked up.
        if accounts.decide(caller, action, repository, Visibility::Private).is_allowed() {
            return Ok(());
        }
        let visibility = self.seen_as(meta, repository).await?;
        let Verdict::Refused(missing) = accounts.decide(caller, action, repository, visibility) else {
            return Ok(());
        };
        let may_know =
            missing == Missing::SignIn || accounts.allowed(caller, repository, visibility).has(Action::Pull);
        Err(Refusal::Repository { repository: repository.clone(), action, missing, may_know }.into())
    }

    /// What `caller` could be given a token for in `repository`; everything where there are no accounts.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn allowed(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
    ) -> Result<Actions, RegistryError> {
        match &self.rule {
            Rule::Accounts { accounts, meta, .. } if accounts.any() => {
                let allowed = accounts.allowed(caller, repository, self.seen_as(meta, repository).await?);
                let leads_on = self.follow(&caller.unscoped(), repository).await?.is_some();
                let pull = leads_on.then_some(Action::Pull);
                let may = |action: &Action| allowed.has(*action) || pull == Some(*action);
                Ok(Action::ALL.into_iter().filter(may).collect())
            }
            _ => Ok(Actions::ALL),
        }
    }

    /// What a repository is for those without a right to it; one that does not exist is private.
    ///
    /// Not for answers: nobody may learn from it whether a repository exists.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn visibility(&self, repository: &RepositoryName) -> Result<Visibility, RegistryError> {
        match &self.rule {
            Rule::Open => Ok(Visibility::Public),
            Rule::Accounts { meta, .. } => self.seen_as(meta, repository).await,
        }
    }

    /// A repository that does not exist is as private as one that nobody may see, or as its upstream.
    async fn seen_as(&self, meta: &Meta, repository: &RepositoryName) -> Result<Visibility, RegistryError> {
        Ok(match meta.door(repository).await? {
            Some(found) => door(found.is_public),
            None => self.upstreams.of(repository).map_or(Visibility::Private, |upstream| upstream.visibility),
        })
    }

    /// Decides whether `caller` may list repositories; what he may not see is left out of the list.
    ///
    /// # Errors
    /// [`RegistryError::Denied`].
    pub fn catalog(&self, caller: &Caller) -> Result<CatalogAccess, RegistryError> {
        if self.waits_for_setup() && !caller.is_folder_owner() {
            return Err(Refusal::NotSetUp.into());
        }
        if self.has_accounts() && !caller.may_list_catalog() {
            return Err(Refusal::Catalog.into());
        }
        Ok(CatalogAccess { caller: caller.clone() })
    }

    /// Lets anybody search; what he may not see is left out.
    ///
    /// # Errors
    /// [`RegistryError::Denied`] while nothing is served yet.
    pub fn search(&self, caller: &Caller) -> Result<CatalogAccess, RegistryError> {
        if self.waits_for_setup() && !caller.is_folder_owner() {
            return Err(Refusal::NotSetUp.into());
        }
        Ok(CatalogAccess { caller: caller.clone() })
    }

    /// Whether the holder of `access` administers repositories of that name.
    pub(crate) fn administers_name(&self, access: &CatalogAccess, repository: &RepositoryName) -> bool {
        match &self.rule {
            Rule::Accounts { accounts, .. } if accounts.any() => {
                accounts.allowed(&access.caller, repository, Visibility::Private).has(Action::Admin)
            }
            _ => true,
        }
    }

    /// Whether the holder of `access` may say what holds in the repositories of a pattern.
    pub(crate) fn owns_pattern(&self, access: &CatalogAccess, pattern: &Pattern) -> bool {
        self.owns(&access.caller, pattern).is_ok()
    }

    /// Whether the holder of `access` may see a repository of the catalog.
    pub(crate) fn sees(&self, access: &CatalogAccess, repository: &RepositoryName, is_public: bool) -> bool {
        match &self.rule {
            Rule::Accounts { accounts, .. } if accounts.any() => {
                accounts.allowed(&access.caller, repository, door(is_public)).has(Action::Pull)
            }
            _ => true,
        }
    }
}

fn door(is_public: bool) -> Visibility {
    if is_public { Visibility::Public } else { Visibility::Private }
}
