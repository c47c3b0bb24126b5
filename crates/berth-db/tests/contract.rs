//! What every engine must do, run on each engine at hand.

use berth_db::testing::{TestDb, on_each};
use berth_db::{Db, DbError, Migration, Schema, params};
use bytes::Bytes;

const SCHEMA: Schema = Schema {
    name: "things",
    steps: &[Migration {
        version: 1,
        name: "things",
        sql: "CREATE TABLE things (id IDENTITY, name KEY NOT NULL UNIQUE, n BIGINT, body BYTES);\nCREATE INDEX things_n ON things (n);",
    }],
};

async fn migrated(test: &TestDb) -> Db {
    test.db.migrate(SCHEMA).await.unwrap();
    test.db.clone()
}

async fn insert(db: &Db, name: &'static str, n: i64) -> Result<i64, DbError> {
    db.write(move |mut tx| {
        Box::pin(async move {
            let sql = "INSERT INTO things (name, n, body) VALUES (?1, ?2, ?3) RETURNING id";
            tx.query_one(sql, params![name, n, b"\x00\xff".as_slice()]).await?.get(0)
        })
    })
    .await
}

async fn names(db: &Db) -> Vec<String> {
    db.read(|mut tx| {
        Box::pin(async move {
            let rows = tx.query("SELECT name FROM things ORDER BY name", &[]).await?;
            rows.iter().map(|row| row.get(0)).collect::<Result<_, DbError>>()
        })
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_as_they_went_in() {
    on_each(|test| async move {
        let db = migrated(&test).await;
        insert(&db, "a", i64::MAX).await.unwrap();
        let row = db
            .read(|mut tx| {
                Box::pin(async move {
                    tx.query_one("SELECT n, body, NULL FROM things WHERE name = ?1", params!["a"]).await
                })
            })
            .await
            .unwrap_or_else(|error: DbError| panic!("{}: {error}", test.engine));
        assert_eq!(row.get::<i64>(0).unwrap(), i64::MAX);
        assert_eq!(row.get::<Bytes>(1).unwrap(), Bytes::from_static(b"\x00\xff"));
        assert!(matches!(row.get::<String>(0), Err(DbError::Type { column: 0, .. })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_transaction_leaves_nothing_and_harms_no_neighbour() {
    on_each(|test| async move {
        let db = migrated(&test).await;
        let failing = db.write(|mut tx| {
            Box::pin(async move {
                tx.execute("INSERT INTO things (name) VALUES (?1)", params!["half"]).await?;
                Err::<(), _>(DbError::NoRow)
            })
        });
        let (failed, kept) = tokio::join!(failing, insert(&db, "whole", 1));
        assert!(matches!(failed, Err(DbError::NoRow)));
        kept.unwrap();
        assert_eq!(names(&db).await, ["whole"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violated_constraint_is_an_error_of_that_transaction_alone() {
    on_each(|test| async move {
        let db = migrated(&test).await;
        insert(&db, "a", 1).await.unwrap();
        insert(&db, "a", 2).await.unwrap_err();
        insert(&db, "b", 3).await.unwrap();
        assert_eq!(names(&db).await, ["a", "b"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_keys_sort_by_their_bytes() {
    on_each(|test| async move {
        let db = migrated(&test).await;
        for name in ["b", "a-b", "A", "a_b", "ä", "a.b", "ab"] {
            insert(&db, name, 0).await.unwrap();
        }
        assert_eq!(names(&db).await, ["A", "a-b", "a.b", "a_b", "ab", "b", "ä"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_increments_are_all_counted() {
    on_each(|test| async move {
        let db = migrated(&test).await;
        insert(&db, "n", 0).await.unwrap();
        let tasks: Vec<_> = (0..40).map(|_| tokio::spawn(increment(db.clone()))).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(read_n(&db).await, 40, "{}", test.engine);
    })
    .await;
}

/// Reads, then writes what it read plus one: only serializable transactions make this right.
async fn increment(db: Db) -> Result<(), DbError> {
    db.write(|mut tx| {
        Box::pin(async move {
            let n: i64 = tx.query_one("SELECT n FROM things WHERE name = 'n'", &[]).await?.get(0)?;
            tx.execute("UPDATE things SET n = ?1 WHERE name = 'n'", params![n + 1]).await.map(|_| ())
        })
    })
    .await
}

async fn read_n(db: &Db) -> i64 {
    db.read(|mut tx| {
        Box::pin(
            async move { tx.query_one("SELECT n FROM things WHERE name = 'n'", &[]).await?.get::<i64>(0) },
        )
    })
    .await
    .unwrap_or_else(|error: DbError| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_write_is_seen_by_the_next_write() {
    on_each(|test| async move {
        let db = migrated(&test).await;
        insert(&db, "n", 1).await.unwrap();
        db.write_later(|mut tx| {
            Box::pin(
                async move { tx.execute("UPDATE things SET n = 5 WHERE name = 'n'", &[]).await.map(|_| ()) },
            )
        });
        // On PostgreSQL the order of two connections is open, so the proof is that it comes to pass.
        for _ in 0..200 {
            if read_n(&db).await == 5 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{}: the deferred write never came", test.engine);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_changes_nothing_and_an_older_program_is_refused() {
    on_each(|test| async move {
        let db = migrated(&test).await;
        insert(&db, "a", 1).await.unwrap();
        db.migrate(SCHEMA).await.unwrap();
        assert_eq!(names(&db).await, ["a"]);
        let older = Schema { steps: &[], ..SCHEMA };
        assert!(matches!(db.migrate(older).await, Err(DbError::NewerSchema { found: 1, known: 0 })));
        db.check().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_crate_counts_the_versions_of_its_own_tables() {
    const OTHER: Schema = Schema {
        name: "other",
        steps: &[Migration { version: 1, name: "other", sql: "CREATE TABLE others (id IDENTITY)" }],
    };
    on_each(|test| async move {
        let db = migrated(&test).await;
        db.migrate(OTHER).await.unwrap();
        db.migrate(SCHEMA).await.unwrap();
        db.write(|mut tx| {
            Box::pin(async move { tx.execute("INSERT INTO others DEFAULT VALUES", &[]).await })
        })
        .await
        .unwrap();
        insert(&db, "a", 1).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_connection_cannot_write() {
    let test = berth_db::testing::sqlite().await;
    let db = migrated(&test).await;
    let refused: Result<u64, DbError> =
        db.read(|mut tx| Box::pin(async move { tx.execute("DELETE FROM things", &[]).await })).await;
    assert!(matches!(refused, Err(DbError::Sqlite(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private.db");
    let db = Db::open_sqlite(&path).await.unwrap();
    db.check().await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}
