//! How long the questions of an image's life take in a repository of 100,000 tags beside 1,000,000 blobs.
//!
//! `cargo bench -p berth-meta`; prints the median and the worst of some runs each, on the embedded engine.

use std::time::{Duration, Instant};

use berth_db::{Db, DbError, params};
use berth_meta::{
    Actor, Change, Copy, Horizon, Keep, Meta, Mode, NewRule, Past, PutManifest, Rename, RuleKind, Sparse,
    Timestamp, Use, Verdict,
};
use berth_oci::{Digest, Level, Reference, RepositoryName, Tag};
use bytes::Bytes;

const TAGS: i64 = 100_000;
const BLOBS: i64 = 1_000_000;
const RUNS: usize = 15;
const DAY: Duration = Duration::from_secs(86_400);

/// Fills the tables as pushes would have, only quicker. The tag `t-N` names the manifest `N` with ten blobs of its own.
const FILL: &[&str] = &[
    "INSERT INTO namespaces (name) VALUES ('big')",
    "INSERT INTO repositories (name, namespace_id, created_at) VALUES ('big/app', 1, 1)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
     INSERT INTO blobs (id, digest, size, created_at)
     SELECT i, 'sha256:' || printf('%064x', i), 1000 + i % 5000, 1 FROM n WHERE ?2 > 0",
    "INSERT INTO repository_blobs (repository_id, blob_id, added_at, lease_until)
     SELECT 1, id, 1, 1 FROM blobs WHERE ?1 > 0 AND ?2 > 0",
    "INSERT INTO namespace_blobs (blob_id, namespace_id, repositories)
     SELECT id, 1, 1 FROM blobs WHERE ?1 > 0 AND ?2 > 0",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
     INSERT INTO manifests (id, repository_id, digest, media_type, size, content, pushed_at, pushed_by)
     SELECT i, 1, 'sha256:' || printf('%064x', 10000000 + i), 'application/vnd.oci.image.manifest.v1+json', 1200,
         zeroblob(1200), i * 1000000, 'a' FROM n WHERE ?1 > 0",
    "INSERT INTO manifest_references (manifest_id, position, repository_id, role, digest, size)
     SELECT (id - 1) / 10 + 1, (id - 1) % 10, 1, 'blob', digest, size FROM blobs WHERE ?1 > 0 AND ?2 > 0",
    "INSERT INTO pulls (manifest_id, pulls, used_at) SELECT id, 0, pushed_at FROM manifests WHERE ?1 > 0 AND ?2 > 0",
    "INSERT INTO tags (repository_id, name, digest, began_at, began_by, series, major, minor, patch)
     SELECT 1, '1.' || (id / 1000) || '.' || (id % 1000), digest, pushed_at, 'a', '', 1, id / 1000, id % 1000
     FROM manifests WHERE ?1 > 0 AND ?2 > 0",
    "INSERT INTO usage (kind, id, bytes, own_bytes)
     SELECT k, 1, (SELECT SUM(size) FROM blobs) + 1200 * ?2, (SELECT SUM(size) FROM blobs) + 1200 * ?2
     FROM (SELECT 'repository' AS k UNION ALL SELECT 'namespace' UNION ALL SELECT 'total') WHERE ?1 > 0",
];

async fn fill(db: &Db) {
    for sql in FILL {
        let began = Instant::now();
        let done: Result<u64, DbError> = db
            .write(move |mut tx| {
                Box::pin(async move {
                    let wants = if sql.contains("?2") { params![BLOBS, TAGS] } else { params![] };
                    tx.execute(sql, wants).await
                })
            })
            .await;
        println!("{:>9} rows in {:.1?}", done.unwrap(), began.elapsed());
    }
}

fn change(at: Timestamp) -> Change {
    let actor = Actor { id: "user:1".to_owned(), name: "bench".to_owned(), address: None };
    Change { actor, audited: true, at, makes_public: false, upstream: None }
}

/// Times `RUNS` runs, each with its number.
async fn measure<F: Future<Output = ()>>(name: &str, run: impl Fn(i64) -> F) {
    let mut times = Vec::new();
    for n in 0..RUNS as i64 {
        let began = Instant::now();
        run(n).await;
        times.push(began.elapsed());
    }
    times.sort();
    println!("{name:<44} median {:>10.2?}  worst {:>10.2?}", times[RUNS / 2], times[RUNS - 1]);
}

fn tag(n: i64) -> Tag {
    let n = 50_000 + n;
    format!("1.{}.{}", n / 1000, n % 1000).parse().unwrap()
}

fn manifest(n: i64) -> Digest {
    format!("sha256:{:064x}", 10_060_000 + n).parse().unwrap()
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open_sqlite(&folder.path().join("berth.db")).await.unwrap();
    drop(Meta::open(db.clone()).await.unwrap());
    fill(&db).await;
    let began = Instant::now();
    let meta = Meta::open(db.clone()).await.unwrap();
    println!("{:<44} {:>17.2?}", "start", began.elapsed());
    let app: RepositoryName = "big/app".parse().unwrap();
    looks(&meta, &app).await;
    changes(&meta, &app).await;
    cleaning(&meta, &app).await;
}

async fn looks(meta: &Meta, app: &RepositoryName) {
    measure("history of a tag", async |n| {
        meta.tag_history(app, Some(&tag(n)), i64::MAX, 100).await.unwrap();
    })
    .await;
    measure("history of the repository, 100 rows", async |_| {
        meta.tag_history(app, None, i64::MAX, 100).await.unwrap();
    })
    .await;
    measure("a tag at a time", async |n| {
        meta.tag_at(app, &tag(n), Timestamp(i64::MAX / 2)).await.unwrap();
    })
    .await;
    measure("usage: all, namespaces, repository", async |_| {
        meta.total_usage().await.unwrap();
        meta.namespace_usage("", 100).await.unwrap();
        meta.repository_usage(app).await.unwrap();
    })
    .await;
    measure("usage of an image", async |n| {
        meta.weigh(app, &Reference::Tag(tag(n))).await.unwrap();
    })
    .await;
    measure("the 20 largest layers", async |_| {
        meta.largest_blobs(20).await.unwrap();
    })
    .await;
    measure("unused tags, among 1,000", async |_| {
        meta.unused_tags(app, Timestamp(i64::MAX), "1.5", 1000).await.unwrap();
    })
    .await;
    measure("why kept", async |n| {
        meta.why_kept(app, &Reference::Tag(tag(n))).await.unwrap();
    })
    .await;
    let day = 86_400_000_000;
    let keep = Keep { newest: Some(99_000), pulled: Some(day), ..Keep::default() };
    let rule = |pattern: &str, kind| NewRule {
        pattern: pattern.parse().unwrap(),
        tags: "*".parse().unwrap(),
        kind,
        wide: false,
    };
    meta.add_rule(rule("big/*", RuleKind::Keep(keep)), &change(Timestamp(1))).await.unwrap();
    let now = Timestamp(200_000 * 1_000_000);
    measure("retention: 1,000 tags judged", async |_| {
        meta.choose(app, None, now, 1000).await.unwrap();
    })
    .await;
    let began = Instant::now();
    let (mut chosen, mut cursor) = (Vec::new(), None);
    loop {
        let page = meta.choose(app, cursor, now, 1000).await.unwrap();
        chosen.extend(
            page.choices.into_iter().filter(|choice| matches!(choice.verdict, Verdict::Removed { .. })),
        );
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    println!(
        "{:<44} {:>17.2?}  ({} would end)",
        "retention: all 100,000 tags judged",
        began.elapsed(),
        chosen.len()
    );
    measure("retention: preview of 500 deletions", async |_| {
        meta.end_chosen(app, chosen[..500].to_vec(), &change(now), Mode::DryRun).await.unwrap();
    })
    .await;
    measure("retention: 25 deletions", async |n| {
        let from = n as usize * 25;
        meta.end_chosen(app, chosen[from..from + 25].to_vec(), &change(now), Mode::Real).await.unwrap();
    })
    .await;
}

async fn changes(meta: &Meta, app: &RepositoryName) {
    let at = |n: i64| change(Timestamp(300_000 * 1_000_000 + n));
    meta.add_rule(
        NewRule {
            pattern: "big/app".parse().unwrap(),
            tags: "*".parse().unwrap(),
            kind: RuleKind::Float(Level::ALL.to_vec()),
            wide: false,
        },
        &at(0),
    )
    .await
    .unwrap();
    measure("push of a version that moves three tags", async |n| {
        let content = Bytes::from(format!("{{\"n\":{n}}}"));
        let manifest = berth_meta::NewManifest {
            digest: Digest::sha256(&content),
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            content,
            references: Vec::new(),
            subject: None,
            artifact_type: None,
            annotations: None,
            labels: Vec::new(),
        };
        let tags = vec![format!("2.0.{n}").parse().unwrap()];
        let put =
            PutManifest { repository: app.clone(), manifest, tags, change: at(n), sparse: Sparse::Refuse };
        assert_eq!(meta.put_manifest(put).await.unwrap().floated.len(), 3);
    })
    .await;
    measure("deletion of a tag, dry run", async |n| {
        meta.remove_tag(app, &tag(n), &at(n), Mode::DryRun).await.unwrap();
    })
    .await;
    measure("deletion of a tag", async |n| {
        meta.remove_tag(app, &tag(n), &at(n), Mode::Real).await.unwrap();
    })
    .await;
    measure("rollback of a tag", async |n| {
        meta.roll_back(app, &tag(n), Past::Previous, &at(n), Mode::Real).await.unwrap();
    })
    .await;
    measure("deletion of an image", async |n| {
        meta.remove_manifest(app, &manifest(n), &at(n), Mode::Real).await.unwrap();
    })
    .await;
    measure("list of the trash", async |_| {
        meta.deleted_manifests(app, None, 100).await.unwrap();
    })
    .await;
    measure("restoring an image", async |n| {
        meta.restore_manifest(app, &manifest(n), &at(n)).await.unwrap();
    })
    .await;
    measure("copy of an image into another repository", async |n| {
        let copy = Copy {
            from: app.clone(),
            at: Reference::Tag(tag(n)),
            into: "big/copy".parse().unwrap(),
            tags: vec![tag(n)],
            referrers: true,
        };
        meta.copy(copy, &at(n), Timestamp(1), Mode::Real).await.unwrap();
    })
    .await;
    measure("pulls of 500 images noted", async |_| {
        let used = |n| ((app.clone(), manifest(n)), Use { pulls: 1, last_at: Timestamp(1) });
        meta.add_uses((0..500).map(used).collect()).await.unwrap();
    })
    .await;
    measure("rename within the namespace, there and back", async |n| {
        let rename = |from: &str, to: &str| Rename {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            redirect_until: None,
        };
        meta.rename_repository(rename("big/app", "big/app2"), &at(n), Mode::Real).await.unwrap();
        meta.rename_repository(rename("big/app2", "big/app"), &at(n), Mode::Real).await.unwrap();
    })
    .await;
    measure("deletion of the repository, dry run", async |n| {
        meta.remove_repository(app, &at(n), Mode::DryRun).await.unwrap();
    })
    .await;
}

async fn cleaning(meta: &Meta, app: &RepositoryName) {
    let at = Timestamp(400_000 * 1_000_000);
    for n in 1000..1400 {
        meta.remove_manifest(app, &manifest(n), &change(at), Mode::Real).await.unwrap();
    }
    let horizon = Horizon { now: at.plus(DAY), trash: at.plus(DAY) };
    for (name, step) in
        [("purge of 20 images", 0), ("review of 100 layers", 1), ("removal of 100 layers' rows", 2)]
    {
        measure(name, async |_| {
            match step {
                0 => meta.purge_manifests(horizon).await.unwrap(),
                1 => meta.review_memberships(horizon).await.unwrap(),
                _ => meta.doom_blobs(horizon).await.unwrap(),
            };
        })
        .await;
    }
    measure("state of the cleaning", async |_| {
        meta.cleaning_state(at).await.unwrap();
    })
    .await;
    let began = Instant::now();
    let mut n_steps = 0;
    let mut longest = Duration::ZERO;
    let removed = change(at);
    meta.remove_repository(app, &removed, Mode::Real).await.unwrap();
    for _ in 0..2000 {
        let done = meta.purge_repositories(horizon).await.unwrap();
        n_steps += 1;
        longest = longest.max(done.took);
    }
    println!(
        "{:<44} {:>17.2?} each, longest {:.2?}",
        "purge of a deleted repository, by step",
        began.elapsed() / n_steps,
        longest
    );
}
