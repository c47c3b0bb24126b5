//! Runs one operation again and again on several connections, and measures it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, TryStreamExt as _};

use crate::connection::{Connection, Target};
use crate::latency::Latency;
use crate::process::{Processes, own_cpu};
use crate::report::{Outcome, ServerUse};

/// How much load, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// No operation begins after this time.
    pub(crate) time: Duration,
    /// No more operations than this.
    pub(crate) operations: u64,
}

/// Samples of a run without the use of the server's resources.
#[derive(Debug, Default)]
struct Samples {
    bytes: u64,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

/// Runs `operation` as `load` says; it is given a number that no other run of it has, and returns the bytes it moved.
///
/// # Errors
/// The first error of any operation ends the run.
pub(crate) async fn measure<Op>(
    name: &str,
    target: &Target,
    server: &Processes,
    load: Load,
    operation: Op,
) -> anyhow::Result<Outcome>
where
    Op: AsyncFn(&mut Connection, u64) -> anyhow::Result<u64>,
{
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        connections.push(Connection::open(target).await?);
    }
    server.forget_peak();
    let (server_before, own_before) = (server.cpu()?, own_cpu()?);
    let samples = run(connections, load, operation).await?;
    let client_cpu = own_cpu()?.saturating_sub(own_before);
    let server = match server.is_empty() {
        true => None,
        false => Some(ServerUse::new(server.cpu()?.saturating_sub(server_before), server.memory()?)),
    };
    Ok(Outcome {
        scenario: name.to_owned(),
        connections: load.connections,
        operations: samples.latencies.len() as u64,
        bytes: samples.bytes,
        seconds: samples.elapsed.as_secs_f64(),
        latency: Latency::of(samples.latencies),
        server,
        client_cpu_seconds: client_cpu.as_secs_f64(),
    })
}

/// Runs `operation` for each number below `count`, unmeasured.
pub(crate) async fn prepare<Op>(
    target: &Target,
    connections: usize,
    count: u64,
    operation: Op,
) -> anyhow::Result<()>
where
    Op: AsyncFn(&mut Connection, u64) -> anyhow::Result<u64>,
{
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Connection::open(target).await?);
    }
    let load = Load { connections, time: Duration::MAX, operations: count };
    run(opened, load, operation).await.map(|_| ())
}

async fn run<Op>(connections: Vec<Connection>, load: Load, operation: Op) -> anyhow::Result<Samples>
where
    Op: AsyncFn(&mut Connection, u64) -> anyhow::Result<u64>,
{
    let samples = RefCell::new(Samples::default());
    let next = Cell::new(0);
    let began = Instant::now();
    let work = async |mut connection: Connection| {
        while next.get() < load.operations && began.elapsed() < load.time {
            let number = next.replace(next.get() + 1);
            let started = Instant::now();
            let bytes = operation(&mut connection, number).await?;
            let mut samples = samples.borrow_mut();
            samples.latencies.push(started.elapsed());
            samples.bytes += bytes;
        }
        anyhow::Ok(())
    };
    let workers: FuturesUnordered<_> = connections.into_iter().map(&work).collect();
    workers.try_collect::<()>().await?;
    let elapsed = began.elapsed();
    Ok(Samples { elapsed, ..samples.into_inner() })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::{Load, measure};
    use crate::connection::Target;
    use crate::process::Processes;

    #[tokio::test]
    async fn each_number_is_run_once_and_the_first_error_ends_the_run() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::resolve(&format!("http://{}", listener.local_addr().unwrap())).await.unwrap();
        let load = Load { connections: 3, time: Duration::from_secs(60), operations: 10 };
        let seen = RefCell::new(Vec::new());
        let outcome = measure("x", &target, &Processes::default(), load, async |_, number| {
            tokio::task::yield_now().await;
            seen.borrow_mut().push(number);
            Ok(number)
        })
        .await
        .unwrap();
        seen.borrow_mut().sort_unstable();
        assert_eq!(*seen.borrow(), (0..10).collect::<Vec<_>>());
        assert_eq!((outcome.operations, outcome.bytes, outcome.connections), (10, 45, 3));
        assert!(outcome.server.is_none());

        let nobody = Processes::default();
        let failed = measure("x", &target, &nobody, load, async |_, number| {
            anyhow::ensure!(number != 4, "four");
            Ok(1)
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "four");
    }
}
