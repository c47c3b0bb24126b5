//! How much of a layer is read before it is too much.

use std::time::Duration;

/// Limits of one reading. What is beyond them is not shown, what is before them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of an index.
    pub entries: u64,
    /// Bytes that come out of the compression.
    pub unpacked: u64,
    /// Bytes that come out for each byte that goes in, judged after the first 16 MiB.
    pub ratio: u64,
    /// Bytes of a path or of a link's target.
    pub name: usize,
    /// Parts of a path; what lies deeper is passed over.
    pub depth: usize,
    /// What an index may weigh in memory ([`LayerIndex::weight`](crate::LayerIndex::weight)), in bytes.
    pub weight: usize,
    /// How long a reading takes.
    pub time: Duration,
    /// Bytes of memory that a worker may take.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries: 500_000,
            unpacked: 20 * 1024 * 1024 * 1024,
            ratio: 200,
            name: 4096,
            depth: 128,
            weight: 96 * 1024 * 1024,
            time: Duration::from_secs(25),
            memory: 512 * 1024 * 1024,
        }
    }
}
