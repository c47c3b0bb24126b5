//! Why something is still there, and why something is not.

use berth_meta::{Choice, Gone, Rule, RuleKind, Standing, Timestamp, Verdict};
use berth_oci::Reference;

use crate::{Access, Pull, Registry, RegistryError};

/// Why an image is there, and how long it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyKept {
    /// What holds it.
    pub standing: Standing,
    /// Until when it can be pulled, if nothing holds it.
    pub until: Option<Timestamp>,
    /// What the rules say of the tag, if a tag was asked for and rules are about the repository.
    pub verdict: Option<Verdict>,
    /// The rules about the repository.
    pub rules: Vec<Rule>,
}

impl Registry {
    /// Why an image is there.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::ManifestUnknown`].
    pub async fn why_kept(&self, access: &Access<Pull>, at: &Reference) -> Result<WhyKept, RegistryError> {
        let standing = self.meta.why_kept(access.repository(), at).await;
        let standing = standing.map_err(|error| RegistryError::about_manifest(error, at))?;
        let rules = self.rules_of(access).await?;
        let keeps = rules.iter().any(|rule| matches!(rule.kind, RuleKind::Keep(_)));
        let verdict = match at {
            Reference::Tag(tag) if keeps => self.verdict(access, tag.as_str()).await?,
            _ => None,
        };
        let until = standing.loose_since.map(|since| self.trashed_until(since));
        Ok(WhyKept { standing, until, verdict, rules })
    }

    /// The judgement of one tag, which depends on those that were set after it.
    async fn verdict(&self, access: &Access<Pull>, tag: &str) -> Result<Option<Verdict>, RegistryError> {
        let mut cursor = None;
        loop {
            let page = self.meta.choose(access.repository(), cursor, self.clock.earliest(), 1000).await?;
            let found = page.choices.into_iter().find(|choice: &Choice| choice.tag == tag);
            if let Some(found) = found {
                return Ok(Some(found.verdict));
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(None);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Why an image is not there any more; `None` if it is there.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`], [`RegistryError::NoHistory`].
    pub async fn why_gone(
        &self,
        access: &Access<Pull>,
        at: &Reference,
    ) -> Result<Option<Gone>, RegistryError> {
        Ok(self.meta.why_gone(access.repository(), at).await?)
    }
}
