//! Which tags the rules keep. Rules choose tags; what no tag holds any more goes through the trash like all else.

use std::collections::BTreeMap;

use berth_db::{Row, Tx, params};
use berth_oci::{Digest, RepositoryName, Tag, VersionTag};

use crate::preview::{self, Mode, Removal};
use crate::repositories::{self, RepositoryId};
use crate::rows::{digest, probe};
use crate::rules::{Keep, Rule, RuleKind, Rules};
use crate::tags::OpenTag;
use crate::{Change, Meta, MetaError, Timestamp, tags};

/// What the rules say of one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The row of the tag: the decision is about just this.
    pub(crate) row: i64,
    /// The tag.
    pub tag: String,
    /// What it names.
    pub digest: Digest,
    /// Since when.
    pub began_at: Timestamp,
    /// Kept or not.
    pub verdict: Verdict,
}

/// What becomes of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays, for this reason.
    Kept(String),
    /// It ends, for this reason: no rule that is about it keeps it.
    Removed {
        /// Why, in words.
        why: String,
        /// The rules.
        rules: Vec<i64>,
    },
}

/// A part of what the rules say of a repository, and how to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoicePage {
    /// The tags, those set last first.
    pub choices: Vec<Choice>,
    /// Where the next part begins; `None` if this is the last.
    pub next: Option<Cursor>,
}

/// A place in the list of tags, with what was counted so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    began_at: i64,
    row: i64,
    /// How many tags each rule has counted.
    ranks: Vec<(i64, u64)>,
}

impl Meta {
    /// What the rules say of the tags of a repository, from a place on. Tags that float are not counted: they name what
    /// versions name.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn choose(
        &self,
        repository: &RepositoryName,
        from: Option<Cursor>,
        now: Timestamp,
        limit: usize,
    ) -> Result<ChoicePage, MetaError> {
        let repository = repository.clone();
        self.db
            .read(move |mut tx| {
                let (repository, from) = (repository.clone(), from.clone());
                Box::pin(async move { choose(&mut tx, &repository, from, now, limit).await })
            })
            .await
    }

    /// Ends tags that the rules did not keep, as far as they still stand as they were chosen.
    ///
    /// # Errors
    /// [`MetaError::RepositoryUnknown`].
    pub async fn end_chosen(
        &self,
        repository: &RepositoryName,
        chosen: Vec<Choice>,
        change: &Change,
        mode: Mode,
    ) -> Result<Removal, MetaError> {
        let (repository, change) = (repository.clone(), change.clone());
        preview::run(&self.db, mode, move |mut tx| {
            let (repository, chosen, change) = (repository.clone(), chosen.clone(), change.clone());
            Box::pin(async move { end_chosen(&mut tx, &repository, &chosen, &change).await })
        })
        .await
    }
}

async fn choose(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    from: Option<Cursor>,
    now: Timestamp,
    limit: usize,
) -> Result<ChoicePage, MetaError> {
    let id = repositories::require(tx, repository).await?;
    let mut chooser = Chooser::new(Rules::of(tx, repository).await?, now);
    let (began_at, row) = from.as_ref().map_or((i64::MAX, i64::MAX), |from| (from.began_at, from.row));
    if let Some(from) = from {
        chooser.resume(&from);
    }
    let sql = "SELECT id, name, digest, began_at, began_why FROM tags
         WHERE repository_id = ?1 AND ended_at IS NULL AND (began_at, id) < (?2, ?3)
         ORDER BY began_at DESC, id DESC LIMIT ?4";
    let mut rows = tx.query(sql, params![id.0, began_at, row, probe(limit)]).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let mut choices = Vec::with_capacity(rows.len());
    for row in &rows {
        choices.push(chooser.choose(tx, id, row).await?);
    }
    let next = choices.last().filter(|_| more).map(|last| chooser.cursor(last));
    Ok(ChoicePage { choices, next })
}

/// Applies the rules to tags, from the one set last to the one set first.
struct Chooser {
    rules: Rules,
    now: Timestamp,
    ranks: Vec<(i64, u64)>,
}

impl Chooser {
    fn new(rules: Rules, now: Timestamp) -> Chooser {
        let keeps = rules.0.iter().filter(|rule| matches!(rule.kind, RuleKind::Keep(_)));
        let ranks = keeps.map(|rule| (rule.id, 0)).collect();
        Chooser { rules, now, ranks }
    }

    fn resume(&mut self, from: &Cursor) {
        for (id, rank) in &mut self.ranks {
            if let Some((_, counted)) = from.ranks.iter().find(|(counted, _)| counted == id) {
                *rank = *counted;
            }
        }
    }

    fn cursor(&self, last: &Choice) -> Cursor {
        Cursor { began_at: last.began_at.0, row: last.row, ranks: self.ranks.clone() }
    }

    /// Judges the next tag. When its image was used is looked up only where nothing else keeps it.
    async fn choose(
        &mut self,
        tx: &mut Tx<'_>,
        repository: RepositoryId,
        row: &Row,
    ) -> Result<Choice, MetaError> {
        let name: String = row.get(1)?;
        let tag: Tag = name.parse().map_err(|_| MetaError::Damaged { what: "a tag" })?;
        let (digest, began_at) = (digest(row, 2)?, Timestamp(row.get(3)?));
        // Also one that was set by hand once: it names what a version names.
        let followed = row.get::<Option<String>>(4)?.is_some() || VersionTag::is_floating_form(&tag);
        let floats = followed && self.rules.levels().is_some();
        let verdict = match self.exempt(&tag, floats) {
            Some(why) => Verdict::Kept(why),
            None => {
                let about = self.count(&tag);
                let age = self.now.0 - began_at.0;
                let verdict = self.judge(&about, age, i64::MAX);
                if matches!(verdict, Verdict::Removed { .. }) && self.asks_for_use(&about) {
                    let used = used_at(tx, repository, &digest).await?.unwrap_or(began_at);
                    self.judge(&about, age, self.now.0 - used.0)
                } else {
                    verdict
                }
            }
        };
        Ok(Choice { row: row.get(0)?, tag: name, digest, began_at, verdict })
    }

    /// Why no rule is asked about a tag.
    fn exempt(&self, tag: &Tag, floats: bool) -> Option<String> {
        if let Some(image) = tag.attached_to() {
            return Some(format!("it belongs to {image} and goes with it"));
        }
        if floats {
            return Some("it follows versions by a rule".to_owned());
        }
        self.rules.forbids(tag).map(|rule| format!("rule {rule} makes it immutable"))
    }

    /// The rules that are about a tag, with its rank in each; it is counted.
    fn count(&mut self, tag: &Tag) -> Vec<(usize, u64)> {
        let mut about = Vec::new();
        for (at, rule) in self.rules.0.iter().enumerate().filter(|(_, rule)| rule.tags.matches(tag)) {
            if let Some((_, rank)) = self.ranks.iter_mut().find(|(id, _)| *id == rule.id) {
                *rank += 1;
                about.push((at, *rank));
            }
        }
        about
    }

    fn keeps(&self, about: &[(usize, u64)]) -> impl Iterator<Item = (&Rule, &Keep, u64)> {
        about.iter().filter_map(|(at, rank)| match &self.rules.0[*at].kind {
            RuleKind::Keep(keep) => Some((&self.rules.0[*at], keep, *rank)),
            _ => None,
        })
    }

    fn asks_for_use(&self, about: &[(usize, u64)]) -> bool {
        self.keeps(about).any(|(_, keep, _)| keep.pulled.is_some())
    }

    /// What the rules say of a tag that was set and used so many microseconds ago.
    fn judge(&self, about: &[(usize, u64)], age: i64, unused: i64) -> Verdict {
        let (mut lets, mut rules) = (Vec::new(), Vec::new());
        for (rule, keep, rank) in self.keeps(about) {
            match keep.reason(rank, age, unused) {
                Some(reason) => return Verdict::Kept(format!("rule {}: {reason}", rule.id)),
                None => {
                    lets.push(format!("rule {}: {}", rule.id, keep.words(rule)));
                    rules.push(rule.id);
                }
            }
        }
        if rules.is_empty() {
            return Verdict::Kept("no rule is about it".to_owned());
        }
        Verdict::Removed { why: lets.join("; "), rules }
    }
}

/// When a manifest was last used or pushed.
async fn used_at(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    digest: &Digest,
) -> Result<Option<Timestamp>, MetaError> {
    let sql = "SELECT p.used_at FROM manifests m JOIN pulls p ON p.manifest_id = m.id
         WHERE m.repository_id = ?1 AND m.digest = ?2";
    let row = tx.query_opt(sql, params![repository.0, &digest.to_string()]).await?;
    row.map(|row| Ok(Timestamp(row.get(0)?))).transpose()
}

impl Keep {
    /// Why a tag of that rank and those ages is kept, if it is.
    fn reason(&self, rank: u64, age: i64, unused: i64) -> Option<String> {
        if self.is_always() {
            return Some("it is kept always".to_owned());
        }
        if let Some(newest) = self.newest.filter(|newest| rank <= *newest) {
            return Some(format!("it is number {rank} of the newest {newest}"));
        }
        if let Some(younger) = self.younger.filter(|younger| age < *younger) {
            return Some(format!("it was set within {}", span(younger)));
        }
        let pulled = self.pulled.filter(|pulled| unused < *pulled)?;
        Some(format!("it was used within {}", span(pulled)))
    }

    /// What a tag lacks that the rule does not keep.
    fn words(&self, rule: &Rule) -> String {
        let newest = self.newest.map(|newest| format!("not among the newest {newest} of {}", rule.tags));
        let younger = self.younger.map(|younger| format!("not set within {}", span(younger)));
        let pulled = self.pulled.map(|pulled| format!("not used within {}", span(pulled)));
        [newest, younger, pulled].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Microseconds in words.
fn span(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let parts = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let fits = parts.iter().find(|(length, _)| seconds >= *length && seconds % length == 0);
    fits.map_or_else(|| format!("{seconds}s"), |(length, unit)| format!("{}{unit}", seconds / length))
}

async fn end_chosen(
    tx: &mut Tx<'_>,
    repository: &RepositoryName,
    chosen: &[Choice],
    change: &Change,
) -> Result<Removal, MetaError> {
    let id = repositories::require(tx, repository).await?;
    let rules = Rules::of(tx, repository).await?;
    let bounds = bounds(tx, id, &rules).await?;
    let mut open = Vec::new();
    for choice in chosen {
        let Verdict::Removed { why, rules: because } = &choice.verdict else { continue };
        let tag: Tag = choice.tag.parse().map_err(|_| MetaError::Damaged { what: "a tag" })?;
        let may_go = |rule: &i64| bounds.get(rule).is_some_and(|bound| choice.began_at.0 < *bound);
        if rules.forbids(&tag).is_none() && because.iter().all(may_go) {
            let digest = choice.digest.to_string();
            open.push((OpenTag { id: choice.row, name: choice.tag.clone(), digest }, why.as_str()));
        }
    }
    let removal = tags::remove(tx, id, &open, change).await?;
    if removal.n_tags > 0 {
        let names = removal.tags.join(", ");
        change.tell(tx, "tag.expire", repository, &names, &removal.n_tags.to_string()).await?;
    }
    Ok(removal)
}

/// For each rule that keeps, the time before which a tag must have been set to go: so many as the rule keeps are newer.
/// Between the choice and now somebody may have deleted those, or taken the rule back; doubt keeps a tag until the next
/// time.
async fn bounds(
    tx: &mut Tx<'_>,
    repository: RepositoryId,
    rules: &Rules,
) -> Result<BTreeMap<i64, i64>, MetaError> {
    let mut bounds = BTreeMap::new();
    for rule in &rules.0 {
        let RuleKind::Keep(keep) = &rule.kind else { continue };
        let Some(newest) = keep.newest else {
            bounds.insert(rule.id, i64::MAX);
            continue;
        };
        let sql = "SELECT began_at FROM tags WHERE repository_id = ?1 AND ended_at IS NULL
             ORDER BY began_at DESC LIMIT 1 OFFSET ?2";
        let offset = i64::try_from(newest.saturating_sub(1)).unwrap_or(i64::MAX);
        if let Some(row) = tx.query_opt(sql, params![repository.0, offset]).await? {
            bounds.insert(rule.id, row.get(0)?);
        }
    }
    Ok(bounds)
}
