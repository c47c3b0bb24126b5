//! The keys of a provider (RFC 7517).

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;

use crate::signature::fits;

/// So many keys are looked at; nobody needs more, and each may have to be tried.
const MOST: usize = 64;

/// What a provider answers when it is asked for its keys.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    keys: Vec<Value>,
}

/// The keys that can be read. One that cannot is passed over: providers add new kinds of keys (section 5).
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Jwk>);

impl From<Document> for KeySet {
    fn from(document: Document) -> KeySet {
        let keys = document.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        KeySet(keys.take(MOST).collect())
    }
}

impl KeySet {
    /// The keys that may have signed a token with that key id and algorithm. A token without an id may be of any.
    pub(crate) fn of(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Jwk> {
        self.0.iter().filter(move |key| {
            id.is_none_or(|id| key.common.key_id.as_deref() == Some(id)) && fits(key, algorithm)
        })
    }
}
