//! Schema versions: ordered lists of steps, each step applied once. Every crate that owns tables has a list of its own.

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

/// The tables of one crate.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Whose tables they are; never changed once released.
    pub name: &'static str,
    /// The steps, in the order of their versions.
    pub steps: &'static [Migration],
}

/// Applies what is missing.
pub(crate) async fn run(db: &Db, schema: Schema) -> Result<(), DbError> {
    let table = sql::schema(
        "CREATE TABLE IF NOT EXISTS schema_migrations
             (list KEY NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (list, version))",
        db.dialect(),
    );
    db.write(move |mut tx| {
        let table = table.clone();
        Box::pin(async move { tx.execute(&table, &[]).await.map(|_| ()) })
    })
    .await?;
    let known = schema.steps.last().map_or(0, |last| last.version);
    let found = db
        .read(move |mut tx| {
            Box::pin(async move {
                let sql = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations WHERE list = ?1";
                tx.query_one(sql, params![schema.name]).await?.get::<i64>(0)
            })
        })
        .await?;
    if found > known {
        return Err(DbError::NewerSchema { found, known });
    }
    for migration in schema.steps.iter().filter(|migration| migration.version > found) {
        apply(db, schema.name, migration).await?;
    }
    Ok(())
}

async fn apply(db: &Db, list: &'static str, migration: &'static Migration) -> Result<(), DbError> {
    let text = sql::schema(migration.sql, db.dialect());
    db.write(move |mut tx| {
        let text = text.clone();
        Box::pin(async move {
            for statement in text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
                tx.execute(statement.trim_end_matches(';'), &[]).await?;
            }
            let sql = "INSERT INTO schema_migrations (list, version, name) VALUES (?1, ?2, ?3)";
            tx.execute(sql, params![list, migration.version, migration.name]).await.map(|_| ())
        })
    })
    .await
}
