//! The handle: database, directory, keys, and the memory of guesses.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use berth_audit::AuditLog;
use berth_db::{Db, DbError, Tx};
use berth_oci::RepositoryName;

use crate::access_token::Uses;
use crate::bearer::Bearers;
use crate::decision::{self, Verdict};
use crate::password::Passwords;
use crate::schema::SCHEMA;
use crate::signing_keys::SigningKeys;
use crate::{Action, AuthError, Caller, Directory, Visibility, directory, sessions};

/// Time between two looks at the generation.
const LOOK: Duration = Duration::from_secs(2);
/// Looks between two rounds of tidying up: one a minute.
const TIDY: u32 = 30;

/// Everything about accounts. Clones share it.
#[derive(Clone)]
pub struct Accounts(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) audit: AuditLog,
    pub(crate) directory: RwLock<Arc<Directory>>,
    pub(crate) passwords: Passwords,
    pub(crate) keys: SigningKeys,
    pub(crate) bearers: Bearers,
    pub(crate) uses: Uses,
}

impl Accounts {
    /// Takes a database into use: brings the schema up to date, makes the first signing key, reads the directory.
    ///
    /// # Errors
    /// [`AuthError::Db`], [`AuthError::Audit`].
    pub async fn open(db: Db) -> Result<Accounts, AuthError> {
        let audit = AuditLog::open(db.clone()).await?;
        db.migrate(SCHEMA).await?;
        let keys = SigningKeys::open(&db).await?;
        let directory = Directory::read(&db).await?;
        Ok(Accounts(Arc::new(Shared {
            db,
            audit,
            directory: RwLock::new(Arc::new(directory)),
            passwords: Passwords::new()?,
            keys,
            bearers: Bearers::default(),
            uses: Uses::default(),
        })))
    }

    /// The rows as this process knows them.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.0.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is any user. Without one, who reaches the server is nobody in particular.
    pub fn any(&self) -> bool {
        self.0.directory.read().unwrap_or_else(PoisonError::into_inner).has_users
    }

    /// Decides whether `caller` may do `action` in the repository `name`, which has this visibility (one that does not
    /// exist is private).
    pub fn decide(
        &self,
        caller: &Caller,
        action: Action,
        name: &RepositoryName,
        visibility: Visibility,
    ) -> Verdict {
        decision::decide(&self.directory(), caller, action, name, visibility)
    }

    /// What a repository becomes that a push makes: the default of its namespace's owner, else private.
    pub fn default_visibility(&self, name: &RepositoryName) -> Visibility {
        let directory = self.directory();
        directory.namespace_of(name).map_or(Visibility::Private, |owner| owner.default_visibility)
    }

    /// The audit log.
    pub fn audit(&self) -> &AuditLog {
        &self.0.audit
    }

    /// Keeps up with other processes (a look at the generation every two seconds), writes down when tokens were last
    /// used, replaces signing keys, forgets what has ended. Runs until it is dropped.
    pub async fn run_upkeep(self) {
        for round in 1_u32.. {
            tokio::time::sleep(LOOK).await;
            let outcome = if round.is_multiple_of(TIDY) { self.tidy().await } else { self.keep_up().await };
            if let Err(error) = outcome {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the upkeep of accounts failed; it is tried again"
                );
            }
        }
    }

    /// Reads the directory again if another process changed a row.
    async fn keep_up(&self) -> Result<(), AuthError> {
        if directory::generation(&self.0.db).await? != self.directory().generation {
            self.reload().await?;
        }
        Ok(())
    }

    async fn tidy(&self) -> Result<(), AuthError> {
        self.write_uses().await?;
        self.0.keys.renew(&self.0.db).await?;
        self.forget_ended().await?;
        self.keep_up().await
    }

    /// Reads the directory. Called after each change of this process, before the change is answered.
    pub(crate) async fn reload(&self) -> Result<(), AuthError> {
        let fresh = Arc::new(Directory::read(&self.0.db).await?);
        let mut kept = self.0.directory.write().unwrap_or_else(PoisonError::into_inner);
        // Two changes may end in either order; the later generation counts.
        if fresh.generation > kept.generation {
            *kept = fresh;
        }
        Ok(())
    }

    /// Removes rows that mean nothing any more.
    async fn forget_ended(&self) -> Result<(), AuthError> {
        let now = now();
        self.0
            .db
            .write(move |mut tx| {
                Box::pin(async move {
                    tx.execute("DELETE FROM invitations WHERE expires_at < ?1", berth_db::params![now])
                        .await?;
                    let (idle, longest) = sessions::horizon(now);
                    let sql = "DELETE FROM sessions WHERE seen_at < ?1 OR created_at < ?2";
                    tx.execute(sql, berth_db::params![idle, longest]).await?;
                    let sql = "DELETE FROM access_tokens WHERE expires_at < ?1";
                    if tx.execute(sql, berth_db::params![now]).await? > 0 {
                        bump(&mut tx).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// Counts the generation up, in the transaction that changes something that a directory holds.
pub(crate) async fn bump(tx: &mut Tx<'_>) -> Result<(), DbError> {
    tx.execute("UPDATE auth_state SET value = value + 1 WHERE key = 'generation'", &[]).await.map(|_| ())
}

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
