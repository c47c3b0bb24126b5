//! Schema versions: an ordered list of steps, each applied once.

use crate::{Db, DbError, params, sql};

/// One step of the schema. Steps are never changed once released; a later one mends an earlier.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Position in the list, from 1, without gaps.
    pub version: i64,
    /// What it brings, for people.
    pub name: &'static str,
    /// Statements, separated by `;` at the end of a line, in the words of the crate's schema dialect.
    pub sql: &'static str,
}

/// Applies what is missing.
pub(crate) async fn run(db: &Db, migrations: &'static [Migration]) -> Result<(), DbError> {
    let table =
        "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL)";
    db.write(move |mut tx| Box::pin(async move { tx.execute(table, &[]).await.map(|_| ()) })).await?;
    let known = migrations.last().map_or(0, |last| last.version);
    let found = db
        .read(|mut tx| {
            Box::pin(async move {
                tx.query_one("SELECT COALESCE(MAX(version), 0) FROM schema_migrations", &[])
                    .await?
                    .get::<i64>(0)
            })
        })
        .await?;
    if found > known {
        return Err(DbError::NewerSchema { found, known });
    }
    for migration in migrations.iter().filter(|migration| migration.version > found) {
        apply(db, migration).await?;
    }
    Ok(())
}

async fn apply(db: &Db, migration: &'static Migration) -> Result<(), DbError> {
    let text = sql::schema(migration.sql, db.dialect());
    db.write(move |mut tx| {
        let text = text.clone();
        Box::pin(async move {
            for statement in text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
                tx.execute(statement.trim_end_matches(';'), &[]).await?;
            }
            let sql = "INSERT INTO schema_migrations (version, name) VALUES (?1, ?2)";
            tx.execute(sql, params![migration.version, migration.name]).await.map(|_| ())
        })
    })
    .await
}
