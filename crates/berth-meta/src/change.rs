//! The circumstances of a change: who, when, and what is remembered of it.

use std::sync::Arc;

use berth_audit::{Actor, Event};
use berth_db::{DbError, Tx};
use berth_oci::RepositoryName;

use crate::Timestamp;

/// Who makes a change, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who. The name goes into the history of tags.
    pub actor: Actor,
    /// Whether the audit log is told. Without accounts everybody is the same person, and it would say nothing.
    pub audited: bool,
    /// When.
    pub at: Timestamp,
    /// Whether a repository that this change makes is public.
    pub makes_public: bool,
    /// Whose images a repository holds that this change makes; `None` if they are pushed here.
    pub upstream: Option<Arc<str>>,
}

impl Change {
    /// Tells the audit log, in the transaction of the change.
    pub(crate) async fn tell(
        &self,
        tx: &mut Tx<'_>,
        action: &'static str,
        repository: &RepositoryName,
        target: &str,
        detail: &str,
    ) -> Result<(), DbError> {
        self.append(tx, action, Some(repository.as_str()), target, detail).await
    }

    /// The same for what belongs to no repository.
    pub(crate) async fn tell_anywhere(
        &self,
        tx: &mut Tx<'_>,
        action: &'static str,
        target: &str,
        detail: &str,
    ) -> Result<(), DbError> {
        self.append(tx, action, None, target, detail).await
    }

    async fn append(
        &self,
        tx: &mut Tx<'_>,
        action: &'static str,
        repository: Option<&str>,
        target: &str,
        detail: &str,
    ) -> Result<(), DbError> {
        if !self.audited {
            return Ok(());
        }
        let event = Event { at: self.at.0, action, repository, target, detail };
        berth_audit::append(tx, &self.actor, &event).await
    }
}
