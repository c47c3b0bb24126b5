//! Random verbs beside a small model of what a registry should do: both must answer the same, always.
//!
//! The model knows nothing of rows or of order: what lives is computed anew from the whole graph after each verb. So the
//! small steps of the rows are held against a definition. `BERTH_MODEL_OPERATIONS` makes the runs longer.

mod pair;
mod reference;

use std::time::Duration;

use berth_registry::Policy;

use pair::{Pair, open};

const FOREVER: Duration = Duration::from_secs(1000 * 86_400);

fn operations(usual: usize) -> usize {
    std::env::var("BERTH_MODEL_OPERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn policy(time: Duration) -> Policy {
    Policy { grace: time, trash: time, ..Policy::default() }
}

async fn run(mut pair: Pair, steps: usize) {
    for _ in 0..steps {
        pair.step().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_does_what_the_model_does() {
    for seed in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let registry = open(&folder, policy(FOREVER)).await;
        println!("seed {seed}, nothing is ever due");
        run(Pair::new(registry, false, "n", seed), operations(1200) / 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cleaning_takes_what_the_model_takes_and_nothing_else() {
    for seed in 10..14 {
        let folder = tempfile::tempdir().unwrap();
        let registry = open(&folder, policy(Duration::ZERO)).await;
        println!("seed {seed}, everything is due at once");
        run(Pair::new(registry, true, "n", seed), operations(1200) / 4).await;
    }
}

/// Eight at once, each in a namespace of its own, all with the same bytes, while the cleaning runs all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_at_once_see_only_what_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&folder, policy(FOREVER)).await;
    let cleaner = registry.clone();
    let cleaning = tokio::spawn(async move {
        loop {
            cleaner.clean().await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut running = tokio::task::JoinSet::new();
    for n in 0..8 {
        let pair = Pair::new(registry.clone(), false, &format!("n{n}"), 100 + n);
        running.spawn(run(pair, operations(1200) / 8));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    cleaning.abort();
}
