//! `docs/benchmarks.md`: goals and numbers of the newest run, and how to run it again.

use std::fmt::Write as _;

use super::Options;
use super::contender::Contender;
use super::facts::Facts;
use super::goals::{Bound, Goal};
use super::table::Table;

const HOW: &str = "\
Written by the command below; the servers ran beside each other, one of them loaded at a time, on loopback, with data
on the same disk. The load generator (`berth bench`, one thread) shares the cores with the server. It checks status,
length and digest headers of every answer, and afterwards the bytes of a sample; a wrong answer fails the run. Berth
answers a write when it is on the disk. docker-registry is Debian's package; its access log is off. nginx serves the
same bytes from files with sendfile, one worker per core. Of several rounds the median counts.
";

const READING: &str = "\
CPU and memory are those of the server with its children. Content is counted in MB (10⁶) and GB (10⁹ bytes). Large
blobs have 128 MiB, small ones 16 KiB. `push-large` and `push-small` are POST and PUT; `image-push` is one image with a
known layer, two new layers and a configuration, with the HEAD requests of a client: eleven requests. `idle` holds
1,000 connections; its memory counts, and its latencies are those of a request on each afterwards.
";

/// The page.
pub(crate) fn write(options: &Options, table: &Table, facts: &Facts, goals: &[Goal]) -> String {
    let mut page = String::from("# Benchmarks\n\n");
    page += HOW;
    let _ = write!(
        page,
        "\n```\ncargo xtask bench{}\n```\n\nThe machine: {} cores, `openssl dgst -sha256` {:.0} MB/s.\n",
        command(options),
        facts.cores,
        facts.openssl_megabytes_per_second
    );
    page += "\n## Goals\n\n| what | measured | goal | |\n|---|---:|---:|---|\n";
    goals.iter().for_each(|goal| goal_row(&mut page, goal));
    page += "\n## Numbers\n\n";
    page += READING;
    page += "\n| scenario | server | conns | ops/s | MB/s | p50 ms | p99 ms | CPU ms/op | CPU s/GB | peak MiB |\n\
             |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for (contender, outcome) in table.medians() {
        row(&mut page, contender, outcome);
    }
    page
}

/// What was asked for, as far as it changes the numbers.
fn command(options: &Options) -> String {
    let mut words = String::new();
    if options.quick {
        words += " --quick";
    } else {
        let defaults = (3, 5);
        if (options.rounds, options.seconds) != defaults {
            let _ = write!(words, " --rounds {} --seconds {}", options.rounds, options.seconds);
        }
    }
    if !options.only.is_empty() {
        let _ = write!(words, " --only {}", options.only.join(","));
    }
    if options.clean_build {
        words += " --clean-build";
    }
    words
}

fn goal_row(page: &mut String, goal: &Goal) {
    let (sign, bound) = match goal.bound {
        Bound::AtLeast(bound) => ("≥", bound),
        Bound::AtMost(bound) => ("≤", bound),
    };
    let verdict = if goal.is_met() { "met" } else { "**missed**" };
    let Goal { what, unit, value, .. } = goal;
    let _ = writeln!(page, "| {what} | {value:.2} {unit} | {sign} {bound} | {verdict} |");
}

fn row(page: &mut String, contender: Contender, outcome: &berth_bench::Outcome) {
    let some = |value: Option<f64>, digits: usize| {
        value.map_or_else(String::new, |value| format!("{value:.digits$}"))
    };
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {} | {:.2} | {:.2} | {} | {} | {} |",
        outcome.scenario,
        contender.name(),
        outcome.connections,
        some(Some(outcome.rate()), if outcome.rate() < 100.0 { 1 } else { 0 }),
        some(Some(outcome.megabytes_per_second()).filter(|_| outcome.bytes > 0), 1),
        outcome.latency.p50,
        outcome.latency.p99,
        some(outcome.cpu_ms_per_operation(), 3),
        some(outcome.cpu_seconds_per_gb(), 2),
        some(outcome.server.map(|server| server.peak_mib), 1),
    );
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::contender::Contender;
    use super::super::facts::Facts;
    use super::super::goals::{Bound, Goal};
    use super::super::table::{Table, outcome};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: super::Options,
    }

    fn options(words: &[&str]) -> super::Options {
        Cli::parse_from([&["bench"], words].concat()).options
    }

    #[test]
    fn the_page_names_the_command_the_goals_and_the_numbers() {
        let mut table = Table::default();
        table.add(Contender::Berth, outcome("push-small", 1000, 2_000_000, 0.5));
        let goals = [Goal { what: "a".to_owned(), unit: "MiB", value: 21.0, bound: Bound::AtMost(20.0) }];
        let page =
            super::write(&options(&["--quick", "--only", "push-small"]), &table, &Facts::default(), &goals);
        assert!(page.contains("\ncargo xtask bench --quick --only push-small\n"), "{page}");
        assert!(page.contains("| a | 21.00 MiB | ≤ 20 | **missed** |"), "{page}");
        assert!(
            page.contains("| push-small | berth | 0 | 1000 | 2.0 | 0.00 | 0.00 | 0.500 | 250.00 | 0.0 |"),
            "{page}"
        );
    }

    #[test]
    fn only_a_full_run_replaces_the_page() {
        assert!(options(&[]).page_file().is_some());
        assert!(options(&["--quick"]).page_file().is_none());
        assert!(options(&["--only", "mount"]).page_file().is_none());
        assert!(options(&["--quick", "--page", "x.md"]).page_file().is_some());
    }
}
