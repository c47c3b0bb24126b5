//! How long operations took, as the few numbers that people compare.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the operations took no longer.
    pub p50: f64,
    /// Nine of ten operations took no longer.
    pub p90: f64,
    /// 99 of 100 operations took no longer.
    pub p99: f64,
    /// The slowest operation.
    pub max: f64,
}

impl Latency {
    /// The summary of `samples`, in any order; zeros when there are none.
    pub(crate) fn of(mut samples: Vec<Duration>) -> Latency {
        samples.sort_unstable();
        Latency {
            p50: percentile(&samples, 50.0),
            p90: percentile(&samples, 90.0),
            p99: percentile(&samples, 99.0),
            max: percentile(&samples, 100.0),
        }
    }
}

/// The smallest sample that `percent` of all samples do not exceed (nearest rank), in milliseconds.
fn percentile(sorted: &[Duration], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).map_or(0.0, |sample| sample.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latency;

    fn latency_of(millis: impl IntoIterator<Item = u64>) -> Latency {
        Latency::of(millis.into_iter().map(Duration::from_millis).collect())
    }

    #[test]
    fn ranks_of_a_hundred_samples_are_the_samples() {
        let latency = latency_of((1..=100).rev());
        assert_eq!(latency, Latency { p50: 50.0, p90: 90.0, p99: 99.0, max: 100.0 });
    }

    #[test]
    fn few_samples_round_up_to_the_next_one() {
        assert_eq!(latency_of([7]), Latency { p50: 7.0, p90: 7.0, p99: 7.0, max: 7.0 });
        assert_eq!(latency_of([1, 9]), Latency { p50: 1.0, p90: 9.0, p99: 9.0, max: 9.0 });
        assert_eq!(latency_of([]), Latency::default());
    }
}
