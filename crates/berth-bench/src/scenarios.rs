//! The kinds of load, each with its preparation, its measured operation, and its check afterwards.

mod blobs;
mod idle;
mod images;
mod lists;
mod manifests;
mod mount;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::args::{BenchArgs, Scenario};
use crate::connection::{Connection, Target};
use crate::content::Place;
use crate::load::{Load, measure};
use crate::process::Processes;
use crate::report::{Outcome, Report};

/// Connections that prepare content.
const PREPARING: usize = 64;
/// Time before the measured time of a scenario that only reads.
const WARM_UP: Duration = Duration::from_millis(300);

/// What every scenario is given.
struct Bench<'a> {
    args: &'a BenchArgs,
    target: Target,
    server: Processes,
    /// Different in each run: names and bytes derive from it, so no run finds what another one left.
    run: u64,
}

/// Runs the chosen scenarios in turn.
pub(crate) async fn run(args: &BenchArgs) -> anyhow::Result<Report> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let bench = Bench {
        args,
        target: Target::resolve(&args.target).await?,
        server: Processes::with_children(&args.pids)?,
        run: u64::try_from(since.as_micros()).unwrap_or_default(),
    };
    let mut report = Report { target: args.target.clone(), outcomes: Vec::new() };
    for scenario in bench.chosen() {
        report.outcomes.extend(bench.run_one(scenario).await.map_err(|e| e.context(scenario.name()))?);
    }
    Ok(report)
}

impl Bench<'_> {
    fn chosen(&self) -> Vec<Scenario> {
        let wanted = match self.args.scenarios.is_empty() {
            true => Scenario::DEFAULT.to_vec(),
            false => self.args.scenarios.clone(),
        };
        let fits = |scenario: &Scenario| self.args.static_root.is_none() || scenario.only_reads();
        wanted.into_iter().filter(fits).collect()
    }

    async fn run_one(&self, scenario: Scenario) -> anyhow::Result<Vec<Outcome>> {
        let one = match scenario {
            Scenario::PushLarge => blobs::push_large(self).await?,
            Scenario::PushSmall => blobs::push_small(self).await?,
            Scenario::PullLarge => blobs::pull_large(self).await?,
            Scenario::PullSmall => blobs::pull_small(self).await?,
            Scenario::ManifestGet => manifests::read(self, "GET", scenario).await?,
            Scenario::ManifestHead => manifests::read(self, "HEAD", scenario).await?,
            Scenario::ManifestPut => manifests::put(self).await?,
            Scenario::Mount => mount::mount(self).await?,
            Scenario::ImagePush => images::push(self).await?,
            Scenario::Idle => idle::hold(self).await?,
            Scenario::Fill => manifests::fill(self).await?,
            Scenario::TagsPage => return lists::tags(self).await,
            Scenario::CatalogPage => return lists::catalog(self).await,
        };
        Ok(vec![one])
    }

    /// A repository of this run.
    fn repository(&self, name: &str) -> String {
        format!("bench/{:x}/{name}", self.run)
    }

    fn load(&self, connections: usize, operations: u64) -> Load {
        Load {
            connections: self.args.connections.map_or(connections, usize::from),
            time: Duration::from_secs(self.args.seconds),
            operations: self.args.operations.unwrap_or(operations),
        }
    }

    /// Measures an operation that changes the registry.
    async fn measure_write<Op>(
        &self,
        scenario: Scenario,
        load: Load,
        operation: Op,
    ) -> anyhow::Result<Outcome>
    where
        Op: AsyncFn(&mut Connection, u64) -> anyhow::Result<u64>,
    {
        measure(&scenario.name(), &self.target, &self.server, load, operation).await
    }

    /// Measures an operation that only reads, after a short time of warming up.
    async fn measure_read<Op>(&self, name: &str, load: Load, operation: Op) -> anyhow::Result<Outcome>
    where
        Op: AsyncFn(&mut Connection, u64) -> anyhow::Result<u64>,
    {
        let warm_up = Load { time: WARM_UP, ..load };
        measure(name, &self.target, &self.server, warm_up, &operation).await?;
        measure(name, &self.target, &self.server, load, &operation).await
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(&self.target).await
    }

    /// Where content is put that is then pulled.
    async fn place(&self) -> anyhow::Result<Place> {
        Ok(match &self.args.static_root {
            Some(root) => Place::Folder(root.clone()),
            None => Place::Registry(Box::new(self.connect().await?)),
        })
    }

    fn small_bytes(&self) -> usize {
        usize::try_from(self.args.small_kib * 1024).unwrap_or(usize::MAX)
    }

    fn large_bytes(&self) -> usize {
        usize::try_from(self.args.large_mib * 1024 * 1024).unwrap_or(usize::MAX)
    }
}

/// Up to eight numbers below `count`, spread over all of them.
fn sample(count: u64) -> impl Iterator<Item = u64> {
    (0..count).step_by(usize::try_from(count.div_ceil(8)).unwrap_or(usize::MAX).max(1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn samples_are_few_and_below_the_count() {
        for count in [0, 1, 7, 8, 9, 1000] {
            let numbers: Vec<u64> = super::sample(count).collect();
            assert!(numbers.len() <= 8 && numbers.len() as u64 <= count);
            assert!(numbers.iter().all(|number| *number < count));
            assert_eq!(numbers.is_empty(), count == 0);
        }
    }
}
