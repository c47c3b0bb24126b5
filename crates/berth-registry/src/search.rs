//! Search: what somebody may see, ranked by where the words are.
//!
//! Every word must be somewhere: in the name, the description, a label, or at the beginning of a tag.

use std::collections::HashMap;

use berth_meta::{FoundIn, RepositoryFound, WordFound};

use crate::{CatalogAccess, Registry, RegistryError};

/// Words that count.
const WORDS: usize = 5;
/// Repositories that are looked at for one word before they are ranked.
const CANDIDATES: usize = 5000;
/// Tags and labels that are looked at for one word.
const PLACES: usize = 2000;

/// A repository that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// The repository.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// Whether everybody may pull from it.
    pub is_public: bool,
    /// What else holds a word, where it is not name or description.
    pub places: Vec<FoundIn>,
    /// The higher, the better it fits.
    pub(crate) rank: u32,
}

impl Registry {
    /// Repositories that the caller may see and that hold every word of `term`, the best first, `limit` at most. Without
    /// a word: the first ones by name.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn search_repositories(
        &self,
        access: &CatalogAccess,
        term: &str,
        limit: usize,
    ) -> Result<Vec<SearchHit>, RegistryError> {
        // `acme/app:1.2` asks for a repository and a tag of it.
        let words: Vec<_> =
            term.split([' ', ':', '\t', '\n']).filter(|word| !word.is_empty()).take(WORDS).collect();
        let Some((first, rest)) = words.split_first() else {
            let hits = self.named(access, "", limit).await?;
            let mut hits = sorted(hits.into_values().collect());
            hits.truncate(limit);
            return Ok(hits);
        };
        let mut hits = self.holding(access, first).await?;
        for word in rest {
            let more = self.holding(access, word).await?;
            hits.retain(|name, _| more.contains_key(name));
            for (name, hit) in &mut hits {
                let other = &more[name];
                hit.rank += other.rank;
                hit.places.extend(other.places.iter().cloned());
            }
        }
        let mut hits = sorted(hits.into_values().collect());
        hits.truncate(limit);
        Ok(hits)
    }

    /// Everything that holds one word.
    async fn holding(
        &self,
        access: &CatalogAccess,
        word: &str,
    ) -> Result<HashMap<String, SearchHit>, RegistryError> {
        let mut hits = self.named(access, word, CANDIDATES).await?;
        let mut places = self.meta.search_tags(word, PLACES).await?;
        // One or two letters are in almost every label.
        if word.chars().count() > 2 {
            places.extend(self.meta.search_labels(word, PLACES).await?);
        }
        for WordFound { repository, place } in places {
            if !self.sees_found(access, &repository) {
                continue;
            }
            let hit = hits.entry(repository.name.clone()).or_insert_with(|| hit(repository, 0));
            hit.rank = hit.rank.max(rank_of_place(&place, word));
            hit.places.push(place);
        }
        Ok(hits)
    }

    /// What holds a word in its name or description.
    async fn named(
        &self,
        access: &CatalogAccess,
        word: &str,
        limit: usize,
    ) -> Result<HashMap<String, SearchHit>, RegistryError> {
        let found = self.find_repositories(access, word, "", limit).await?.items.into_iter();
        let ranked = found.map(|found| {
            let rank = rank_of_name(&found, word);
            (found.name.clone(), hit(found, rank))
        });
        Ok(ranked.collect())
    }

    fn sees_found(&self, access: &CatalogAccess, found: &RepositoryFound) -> bool {
        found.name.parse().is_ok_and(|name| self.authorizer.sees(access, &name, found.is_public))
    }
}

fn hit(found: RepositoryFound, rank: u32) -> SearchHit {
    SearchHit {
        name: found.name,
        description: found.description,
        is_public: found.is_public,
        places: Vec::new(),
        rank,
    }
}

/// The best first; equals by name, shorter ones before.
fn sorted(mut hits: Vec<SearchHit>) -> Vec<SearchHit> {
    hits.sort_by(|a, b| {
        let key = |hit: &SearchHit| (std::cmp::Reverse(hit.rank), hit.name.len());
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    hits
}

/// How well a word fits a name: all of it, its last part, the beginning of a part, or anywhere; else the description.
fn rank_of_name(found: &RepositoryFound, word: &str) -> u32 {
    let word = word.to_lowercase();
    let last = found.name.rsplit('/').next().unwrap_or_default();
    if word.is_empty() {
        0
    } else if found.name == word {
        100
    } else if last == word {
        90
    } else if last.starts_with(&word) {
        70
    } else if found.name.split(['/', '-', '_', '.']).any(|part| part.starts_with(&word)) {
        60
    } else if found.name.contains(&word) {
        50
    } else {
        30
    }
}

fn rank_of_place(place: &FoundIn, word: &str) -> u32 {
    match place {
        FoundIn::Tag(tag) if tag == word => 40,
        FoundIn::Tag(_) => 20,
        FoundIn::Label(..) => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::{RepositoryFound, hit, rank_of_name, sorted};

    #[test]
    fn the_nearer_the_name_the_better() {
        let names = ["acme/webserver", "web", "acme/web", "old/my-web", "x/cobweb", "acme/other"];
        let found = |name: &str| RepositoryFound {
            name: name.to_owned(),
            description: "for the web".to_owned(),
            is_public: true,
        };
        let hits = names.map(|name| (found(name), rank_of_name(&found(name), "Web")));
        let hits = sorted(hits.into_iter().map(|(found, rank)| hit(found, rank)).collect());
        let order: Vec<_> = hits.iter().map(|hit| hit.name.as_str()).collect();
        assert_eq!(order, ["web", "acme/web", "acme/webserver", "old/my-web", "x/cobweb", "acme/other"]);
    }
}
