//! Passwords: argon2id, few at a time, and never a hint whether the user exists.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::access_token::chance;
use crate::guesses::Guesses;
use crate::{AccountId, AuthError, Secret};

/// Hashes that are computed at once: each takes 19 MiB and some 15 ms of a core.
const AT_ONCE: usize = 2;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a right password is remembered, so that a client that sends it with each request is served quickly.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Right passwords that are remembered.
const MANY: usize = 10_000;
/// The longest password that bcrypt sees as a whole, in bytes.
const BCRYPT_MAX: usize = 72;
/// The dearest bcrypt hash that is taken over: each step doubles the work.
const BCRYPT_COST: u8 = 14;

/// Everything about passwords of this process.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    /// A hash of a password that nobody has; what a user who does not exist is checked against. Computed at the first
    /// login, since it takes the memory of one.
    nobody: Arc<OnceLock<String>>,
    /// Keys what is remembered, so that a memory dump holds no quick hash of a password.
    key: [u8; 32],
    right: Mutex<HashMap<[u8; 32], Instant>>,
    pub(crate) guesses: Guesses,
}

/// The stored hash of a user.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) account: AccountId,
    pub(crate) hash: String,
}

impl Passwords {
    pub(crate) fn new() -> Result<Passwords, AuthError> {
        Ok(Passwords {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            nobody: Arc::default(),
            key: chance()?,
            right: Mutex::default(),
            guesses: Guesses::default(),
        })
    }

    /// The hash to store of a new password.
    ///
    /// # Errors
    /// [`AuthError::WeakPassword`], [`AuthError::Busy`].
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, AuthError> {
        if !(8..=1024).contains(&password.reveal().chars().count()) {
            return Err(AuthError::WeakPassword);
        }
        let password = password.clone();
        self.work(move || hash_now(&password)).await?
    }

    /// Whether the password is the stored one. Takes as long without a stored one.
    pub(crate) async fn verify(&self, stored: Option<&Stored>, password: &Secret) -> Result<bool, AuthError> {
        let hash = stored.map(|stored| stored.hash.clone());
        let (tried, nobody) = (password.clone(), Arc::clone(&self.nobody));
        let matches = self
            .work(move || Ok::<_, AuthError>(matches(hash.as_deref().unwrap_or(dummy(&nobody)?), &tried)));
        let matches = matches.await??;
        let Some(stored) = stored.filter(|_| matches) else { return Ok(false) };
        let mut right = self.lock();
        let now = Instant::now();
        if right.len() >= MANY {
            right.retain(|_, until| *until > now);
        }
        if right.len() < MANY {
            right.insert(self.mark(stored, password), now + REMEMBERED);
        }
        Ok(true)
    }

    /// Whether the password was found right a moment ago.
    pub(crate) fn remembers(&self, stored: &Stored, password: &Secret) -> bool {
        let mark = self.mark(stored, password);
        self.lock().get(&mark).is_some_and(|until| *until > Instant::now())
    }

    /// What is remembered of a right password. It holds the stored hash, so it is worth nothing once that changes.
    fn mark(&self, stored: &Stored, password: &Secret) -> [u8; 32] {
        let mut digest = Sha256::new_with_prefix(self.key);
        digest.update(stored.account.0.to_be_bytes());
        digest.update((stored.hash.len() as u64).to_be_bytes());
        digest.update(stored.hash.as_bytes());
        digest.update(password.reveal().as_bytes());
        digest.finalize().into()
    }

    /// Runs work that takes long on a thread for such work, when it is its turn.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(AuthError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| AuthError::System(error.to_string()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a stored hash is to be replaced at the next right password.
pub(crate) fn is_old(hash: &str) -> bool {
    !hash.starts_with("$argon2id$")
}

/// Whether a text has exactly the form of a bcrypt hash that we verify.
pub(crate) fn is_bcrypt(hash: &str) -> bool {
    let Some(rest) = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix)) else {
        return false;
    };
    let Some((cost, digest)) = rest.split_once('$') else { return false };
    let is_cost = cost.len() == 2 && cost.parse::<u8>().is_ok_and(|cost| (4..=BCRYPT_COST).contains(&cost));
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    is_cost && digest.len() == 53 && digest.bytes().all(is_digit)
}

/// OWASP's parameters for argon2id.
fn argon2() -> Result<Argon2<'static>, AuthError> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| AuthError::System(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The hash that nobody's password has. Both those who exist and those who do not wait for its first computation.
fn dummy(kept: &OnceLock<String>) -> Result<&str, AuthError> {
    if let Some(hash) = kept.get() {
        return Ok(hash);
    }
    let hash = hash_now(&crate::access_token::mint()?)?;
    Ok(kept.get_or_init(|| hash))
}

/// Computes a hash. Blocks.
fn hash_now(password: &Secret) -> Result<String, AuthError> {
    let hash = argon2()?.hash_password(password.reveal().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| AuthError::System(error.to_string()))
}

/// Compares a password with a stored hash. Blocks. A hash that cannot be read matches nothing.
fn matches(hash: &str, password: &Secret) -> bool {
    let password = password.reveal().as_bytes();
    if is_bcrypt(hash) {
        // A longer one would be cut, and match every other with the same beginning.
        return password.len() <= BCRYPT_MAX && bcrypt::verify(password, hash).unwrap_or(false);
    }
    argon2().is_ok_and(|argon2| argon2.verify_password(password, hash).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stored(hash: String) -> Stored {
        Stored { account: AccountId(1), hash }
    }

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_a_right_one_is_remembered() {
        let passwords = Passwords::new().unwrap();
        let (right, wrong) = (Secret::new("correct horse"), Secret::new("correct horsf"));
        let user = stored(passwords.hash(&right).await.unwrap());
        assert!(user.hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", user.hash);
        assert!(!passwords.verify(Some(&user), &wrong).await.unwrap());
        assert!(!passwords.remembers(&user, &right));
        assert!(passwords.verify(Some(&user), &right).await.unwrap());
        assert!(passwords.remembers(&user, &right) && !passwords.remembers(&user, &wrong));
        let changed = stored(passwords.hash(&right).await.unwrap());
        assert!(!passwords.remembers(&changed, &right), "another hash, another memory");
        assert!(!passwords.verify(None, &right).await.unwrap());
    }

    #[tokio::test]
    async fn lengths_are_bounded_and_nothing_is_cut() {
        let passwords = Passwords::new().unwrap();
        for bad in ["short", &"x".repeat(1025)] {
            assert!(matches!(passwords.hash(&Secret::new(bad)).await, Err(AuthError::WeakPassword)));
        }
        let long = "x".repeat(72);
        let user = stored(passwords.hash(&Secret::new(format!("{long}a"))).await.unwrap());
        assert!(!passwords.verify(Some(&user), &Secret::new(format!("{long}b"))).await.unwrap());
        assert!(passwords.verify(Some(&user), &Secret::new(format!("{long}a"))).await.unwrap());
    }

    #[test]
    fn bcrypt_hashes_go_on_working() {
        let hash = bcrypt::hash("from htpasswd", 4).unwrap();
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let hash = format!("{prefix}{}", &hash[4..]);
            assert!(is_bcrypt(&hash) && is_old(&hash));
            assert!(matches(&hash, &Secret::new("from htpasswd")));
            assert!(!matches(&hash, &Secret::new("from htpasswe")));
        }
        let long = bcrypt::hash("x".repeat(72), 4).unwrap();
        assert!(!matches(&long, &Secret::new("x".repeat(73))), "what bcrypt would cut is refused");
    }

    proptest! {
        #[test]
        fn no_stored_text_makes_a_panic(hash in "(\\$2[aby]\\$)?[\\PC]{0,70}") {
            prop_assert!(!is_bcrypt(&hash) || hash.len() == 60);
            if !is_bcrypt(&hash) {
                prop_assert!(!matches(&hash, &Secret::new("password")));
            }
        }
    }
}
