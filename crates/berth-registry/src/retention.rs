//! The rules that keep tags: a look at what they would do, and doing it.

use berth_meta::{Change, Choice, MetaError, Mode, Removal, RuleKind, Timestamp, Verdict};
use berth_oci::RepositoryName;

use crate::{Access, Delete, Registry, RegistryError};

/// Tags that are judged with one query.
const PAGE: usize = 1000;
/// Tags that end in one transaction.
const BATCH: usize = 25;
/// Tags whose bytes are counted in a preview.
const WEIGHED: usize = 500;
/// Tags that a preview names.
const NAMED: usize = 100;

/// What the rules would do in a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionPreview {
    /// Tags that stay.
    pub n_kept: u64,
    /// Tags that would end.
    pub n_removed: u64,
    /// The first of those, with the reason.
    pub removed: Vec<Choice>,
    /// The first of those that stay, with the reason.
    pub kept: Vec<Choice>,
    /// What would go with those that would end; with the first 500 if there are more.
    pub removal: Removal,
}

impl Registry {
    /// What the rules would do in a repository now.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn preview_retention(
        &self,
        access: &Access<Delete>,
    ) -> Result<RetentionPreview, RegistryError> {
        self.write_uses().await?;
        let (mut preview, mut weighed, mut cursor) = (RetentionPreview::default(), Vec::new(), None);
        loop {
            let page = self.meta.choose(access.repository(), cursor, self.clock.earliest(), PAGE).await?;
            for choice in page.choices {
                match &choice.verdict {
                    Verdict::Kept(_) => {
                        preview.n_kept += 1;
                        if preview.kept.len() < NAMED {
                            preview.kept.push(choice);
                        }
                    }
                    Verdict::Removed { .. } => {
                        preview.n_removed += 1;
                        if preview.removed.len() < NAMED {
                            preview.removed.push(choice.clone());
                        }
                        if weighed.len() < WEIGHED {
                            weighed.push(choice);
                        }
                    }
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let change = access.change();
        preview.removal = self.meta.end_chosen(access.repository(), weighed, &change, Mode::DryRun).await?;
        Ok(preview)
    }

    /// Applies the rules to one repository now. Gives the number of tags that ended.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::DeleteDisabled`].
    pub async fn apply_retention_to(&self, access: &Access<Delete>) -> Result<u64, RegistryError> {
        self.require_delete()?;
        self.write_uses().await?;
        self.apply_rules(access.repository(), &access.change()).await
    }

    /// Applies the rules everywhere. Gives the number of tags that ended.
    ///
    /// # Errors
    /// The first that stopped it; what ended until then stays ended.
    pub async fn apply_retention(&self) -> Result<u64, RegistryError> {
        /// Repositories that are looked at with one query.
        const REPOSITORIES: usize = 500;
        let keeps = |rule: &berth_meta::Rule| matches!(rule.kind, RuleKind::Keep(_));
        let rules: Vec<_> = self.meta.rules().await?.into_iter().filter(keeps).collect();
        if rules.is_empty() || !self.policy.delete {
            return Ok(0);
        }
        self.write_uses().await?;
        let (mut n_ended, mut after) = (0, String::new());
        loop {
            let page = self.meta.repositories(&after, REPOSITORIES).await?;
            let Some(last) = page.items.last() else { return Ok(n_ended) };
            after = last.name.clone();
            for name in page.items.iter().filter_map(|entry| entry.name.parse::<RepositoryName>().ok()) {
                if rules.iter().any(|rule| rule.pattern.matches(&name)) {
                    n_ended += self.apply_rules(&name, &self.own_change()).await?;
                }
            }
            if !page.more {
                return Ok(n_ended);
            }
        }
    }

    async fn apply_rules(&self, name: &RepositoryName, change: &Change) -> Result<u64, RegistryError> {
        let (mut n_ended, mut cursor) = (0, None);
        loop {
            let page = match self.meta.choose(name, cursor, self.clock.earliest(), PAGE).await {
                // Deleted or renamed in the meantime.
                Err(MetaError::RepositoryUnknown) => return Ok(n_ended),
                page => page?,
            };
            let goes = |choice: &Choice| matches!(choice.verdict, Verdict::Removed { .. });
            let chosen: Vec<_> = page.choices.into_iter().filter(goes).collect();
            for batch in chosen.chunks(BATCH) {
                let change = Change { at: Timestamp::now(), ..change.clone() };
                let ended = self.meta.end_chosen(name, batch.to_vec(), &change, Mode::Real).await?;
                n_ended += ended.n_tags;
                tokio::task::yield_now().await;
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(n_ended);
            }
        }
    }

    /// The circumstances of what the server does by itself.
    fn own_change(&self) -> Change {
        let name = "berth".to_owned();
        Change {
            actor: berth_meta::Actor { id: name.clone(), name, address: None },
            audited: self.authorizer.has_accounts(),
            at: Timestamp::now(),
            makes_public: false,
            upstream: None,
        }
    }
}
