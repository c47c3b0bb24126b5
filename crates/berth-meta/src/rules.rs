//! Rules about tags, by pattern: which float, which never change, which are kept.

use berth_db::{Row, Tx, params};
use berth_oci::{Level, Pattern, RepositoryName, Tag, TagPattern};

use crate::{Change, Meta, MetaError, Timestamp};

/// Rules at most: each push reads them.
const MOST: usize = 1000;

/// A rule as it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// The repositories that it is about.
    pub pattern: Pattern,
    /// The tags that it is about; those that float follow from versions, whatever this says.
    pub tags: TagPattern,
    /// What it says.
    pub kind: RuleKind,
    /// Whether a pattern that reaches into every namespace is meant.
    pub wide: bool,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleKind {
    /// When a version is pushed, the tags of these levels move to it, never backwards.
    Float(Vec<Level>),
    /// The tags never name another manifest, and are not removed.
    Immutable,
    /// The tags that meet a condition are kept, the others end.
    Keep(Keep),
}

impl RuleKind {
    fn word(&self) -> &'static str {
        match self {
            RuleKind::Float(_) => "float",
            RuleKind::Immutable => "immutable",
            RuleKind::Keep(_) => "keep",
        }
    }
}

/// Conditions, one of which is enough to be kept. Without any, all are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// It is among so many that were set last.
    pub newest: Option<u64>,
    /// It was set within so many microseconds.
    pub younger: Option<i64>,
    /// Its manifest was pulled (or pushed) within so many microseconds.
    pub pulled: Option<i64>,
}

impl Keep {
    /// Whether all are kept.
    pub fn is_always(&self) -> bool {
        *self == Keep::default()
    }
}

/// A rule that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub id: i64,
    /// The repositories that it is about.
    pub pattern: Pattern,
    /// The tags that it is about.
    pub tags: TagPattern,
    /// What it says.
    pub kind: RuleKind,
    /// When it was set.
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: String,
}

const COLUMNS: &str = "id, kind, pattern, tags, levels, newest, younger, pulled, made_at, made_by";

impl Rule {
    fn read(row: &Row) -> Result<Rule, MetaError> {
        let damaged = || MetaError::Damaged { what: "a rule" };
        let (kind, levels): (String, String) = (row.get(1)?, row.get(4)?);
        let newest: Option<i64> = row.get(5)?;
        let kind = match kind.as_str() {
            "float" => {
                let levels = levels.split(',').map(str::parse).collect::<Result<_, _>>();
                RuleKind::Float(levels.map_err(|_| damaged())?)
            }
            "immutable" => RuleKind::Immutable,
            "keep" => RuleKind::Keep(Keep {
                newest: newest.map(u64::try_from).transpose().map_err(|_| damaged())?,
                younger: row.get(6)?,
                pulled: row.get(7)?,
            }),
            _ => return Err(damaged()),
        };
        Ok(Rule {
            id: row.get(0)?,
            pattern: row.get::<String>(2)?.parse().map_err(|_| damaged())?,
            tags: row.get::<String>(3)?.parse().map_err(|_| damaged())?,
            kind,
            made_at: Timestamp(row.get(8)?),
            made_by: row.get(9)?,
        })
    }
}

/// The rules that are about one repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules(pub(crate) Vec<Rule>);

impl Rules {
    pub(crate) async fn of(tx: &mut Tx<'_>, repository: &RepositoryName) -> Result<Rules, MetaError> {
        let mut rules = all(tx).await?;
        rules.retain(|rule| rule.pattern.matches(repository));
        Ok(Rules(rules))
    }

    /// The rule that forbids a change of `tag`. What is attached to a digest by name changes with each signature.
    pub(crate) fn forbids(&self, tag: &Tag) -> Option<i64> {
        if tag.attached_to().is_some() {
            return None;
        }
        let forbids = |rule: &&Rule| rule.kind == RuleKind::Immutable && rule.tags.matches(tag);
        self.0.iter().find(forbids).map(|rule| rule.id)
    }

    pub(crate) fn require_mutable(&self, tag: &Tag) -> Result<(), MetaError> {
        match self.forbids(tag) {
            Some(rule) => Err(MetaError::TagImmutable { tag: tag.to_string(), rule }),
            None => Ok(()),
        }
    }

    /// The levels that float, by the rule with the most specific pattern.
    pub(crate) fn levels(&self) -> Option<(i64, &[Level])> {
        let floats = self.0.iter().filter_map(|rule| match &rule.kind {
            RuleKind::Float(levels) => Some((rule, levels)),
            _ => None,
        });
        let stars = |text: &str| text.bytes().filter(|byte| *byte == b'*').count();
        let specific = floats.min_by_key(|(rule, _)| {
            let text = rule.pattern.as_str();
            (stars(text), std::cmp::Reverse(text.len()), rule.id)
        });
        specific.map(|(rule, levels)| (rule.id, levels.as_slice()))
    }
}

async fn all(tx: &mut Tx<'_>) -> Result<Vec<Rule>, MetaError> {
    let sql = format!("SELECT {COLUMNS} FROM rules ORDER BY id");
    tx.query(&sql, &[]).await?.iter().map(Rule::read).collect()
}

impl Meta {
    /// All rules, in the order in which they were set.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn rules(&self) -> Result<Vec<Rule>, MetaError> {
        self.db.read(|mut tx| Box::pin(async move { all(&mut tx).await })).await
    }

    /// Sets a rule.
    ///
    /// # Errors
    /// [`MetaError::RuleInvalid`], with what it contradicts.
    pub async fn add_rule(&self, rule: NewRule, change: &Change) -> Result<Rule, MetaError> {
        let change = change.clone();
        self.db
            .write(move |mut tx| {
                let (rule, change) = (rule.clone(), change.clone());
                Box::pin(async move {
                    check(&rule, &all(&mut tx).await?)?;
                    insert(&mut tx, rule, &change).await
                })
            })
            .await
    }

    /// A rule.
    ///
    /// # Errors
    /// [`MetaError::RuleUnknown`].
    pub async fn rule(&self, id: i64) -> Result<Rule, MetaError> {
        let found = self.rules().await?.into_iter().find(|rule| rule.id == id);
        found.ok_or(MetaError::RuleUnknown { id })
    }

    /// Takes a rule back.
    ///
    /// # Errors
    /// [`MetaError::RuleUnknown`].
    pub async fn remove_rule(&self, id: i64, change: &Change) -> Result<(), MetaError> {
        let change = change.clone();
        self.db
            .write(move |mut tx| {
                let change = change.clone();
                Box::pin(async move {
                    let sql = "DELETE FROM rules WHERE id = ?1 RETURNING kind, pattern, tags";
                    let row = tx.query_opt(sql, params![id]).await?.ok_or(MetaError::RuleUnknown { id })?;
                    let (kind, pattern, tags): (String, String, String) =
                        (row.get(0)?, row.get(1)?, row.get(2)?);
                    let detail = format!("{kind} {tags}");
                    Ok(change.tell_anywhere(&mut tx, "rule.remove", &pattern, &detail).await?)
                })
            })
            .await
    }
}

async fn insert(tx: &mut Tx<'_>, rule: NewRule, change: &Change) -> Result<Rule, MetaError> {
    let (keep, levels) = match &rule.kind {
        RuleKind::Float(levels) => {
            let words: Vec<_> = levels.iter().map(|level| level.as_str()).collect();
            (Keep::default(), words.join(","))
        }
        RuleKind::Immutable => (Keep::default(), String::new()),
        RuleKind::Keep(keep) => (*keep, String::new()),
    };
    let newest = keep.newest.map(crate::rows::from_size).transpose()?;
    let sql = "INSERT INTO rules (kind, pattern, tags, levels, newest, younger, pulled, made_at, made_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id";
    let (pattern, tags, by) = (rule.pattern.as_str(), rule.tags.as_str(), &change.actor.name);
    let values =
        params![rule.kind.word(), pattern, tags, &levels, newest, keep.younger, keep.pulled, change.at.0, by];
    let id = tx.query_one(sql, values).await?.get(0)?;
    let detail = format!("{} {tags}", rule.kind.word());
    change.tell_anywhere(tx, "rule.add", pattern, &detail).await?;
    let NewRule { pattern, tags, kind, .. } = rule;
    Ok(Rule { id, pattern, tags, kind, made_at: change.at, made_by: by.clone() })
}

/// Refuses a rule that cannot be meant, or that says the opposite of another.
fn check(new: &NewRule, rules: &[Rule]) -> Result<(), MetaError> {
    let refuse = |why: String| Err(MetaError::RuleInvalid { why });
    if rules.len() >= MOST {
        return refuse(format!("there are {MOST} rules already; a pattern can stand for many repositories"));
    }
    if new.pattern.is_wide() && !new.wide {
        return refuse(format!("{} reaches into every namespace; say that this is meant", new.pattern));
    }
    match &new.kind {
        RuleKind::Float(levels) if levels.is_empty() => {
            return refuse("name at least one of minor, major, latest".to_owned());
        }
        RuleKind::Keep(keep)
            if keep.newest == Some(0)
                || [keep.younger, keep.pulled].iter().flatten().any(|time| *time <= 0) =>
        {
            return refuse("a rule that keeps nothing would delete every tag".to_owned());
        }
        _ => {}
    }
    for rule in rules.iter().filter(|rule| rule.pattern == new.pattern) {
        let same_tags = rule.tags == new.tags;
        match (&rule.kind, &new.kind) {
            (RuleKind::Float(_), RuleKind::Float(_)) => {
                return refuse(format!(
                    "rule {} already says which tags float there; remove it first",
                    rule.id
                ));
            }
            (RuleKind::Immutable, RuleKind::Immutable) | (RuleKind::Keep(_), RuleKind::Keep(_))
                if same_tags =>
            {
                return refuse(format!("rule {} is already about these tags; remove it first", rule.id));
            }
            (RuleKind::Immutable, RuleKind::Keep(keep)) if same_tags && !keep.is_always() => {
                return refuse(format!(
                    "rule {} makes these tags immutable, so they would never be removed",
                    rule.id
                ));
            }
            (RuleKind::Keep(keep), RuleKind::Immutable) if same_tags && !keep.is_always() => {
                return refuse(format!("rule {} removes some of these tags in time", rule.id));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: i64, pattern: &str, tags: &str, kind: RuleKind) -> Rule {
        Rule {
            id,
            pattern: pattern.parse().unwrap(),
            tags: tags.parse().unwrap(),
            kind,
            made_at: Timestamp(0),
            made_by: "a".to_owned(),
        }
    }

    fn refusal(pattern: &str, tags: &str, kind: RuleKind, rules: &[Rule]) -> Option<String> {
        let new =
            NewRule { pattern: pattern.parse().unwrap(), tags: tags.parse().unwrap(), kind, wide: false };
        check(&new, rules).err().map(|error| error.to_string())
    }

    fn newest(n: u64) -> RuleKind {
        RuleKind::Keep(Keep { newest: Some(n), ..Keep::default() })
    }

    #[test]
    fn rules_that_contradict_each_other_are_refused_with_the_reason() {
        let rules = [
            rule(1, "acme/*", "*", RuleKind::Float(vec![Level::Minor])),
            rule(2, "acme/*", "{version}", RuleKind::Immutable),
            rule(3, "acme/*", "pr-*", newest(5)),
        ];
        for (tags, kind, part) in [
            ("*", RuleKind::Float(vec![Level::Latest]), "rule 1"),
            ("{version}", RuleKind::Immutable, "rule 2"),
            ("{version}", newest(3), "immutable"),
            ("pr-*", newest(10), "rule 3"),
            ("pr-*", RuleKind::Immutable, "rule 3"),
            ("x", newest(0), "keeps nothing"),
            ("x", RuleKind::Float(vec![]), "at least one"),
        ] {
            let told = refusal("acme/*", tags, kind, &rules).unwrap_or_default();
            assert!(told.contains(part), "{tags}: {told}");
        }
        assert!(refusal("**", "*", newest(3), &[]).unwrap().contains("every namespace"));
        assert_eq!(refusal("acme/app", "pr-*", newest(3), &rules), None, "another pattern");
        assert_eq!(refusal("acme/*", "{version}", RuleKind::Keep(Keep::default()), &rules), None);
    }

    #[test]
    fn the_most_specific_pattern_says_what_floats() {
        let rules = Rules(vec![
            rule(1, "**", "*", RuleKind::Float(Level::ALL.to_vec())),
            rule(2, "acme/app", "*", RuleKind::Float(vec![Level::Minor])),
            rule(3, "acme/*", "*", RuleKind::Float(vec![Level::Major])),
        ]);
        assert_eq!(rules.levels(), Some((2, &[Level::Minor][..])));
        assert_eq!(Rules::default().levels(), None);
    }

    #[test]
    fn what_is_attached_to_a_digest_is_never_immutable() {
        let rules = Rules(vec![rule(1, "**", "*", RuleKind::Immutable)]);
        assert_eq!(rules.forbids(&"1.0".parse().unwrap()), Some(1));
        let attached = format!("sha256-{}.sig", "a".repeat(64));
        assert_eq!(rules.forbids(&attached.parse().unwrap()), None);
    }
}
