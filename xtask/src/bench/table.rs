//! The outcomes of all rounds, by scenario and contender.

use std::collections::BTreeMap;

use berth_bench::Outcome;
use serde::{Serialize, Serializer};

use super::contender::Contender;

/// Every outcome of every round.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Scenarios in the order of the first round.
    scenarios: Vec<String>,
    rounds: BTreeMap<(String, Contender), Vec<Outcome>>,
}

impl Table {
    pub(crate) fn add(&mut self, contender: Contender, outcome: Outcome) {
        if !self.scenarios.contains(&outcome.scenario) {
            self.scenarios.push(outcome.scenario.clone());
        }
        self.rounds.entry((outcome.scenario.clone(), contender)).or_default().push(outcome);
    }

    /// The round with the median rate; of two, the slower one.
    pub(crate) fn median(&self, scenario: &str, contender: Contender) -> Option<&Outcome> {
        let mut rounds: Vec<&Outcome> = self.rounds.get(&(scenario.to_owned(), contender))?.iter().collect();
        rounds.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
        rounds.get((rounds.len() - 1) / 2).copied()
    }

    /// Every scenario with every contender that ran it.
    pub(crate) fn medians(&self) -> impl Iterator<Item = (Contender, &Outcome)> {
        let pairs = self.scenarios.iter().flat_map(|name| Contender::ALL.map(|contender| (name, contender)));
        pairs.filter_map(|(name, contender)| Some((contender, self.median(name, contender)?)))
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a> {
            contender: Contender,
            rounds: &'a [Outcome],
        }
        let rows = self.rounds.iter().map(|((_, contender), rounds)| Row { contender: *contender, rounds });
        serializer.collect_seq(rows)
    }
}

#[cfg(test)]
pub(crate) fn outcome(scenario: &str, operations: u64, bytes: u64, cpu_seconds: f64) -> Outcome {
    let server = Some(berth_bench::ServerUse { cpu_seconds, ..berth_bench::ServerUse::default() });
    Outcome { scenario: scenario.to_owned(), operations, bytes, seconds: 1.0, server, ..Outcome::default() }
}

#[cfg(test)]
mod tests {
    use super::{Contender, Table, outcome};

    #[test]
    fn the_median_round_counts() {
        let mut table = Table::default();
        assert!(table.median("mount", Contender::Berth).is_none());
        for rate in [30, 10, 20] {
            table.add(Contender::Berth, outcome("mount", rate, 0, 0.1));
        }
        table.add(Contender::Nginx, outcome("mount", 5, 0, 0.1));
        assert_eq!(table.median("mount", Contender::Berth).unwrap().operations, 20);
        table.add(Contender::Berth, outcome("mount", 11, 0, 0.1));
        assert_eq!(table.median("mount", Contender::Berth).unwrap().operations, 11);
        assert_eq!(table.medians().count(), 2);
    }
}
