//! Pages of long lists: a page must cost the same whatever stands before and behind it.

use anyhow::{Context as _, ensure};
use berth_oci::Digest;
use serde::Deserialize;

use super::{Bench, PREPARING};
use crate::args::Scenario;
use crate::connection::{Connection, Request};
use crate::content::{INDEX_TYPE, empty_index, push_manifest};
use crate::load::prepare;
use crate::report::Outcome;

/// Entries of the short list.
const FEW: u64 = 100;
/// Entries of a measured page.
const PAGE: u64 = 50;
/// Entries of a page when the whole list is read.
const LONG_PAGE: u64 = 1000;

/// A page of either list.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, alias = "repositories")]
    tags: Vec<&'a str>,
}

/// A list of which this scenario knows every entry: `entry(0)`, `entry(1)`, … in order.
struct List<Entry> {
    path: String,
    entry: Entry,
    count: u64,
}

pub(super) async fn tags(bench: &Bench<'_>) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for count in [FEW, bench.args.entries] {
        let repository = bench.repository(&format!("tags-{count}"));
        let content = empty_index("tags");
        let entry = |number: u64| format!("t{number:07}");
        prepare(&bench.target, PREPARING, count, async |connection, number| {
            push_manifest(connection, &repository, &entry(number), INDEX_TYPE, &content).await?;
            Ok(0)
        })
        .await?;
        let list = List { path: format!("/v2/{repository}/tags/list"), entry, count };
        outcomes.push(list.measure(bench, Scenario::TagsPage).await?);
    }
    Ok(outcomes)
}

/// The first measurement is of a catalog of 100 only when the registry was empty before.
pub(super) async fn catalog(bench: &Bench<'_>) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let content = empty_index("catalog");
    let digest = Digest::sha256(&content).to_string();
    let entry = |number: u64| bench.repository(&format!("r{number:07}"));
    let mut made = 0;
    for count in [FEW, bench.args.entries] {
        prepare(&bench.target, PREPARING, count - made, async |connection, number| {
            push_manifest(connection, &entry(made + number), &digest, INDEX_TYPE, &content).await?;
            Ok(0)
        })
        .await?;
        made = count;
        let list = List { path: "/v2/_catalog".to_owned(), entry, count };
        outcomes.push(list.measure(bench, Scenario::CatalogPage).await?);
    }
    Ok(outcomes)
}

impl<Entry: Fn(u64) -> String> List<Entry> {
    async fn measure(&self, bench: &Bench<'_>, scenario: Scenario) -> anyhow::Result<Outcome> {
        self.read_all(&mut bench.connect().await?).await?;
        let name = format!("{}/{}", scenario.name(), self.count);
        let last_start = self.count - PAGE;
        let read = async |connection: &mut Connection, number: u64| {
            // A stride without a common factor visits pages all over the list.
            self.read_page(connection, number.wrapping_mul(7919) % last_start).await
        };
        bench.measure_read(&name, bench.load(1, 200_000), read).await
    }

    /// Reads the page that follows entry `before`, and compares its first and last entry.
    async fn read_page(&self, connection: &mut Connection, before: u64) -> anyhow::Result<u64> {
        let path = format!("{}?n={PAGE}&last={}", self.path, (self.entry)(before));
        let (_, body) = connection.fetch(Request::new("GET", &path), 200).await?;
        let page: Page<'_> = serde_json::from_slice(&body).with_context(|| format!("GET {path}"))?;
        let ends = (page.tags.first().copied(), page.tags.last().copied());
        let expected = ((self.entry)(before + 1), (self.entry)(before + PAGE));
        ensure!(
            page.tags.len() as u64 == PAGE && ends == (Some(&expected.0), Some(&expected.1)),
            "GET {path}: {} entries, from {:?} to {:?}",
            page.tags.len(),
            ends.0,
            ends.1
        );
        Ok(0)
    }

    /// Reads the list from its first entry to its last by following `Link`, and compares every entry.
    async fn read_all(&self, connection: &mut Connection) -> anyhow::Result<()> {
        let mut next = Some(format!("{}?n={LONG_PAGE}&last={}", self.path, (self.entry)(0)));
        let mut number = 1;
        while let Some(path) = next.take().filter(|_| number < self.count) {
            let (head, body) = connection.fetch(Request::new("GET", &path), 200).await?;
            let page: Page<'_> = serde_json::from_slice(&body).with_context(|| format!("GET {path}"))?;
            for found in page.tags.iter().take((self.count - number) as usize) {
                let expected = (self.entry)(number);
                ensure!(*found == expected, "GET {path}: {found:?} stands where {expected:?} belongs");
                number += 1;
            }
            next = head.next_page()?.map(str::to_owned);
        }
        ensure!(number == self.count, "{} ends after {number} of {} entries", self.path, self.count);
        Ok(())
    }
}
