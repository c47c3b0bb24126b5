//! Connections that do nothing: what they cost, and whether they still answer.

use std::time::{Duration, Instant};

use super::Bench;
use crate::args::Scenario;
use crate::connection::{Connection, Request};
use crate::latency::Latency;
use crate::process::own_cpu;
use crate::report::{Outcome, ServerUse};

/// Connections held.
const CONNECTIONS: usize = 1000;
/// How long they are held.
const HOLD: Duration = Duration::from_secs(2);

/// Opens the connections, asks once on each, waits, and asks again; the latencies are those of the second question.
pub(super) async fn hold(bench: &Bench<'_>) -> anyhow::Result<Outcome> {
    let count = bench.args.connections.map_or(CONNECTIONS, usize::from);
    let mut connections = Vec::with_capacity(count);
    let (began, own_before) = (Instant::now(), own_cpu()?);
    bench.server.forget_peak();
    let cpu_before = bench.server.cpu()?;
    for _ in 0..count {
        let mut connection = bench.connect().await?;
        ask(&mut connection).await?;
        connections.push(connection);
    }
    tokio::time::sleep(HOLD).await;
    let server = match bench.server.is_empty() {
        true => None,
        false => Some(ServerUse::new(bench.server.cpu()?.saturating_sub(cpu_before), bench.server.memory()?)),
    };
    let mut latencies = Vec::with_capacity(count);
    for connection in &mut connections {
        let started = Instant::now();
        ask(connection).await?;
        latencies.push(started.elapsed());
    }
    Ok(Outcome {
        scenario: Scenario::Idle.name(),
        connections: count,
        operations: count as u64,
        bytes: 0,
        seconds: began.elapsed().as_secs_f64(),
        latency: Latency::of(latencies),
        server,
        client_cpu_seconds: own_cpu()?.saturating_sub(own_before).as_secs_f64(),
    })
}

async fn ask(connection: &mut Connection) -> anyhow::Result<()> {
    connection.call(Request::new("GET", "/v2/"), 200).await.map(|_| ())
}
