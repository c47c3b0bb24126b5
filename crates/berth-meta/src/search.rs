//! Search: which repositories have a word in what they are called, say of themselves, or hold.

use berth_db::{Row, params};

use crate::repositories::is_public;
use crate::{Meta, MetaError, Page, rows};

/// Characters of a word that count.
const LONGEST: usize = 255;

/// A repository that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFound {
    /// Its name.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// Whether everybody may pull from it.
    pub is_public: bool,
}

/// A repository in which a word was found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordFound {
    /// The repository.
    pub repository: RepositoryFound,
    /// What holds the word.
    pub place: FoundIn,
}

/// Something that holds a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundIn {
    /// A tag that begins with it.
    Tag(String),
    /// The value of a label or an annotation.
    Label(String, String),
}

impl Meta {
    /// Repositories that hold `term` in their name or description, in any case of letters, after `after` in byte order.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn search_repositories(
        &self,
        term: &str,
        after: &str,
        limit: usize,
    ) -> Result<Page<RepositoryFound>, MetaError> {
        let (after, pattern) = (after.to_owned(), holding(term));
        let sql = "SELECT name, description, visibility FROM repositories
             WHERE name > ?1 AND name < '~' AND (name LIKE ?2 ESCAPE '!' OR LOWER(description) LIKE ?2 ESCAPE '!')
             ORDER BY name LIMIT ?3";
        let rows = self
            .db
            .read(move |mut tx| {
                let (after, pattern) = (after.clone(), pattern.clone());
                Box::pin(async move { tx.query(sql, params![&after, &pattern, rows::probe(limit)]).await })
            })
            .await?;
        Ok(Page::cut(rows.iter().map(found).collect::<Result<_, MetaError>>()?, limit))
    }

    /// Repositories of which a tag begins with `word`, each with the first of these tags; `limit` at most.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn search_tags(&self, word: &str, limit: usize) -> Result<Vec<WordFound>, MetaError> {
        let word: String = word.chars().take(LONGEST).collect();
        // No tag holds a tilde, and all that they hold sorts before it.
        let end = format!("{word}~");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT r.name, r.description, r.visibility, f.tag FROM (
                 SELECT repository_id, MIN(name) AS tag FROM (
                     SELECT repository_id, name FROM tags WHERE ended_at IS NULL AND name >= ?1 AND name < ?2 LIMIT 5000
                 ) AS t GROUP BY repository_id LIMIT ?3) AS f
             JOIN repositories r ON r.id = f.repository_id WHERE r.name < '~' ORDER BY r.name";
        let rows = self
            .db
            .read(move |mut tx| {
                let (word, end) = (word.clone(), end.clone());
                Box::pin(async move { tx.query(sql, params![&word, &end, limit]).await })
            })
            .await?;
        let read = |row: &Row| Ok(WordFound { repository: found(row)?, place: FoundIn::Tag(row.get(3)?) });
        rows.iter().map(read).collect()
    }

    /// Repositories that hold `word` in the value of a label, `limit` at most.
    ///
    /// # Errors
    /// [`MetaError::Db`].
    pub async fn search_labels(&self, word: &str, limit: usize) -> Result<Vec<WordFound>, MetaError> {
        let pattern = holding(word);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT r.name, r.description, r.visibility, l.key, l.value FROM labels l
             JOIN repositories r ON r.id = l.repository_id
             WHERE LOWER(l.value) LIKE ?1 ESCAPE '!' AND r.name < '~' ORDER BY r.name, l.key LIMIT ?2";
        let rows = self
            .db
            .read(move |mut tx| {
                let pattern = pattern.clone();
                Box::pin(async move { tx.query(sql, params![&pattern, limit]).await })
            })
            .await?;
        let read = |row: &Row| {
            Ok(WordFound { repository: found(row)?, place: FoundIn::Label(row.get(3)?, row.get(4)?) })
        };
        rows.iter().map(read).collect()
    }
}

/// The pattern of what holds a word.
pub(crate) fn holding(word: &str) -> String {
    let mut pattern = String::from("%");
    for c in word.chars().take(LONGEST).flat_map(char::to_lowercase) {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn found(row: &Row) -> Result<RepositoryFound, MetaError> {
    Ok(RepositoryFound { name: row.get(0)?, description: row.get(1)?, is_public: is_public(row, 2)? })
}
