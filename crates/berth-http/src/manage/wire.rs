//! What answers are made of, beside documents: moments, and pages of lists.

use std::borrow::Cow;

use berth_registry::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::rfc3339;

/// A moment (RFC 3339), in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When(pub(super) i64);

impl From<Timestamp> for When {
    fn from(at: Timestamp) -> When {
        When(at.0)
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339::from_micros(self.0))
    }
}

impl JsonSchema for When {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "When".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// Cuts a page from a list that is at hand as a whole: what comes after `after` in the order of `key`, and where the next
/// page begins.
pub(super) fn page<T, K: Ord>(
    mut all: Vec<T>,
    after: Option<&K>,
    limit: usize,
    key: impl Fn(&T) -> K,
) -> (Vec<T>, Option<K>) {
    all.retain(|entry| after.is_none_or(|after| key(entry) > *after));
    all.sort_by_key(&key);
    let has_more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| has_more).map(key);
    (all, next)
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn pages_together_are_the_list() {
        let all = || vec![3, 1, 2, 5, 4];
        assert_eq!(page(all(), None, 2, |n| *n), (vec![1, 2], Some(2)));
        assert_eq!(page(all(), Some(&2), 2, |n| *n), (vec![3, 4], Some(4)));
        assert_eq!(page(all(), Some(&4), 2, |n| *n), (vec![5], None));
        assert_eq!(page(all(), Some(&3), 2, |n| *n), (vec![4, 5], None), "there is no empty last page");
    }
}
