//! The goals, and whether the numbers reach them.

use serde::Serialize;

use super::contender::Contender::{Berth, DockerRegistry, Nginx};
use super::facts::Facts;
use super::table::Table;

/// A goal beside what was measured.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Goal {
    /// What is compared.
    pub(crate) what: String,
    /// In what the value is counted.
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) bound: Bound,
}

/// Where a value must lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// Whether the value reaches the goal.
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.value >= bound,
            Bound::AtMost(bound) => self.value <= bound,
        }
    }
}

/// Every goal for which there are numbers.
pub(crate) fn judge(table: &Table, facts: &Facts) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut goal = |what: String, unit: &'static str, value: Option<f64>, bound: Bound| {
        goals.extend(value.map(|value| Goal { what, unit, value, bound }));
    };
    let rate = |scenario: &str, contender| table.median(scenario, contender).map(|outcome| outcome.rate());
    let ratio = |scenario: &str, other| Some(rate(scenario, Berth)? / rate(scenario, other)?);
    for scenario in ["pull-small", "manifest-get", "manifest-head"] {
        goal(format!("{scenario}: rate"), "× nginx", ratio(scenario, Nginx), Bound::AtLeast(0.6));
    }
    goal("pull-large: rate".to_owned(), "× nginx", ratio("pull-large", Nginx), Bound::AtLeast(1.0));
    let per_gb = |contender| table.median("pull-large", contender)?.cpu_seconds_per_gb();
    let cpu = per_gb(Berth).zip(per_gb(Nginx)).map(|(ours, theirs)| ours / theirs);
    goal("pull-large: CPU per byte".to_owned(), "× nginx", cpu, Bound::AtMost(1.0));
    let push = table.median("push-large", Berth);
    let hashing = push.map(|push| push.megabytes_per_second() / facts.openssl_megabytes_per_second);
    goal("push-large: rate".to_owned(), "× openssl dgst", hashing, Bound::AtLeast(0.5));
    for scenario in ["push-small", "manifest-put", "mount", "image-push"] {
        let ratio = ratio(scenario, DockerRegistry);
        goal(format!("{scenario}: rate"), "× docker-registry", ratio, Bound::AtLeast(10.0));
    }
    for scenario in ["tags-page", "catalog-page"] {
        let mut sizes = table.medians().filter(|(_, outcome)| outcome.scenario.starts_with(scenario));
        let pair = sizes.next().zip(sizes.next());
        let cost = pair.map(|((_, few), (_, many))| many.latency.p50 / few.latency.p50);
        goal(format!("{scenario}: median time with many entries"), "× with 100", cost, Bound::AtMost(1.5));
    }
    goal("memory of an idle server".to_owned(), "MiB", Some(facts.idle_mib), Bound::AtMost(20.0));
    if let Some(start) = &facts.start {
        let what = format!("start to first answer, {} manifests", start.manifests);
        goal(what, "ms", Some(start.millis), Bound::AtMost(100.0));
        let what = format!("memory after that start, {} manifests", start.manifests);
        goal(what, "MiB", Some(start.resident_mib), Bound::AtMost(20.0));
    }
    goal("release binary".to_owned(), "MiB", Some(facts.binary_mib), Bound::AtMost(25.0));
    let minutes = facts.clean_build_seconds.map(|seconds| seconds / 60.0);
    goal("clean release build".to_owned(), "min", minutes, Bound::AtMost(5.0));
    goals
}

#[cfg(test)]
mod tests {
    use super::super::contender::Contender;
    use super::super::facts::Facts;
    use super::super::table::{Table, outcome};
    use super::{Bound, Goal, judge};

    fn goals_of(table: &Table) -> Vec<Goal> {
        judge(table, &Facts { openssl_megabytes_per_second: 1000.0, ..Facts::default() })
    }

    fn find<'a>(goals: &'a [Goal], what: &str) -> &'a Goal {
        goals.iter().find(|goal| goal.what.starts_with(what)).unwrap()
    }

    #[test]
    fn ratios_are_ours_over_theirs() {
        let mut table = Table::default();
        table.add(Contender::Berth, outcome("pull-small", 60, 0, 0.0));
        table.add(Contender::Nginx, outcome("pull-small", 100, 0, 0.0));
        table.add(Contender::Berth, outcome("mount", 99, 0, 0.0));
        table.add(Contender::DockerRegistry, outcome("mount", 10, 0, 0.0));
        table.add(Contender::Berth, outcome("push-large", 6, 600_000_000, 0.0));
        let goals = goals_of(&table);
        assert!(find(&goals, "pull-small").is_met());
        assert!(!find(&goals, "mount").is_met());
        assert_eq!(find(&goals, "push-large").value, 0.6);
    }

    #[test]
    fn costs_are_ours_over_theirs_and_have_upper_bounds() {
        let mut table = Table::default();
        table.add(Contender::Berth, outcome("pull-large", 10, 2_000_000_000, 0.3));
        table.add(Contender::Nginx, outcome("pull-large", 10, 1_000_000_000, 0.2));
        for (scenario, p50) in [("tags-page/100", 0.5), ("tags-page/100000", 0.8)] {
            let latency = berth_bench::Latency { p50, ..berth_bench::Latency::default() };
            table.add(Contender::Berth, berth_bench::Outcome { latency, ..outcome(scenario, 100, 0, 0.0) });
        }
        let goals = goals_of(&table);
        let cpu = find(&goals, "pull-large: CPU");
        assert!((cpu.value - 0.75).abs() < 1e-9 && cpu.is_met());
        let pages = find(&goals, "tags-page");
        assert_eq!((pages.value, pages.bound, pages.is_met()), (1.6, Bound::AtMost(1.5), false));
    }

    #[test]
    fn what_was_not_measured_has_no_goal() {
        let goals = goals_of(&Table::default());
        assert!(goals.iter().all(|goal| goal.unit == "MiB"), "{goals:?}");
    }
}
