//! The results: as values, as a table, and as JSON.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::latency::Latency;
use crate::process::Memory;

const MB: f64 = 1e6;
const GB: f64 = 1e9;

/// What a run of the load generator found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The registry, as it was named on the command line.
    pub target: String,
    /// One per scenario (two for pages: few entries and many), in the order of the run.
    pub outcomes: Vec<Outcome>,
}

/// What one scenario found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name, for pages with the number of entries behind a slash.
    pub scenario: String,
    /// Connections at the same time.
    pub connections: usize,
    /// Operations done, all of them right.
    pub operations: u64,
    /// Bytes of content moved by them.
    pub bytes: u64,
    /// From the beginning of the first operation to the end of the last.
    pub seconds: f64,
    /// How long each operation took.
    pub latency: Latency,
    /// What it cost the server; `None` when no process was named.
    pub server: Option<ServerUse>,
    /// CPU time of the load generator itself.
    pub client_cpu_seconds: f64,
}

/// What a scenario cost the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    /// CPU time of the user and the system.
    pub cpu_seconds: f64,
    /// Resident memory at the end, MiB.
    pub resident_mib: f64,
    /// The most resident memory during the scenario, MiB.
    pub peak_mib: f64,
}

impl ServerUse {
    pub(crate) fn new(cpu: Duration, memory: Memory) -> ServerUse {
        ServerUse {
            cpu_seconds: cpu.as_secs_f64(),
            resident_mib: memory.resident as f64 / 1024.0,
            peak_mib: memory.peak as f64 / 1024.0,
        }
    }
}

impl Outcome {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Content in MB (10⁶ bytes) per second.
    pub fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / MB / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// The server's CPU time for one operation, in milliseconds.
    pub fn cpu_ms_per_operation(&self) -> Option<f64> {
        self.server.map(|server| server.cpu_seconds * 1000.0 / self.operations.max(1) as f64)
    }

    /// The server's CPU time for one GB (10⁹ bytes) of content, in seconds.
    pub fn cpu_seconds_per_gb(&self) -> Option<f64> {
        self.server.filter(|_| self.bytes > 0).map(|server| server.cpu_seconds * GB / self.bytes as f64)
    }

    fn row(&self) -> [String; COLUMNS.len()] {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let Latency { p50, p90, p99, max } = self.latency;
        [
            self.scenario.clone(),
            self.connections.to_string(),
            self.operations.to_string(),
            format!("{:.0}", self.rate()),
            number(Some(self.megabytes_per_second()).filter(|_| self.bytes > 0), 1),
            format!("{p50:.2}"),
            format!("{p90:.2}"),
            format!("{p99:.2}"),
            format!("{max:.2}"),
            number(self.cpu_ms_per_operation(), 3),
            number(self.cpu_seconds_per_gb(), 2),
            number(self.server.map(|server| server.resident_mib), 1),
            number(self.server.map(|server| server.peak_mib), 1),
            format!("{:.2}", self.client_cpu_seconds),
        ]
    }
}

const COLUMNS: [&str; 14] = [
    "scenario",
    "conns",
    "ops",
    "ops/s",
    "MB/s",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "max ms",
    "CPU ms/op",
    "CPU s/GB",
    "RSS MiB",
    "peak MiB",
    "client CPU s",
];

/// The table: one row per scenario; CPU and memory are the server's.
impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.outcomes.iter().map(Outcome::row).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].len());
            cells.chain([COLUMNS[column].len()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
        let mut line = |cells: &[&str]| {
            write!(out, "{:<width$}", cells[0], width = widths[0])?;
            for (cell, width) in cells.iter().zip(&widths).skip(1) {
                write!(out, "  {cell:>width$}")?;
            }
            writeln!(out)
        };
        line(&COLUMNS)?;
        rows.iter().try_for_each(|row| line(&row.each_ref().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Report, ServerUse};
    use crate::latency::Latency;

    fn report() -> Report {
        let measured = Outcome {
            scenario: "pull-small".to_owned(),
            connections: 16,
            operations: 1000,
            bytes: 16_000_000,
            seconds: 2.0,
            latency: Latency { p50: 0.25, p90: 0.5, p99: 1.0, max: 20.0 },
            server: Some(ServerUse { cpu_seconds: 0.5, resident_mib: 12.0, peak_mib: 14.5 }),
            client_cpu_seconds: 0.25,
        };
        let bare = Outcome { scenario: "mount".to_owned(), server: None, bytes: 0, ..measured.clone() };
        Report { target: "http://127.0.0.1:5000".to_owned(), outcomes: vec![measured, bare] }
    }

    #[test]
    fn the_table_has_aligned_columns_and_dashes_for_the_unknown() {
        let table = report().to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{table}");
        let cells: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(
            cells,
            [
                "pull-small",
                "16",
                "1000",
                "500",
                "8.0",
                "0.25",
                "0.50",
                "1.00",
                "20.00",
                "0.500",
                "31.25",
                "12.0",
                "14.5",
                "0.25"
            ]
        );
        let cells: Vec<&str> = lines[2].split_whitespace().collect();
        assert_eq!((cells[4], cells[9], cells[10]), ("-", "-", "-"));
    }

    #[test]
    fn json_carries_everything() {
        let json = serde_json::to_string(&report()).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report());
    }

    #[test]
    fn nothing_measured_divides_nothing_by_zero() {
        let nothing = Outcome::default();
        assert_eq!((nothing.rate(), nothing.megabytes_per_second()), (0.0, 0.0));
        assert_eq!(nothing.cpu_seconds_per_gb(), None);
    }
}
