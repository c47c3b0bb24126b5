//! Rules about tags: who may set which, and what they would do.

use berth_meta::{NewRule, Rule};
use berth_oci::Tag;

use crate::{Access, CatalogAccess, PatternAccess, Pull, Registry, RegistryError};

impl Registry {
    /// The rules whose pattern the caller owns.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn rules(&self, access: &CatalogAccess) -> Result<Vec<Rule>, RegistryError> {
        let mut rules = self.meta.rules().await?;
        rules.retain(|rule| self.authorizer.owns_pattern(access, &rule.pattern));
        Ok(rules)
    }

    /// The rules that are about a repository.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn rules_of(&self, access: &Access<Pull>) -> Result<Vec<Rule>, RegistryError> {
        let mut rules = self.meta.rules().await?;
        rules.retain(|rule| rule.pattern.matches(access.repository()));
        Ok(rules)
    }

    /// Sets a rule.
    ///
    /// # Errors
    /// [`RegistryError::RuleInvalid`].
    pub async fn add_rule(&self, access: &PatternAccess, rule: NewRule) -> Result<Rule, RegistryError> {
        let rule = NewRule { pattern: access.pattern.clone(), ..rule };
        Ok(self.meta.add_rule(rule, &access.change).await?)
    }

    /// A rule that the caller may change.
    ///
    /// # Errors
    /// [`RegistryError::RuleUnknown`], also for one that belongs to others.
    pub async fn rule(&self, access: &CatalogAccess, id: i64) -> Result<Rule, RegistryError> {
        let rule = self.meta.rule(id).await?;
        if self.authorizer.owns_pattern(access, &rule.pattern) {
            Ok(rule)
        } else {
            Err(RegistryError::RuleUnknown { id })
        }
    }

    /// Takes a rule back.
    ///
    /// # Errors
    /// [`RegistryError::RuleUnknown`].
    pub async fn remove_rule(&self, access: &PatternAccess, rule: &Rule) -> Result<(), RegistryError> {
        if rule.pattern != access.pattern {
            return Err(RegistryError::RuleUnknown { id: rule.id });
        }
        Ok(self.meta.remove_rule(rule.id, &access.change).await?)
    }

    /// The tags that a push of `tag` would move.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn preview_floating(
        &self,
        access: &Access<Pull>,
        tag: &Tag,
    ) -> Result<Vec<Tag>, RegistryError> {
        Ok(self.meta.floating(access.repository(), tag).await?)
    }
}
