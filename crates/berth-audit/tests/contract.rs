//! What the log must do, run on each database engine at hand.

use berth_audit::{Actor, AuditLog, Event, Filter, append};
use berth_db::Db;
use berth_db::testing::{TestDb, on_each};

async fn open(test: &TestDb) -> AuditLog {
    AuditLog::open(test.db.clone()).await.unwrap()
}

async fn tell(db: &Db, who: &str, at: i64, action: &'static str, repository: Option<&'static str>) {
    let actor = Actor { id: format!("user:{who}"), name: who.to_owned(), address: "10.0.0.1".parse().ok() };
    db.write(move |mut tx| {
        let actor = actor.clone();
        Box::pin(async move {
            append(&mut tx, &actor, &Event { at, action, repository, target: "t", detail: "d" }).await
        })
    })
    .await
    .unwrap();
}

async fn found(log: &AuditLog, filter: Filter) -> Vec<i64> {
    log.search(&filter, None, 100).await.unwrap().into_iter().map(|entry| entry.at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_each_part_and_the_newest_first() {
    on_each(|test| async move {
        let log = open(&test).await;
        tell(&test.db, "alice", 1, "tag.delete", Some("a/x")).await;
        tell(&test.db, "alice", 2, "tags.other", Some("a/y")).await;
        tell(&test.db, "bob", 3, "tag.move", Some("a/x")).await;
        tell(&test.db, "bob", 4, "user.add", None).await;
        let some = |text: &str| Some(text.to_owned());
        for (filter, expected) in [
            (Filter::default(), &[4, 3, 2, 1][..]),
            (Filter { actor: some("alice"), ..Filter::default() }, &[2, 1]),
            (Filter { repository: some("a/x"), ..Filter::default() }, &[3, 1]),
            (Filter { action: some("tag"), ..Filter::default() }, &[3, 1]),
            (Filter { action: some("tag.move"), ..Filter::default() }, &[3]),
            (Filter { since: Some(2), until: Some(4), ..Filter::default() }, &[3, 2]),
            (Filter { actor: some("alice' OR ''='"), ..Filter::default() }, &[]),
        ] {
            assert_eq!(found(&log, filter.clone()).await, expected, "{} {filter:?}", test.engine);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_before_a_position_and_entries_are_whole() {
    on_each(|test| async move {
        let log = open(&test).await;
        for at in 0..5 {
            tell(&test.db, "alice", at, "tag.move", Some("a/x")).await;
        }
        let first = log.search(&Filter::default(), None, 2).await.unwrap();
        let rest = log.search(&Filter::default(), Some(first[1].id), 10).await.unwrap();
        let times: Vec<_> = first.iter().chain(&rest).map(|entry| entry.at).collect();
        assert_eq!(times, [4, 3, 2, 1, 0], "{}", test.engine);
        let entry = &first[0];
        assert_eq!((entry.actor.name.as_str(), entry.actor.id.as_str()), ("alice", "user:alice"));
        assert_eq!(entry.actor.address, "10.0.0.1".parse().ok());
        assert_eq!(
            (entry.repository.as_deref(), entry.target.as_str(), entry.detail.as_str()),
            (Some("a/x"), "t", "d")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_undone_leaves_no_row() {
    on_each(|test| async move {
        let log = open(&test).await;
        let actor = Actor { id: "user:1".to_owned(), name: "alice".to_owned(), address: None };
        let undone: Result<(), berth_db::DbError> = test
            .db
            .write(move |mut tx| {
                let actor = actor.clone();
                Box::pin(async move {
                    let event = Event { at: 1, action: "tag.move", repository: None, target: "", detail: "" };
                    append(&mut tx, &actor, &event).await?;
                    Err(berth_db::DbError::NoRow)
                })
            })
            .await;
        undone.unwrap_err();
        assert_eq!(found(&log, Filter::default()).await, [0; 0], "{}", test.engine);
    })
    .await;
}
