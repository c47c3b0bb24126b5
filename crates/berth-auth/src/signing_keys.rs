//! The keys that bearer tokens are signed with: made at the first start, replaced every 30 days, the old one being
//! believed until every token that it signed has ended.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use berth_db::{Db, Row, Tx, params};
use bytes::Bytes;

use crate::AuthError;
use crate::access_token::chance;
use crate::accounts::now;

/// How long a key signs, in microseconds.
const SIGNS: i64 = 30 * 24 * 60 * 60 * 1_000_000;
/// How long a key is believed after it has ceased to sign.
const BELIEVED: i64 = 60 * 60 * 1_000_000;
/// Time between two looks for a key that is not known.
const LOOK: Duration = Duration::from_secs(1);

/// The keys of this installation. Processes that share a database share them.
pub(crate) struct SigningKeys {
    keys: RwLock<Arc<Vec<SigningKey>>>,
    looked: Mutex<Instant>,
}

/// One key.
pub(crate) struct SigningKey {
    /// The encoded header of every token that it signs. A token is verified by the key whose header it has, letter for
    /// letter; so no header of a stranger is ever interpreted.
    pub(crate) header: String,
    hmac: hmac::Key,
}

impl SigningKey {
    fn new(id: &str, secret: &[u8]) -> SigningKey {
        let header = format!(r#"{{"alg":"HS256","kid":"{id}","typ":"JWT"}}"#);
        SigningKey {
            header: BASE64_URL_SAFE_NO_PAD.encode(header),
            hmac: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    pub(crate) fn sign(&self, message: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.hmac, message.as_bytes()))
    }

    /// Compares in constant time.
    pub(crate) fn verifies(&self, message: &str, signature: &[u8]) -> bool {
        hmac::verify(&self.hmac, message.as_bytes(), signature).is_ok()
    }
}

impl SigningKeys {
    pub(crate) async fn open(db: &Db) -> Result<SigningKeys, AuthError> {
        let keys = SigningKeys { keys: RwLock::default(), looked: Mutex::new(Instant::now()) };
        keys.renew(db).await?;
        Ok(keys)
    }

    /// Makes a new key when the newest has signed long enough, forgets those that are not believed any more, and reads
    /// what there is. Two processes cannot make one at the same time: transactions are serializable.
    pub(crate) async fn renew(&self, db: &Db) -> Result<(), AuthError> {
        let (id, secret) = (hex_id()?, Bytes::copy_from_slice(&chance::<32>()?));
        let rows = db
            .write(move |mut tx| {
                let (id, secret) = (id.clone(), secret.clone());
                Box::pin(async move { renew(&mut tx, &id, &secret).await })
            })
            .await?;
        self.take(&rows)
    }

    /// The key that signs.
    pub(crate) fn newest(&self) -> Option<(Arc<Vec<SigningKey>>, usize)> {
        let keys = self.all();
        if keys.is_empty() { None } else { Some((keys, 0)) }
    }

    /// All keys that are believed, the newest first.
    pub(crate) fn all(&self) -> Arc<Vec<SigningKey>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the keys again, for a token of a key that another process made; at most once a second. Whether it did.
    pub(crate) async fn look_again(&self, db: &Db) -> Result<bool, AuthError> {
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.elapsed() < LOOK {
                return Ok(false);
            }
            *looked = Instant::now();
        }
        let rows = db.read(|mut tx| Box::pin(async move { believed(&mut tx).await })).await?;
        self.take(&rows)?;
        Ok(true)
    }

    fn take(&self, rows: &[Row]) -> Result<(), AuthError> {
        let key = |row: &Row| Ok(SigningKey::new(&row.get::<String>(0)?, &row.get::<Bytes>(1)?));
        let keys = rows.iter().map(key).collect::<Result<Vec<_>, AuthError>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }
}

async fn renew(tx: &mut Tx<'_>, id: &str, secret: &Bytes) -> Result<Vec<Row>, AuthError> {
    let now = now();
    let sql = "SELECT MAX(created_at) FROM signing_keys";
    let newest = tx.query_one(sql, &[]).await?.get::<Option<i64>>(0)?;
    if newest.is_none_or(|made| made < now.saturating_sub(SIGNS)) {
        let sql = "INSERT INTO signing_keys (id, secret, created_at) VALUES (?1, ?2, ?3)";
        tx.execute(sql, params![id, secret, now]).await?;
        // Those before the one that ceased to sign now have ceased long ago.
        let sql = "DELETE FROM signing_keys WHERE created_at < ?1";
        tx.execute(sql, params![now.saturating_sub(2 * SIGNS).saturating_sub(BELIEVED)]).await?;
    }
    believed(tx).await
}

/// The newest, and the one before it as long as it is believed: both signed within the time of a key and a bit.
async fn believed(tx: &mut Tx<'_>) -> Result<Vec<Row>, AuthError> {
    let sql = "SELECT id, secret FROM signing_keys WHERE created_at > ?1 ORDER BY created_at DESC, id";
    Ok(tx.query(sql, params![now().saturating_sub(2 * SIGNS).saturating_sub(BELIEVED)]).await?)
}

fn hex_id() -> Result<String, AuthError> {
    Ok(chance::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}
