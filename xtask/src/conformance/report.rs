//! What the conformance program printed: its counts, and each test that did not pass with the reason.

use std::fmt;

use anyhow::{Context as _, ensure};

/// The outcome of one run, or of several added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) passed: u64,
    /// Failures and errors of the program itself.
    pub(crate) failed: u64,
    /// Skipped, disabled or of unknown state: in each case not tested.
    pub(crate) skipped: u64,
    /// The tests that did not pass, without their parents.
    pub(crate) open: Vec<Test>,
    /// The verdict for each API and each kind of data.
    pub(crate) areas: Vec<(String, String)>,
}

/// One line of the program's tree of tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Test {
    name: String,
    status: String,
    reasons: Vec<String>,
}

impl Report {
    /// Reads the text that the program prints on standard output.
    pub(crate) fn read(title: &str, text: &str) -> anyhow::Result<Report> {
        let mut tests: Vec<Test> = Vec::new();
        let mut lines = text.lines();
        lines.by_ref().find(|line| *line == "Test results").context("it printed no test results")?;
        for line in lines.by_ref().take_while(|line| !line.starts_with("Configuration:")) {
            match (read_test(line.trim()), tests.last_mut()) {
                (Some(test), _) => tests.push(test),
                (None, Some(last)) if !line.trim().is_empty() => last.reasons.push(line.trim().to_owned()),
                _ => {}
            }
        }
        let mut report = Report { title: format!("OCI conformance {title}"), ..Report::default() };
        lines
            .by_ref()
            .find(|line| line.starts_with("OCI Conformance Result:"))
            .context("it printed no verdict")?;
        let mut total = None;
        for (name, value) in lines.filter_map(read_dots) {
            match (name, value.parse::<u64>()) {
                ("Pass", Ok(count)) => report.passed += count,
                ("FAIL" | "Error", Ok(count)) => report.failed += count,
                ("Total", Ok(count)) => total = Some(count),
                (_, Ok(count)) => report.skipped += count,
                (area, Err(_)) => report.areas.push((area.to_owned(), value.to_owned())),
            }
        }
        let counted = report.passed + report.failed + report.skipped;
        ensure!(total == Some(counted), "its counts add up to {counted}, it says {total:?}");
        report.open = without_parents(tests);
        Ok(report)
    }

    /// Adds the counts of another run.
    pub(crate) fn add(&mut self, other: Report) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.open.extend(other.open);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for (area, verdict) in &self.areas {
            writeln!(f, "  {area:<32}{verdict}")?;
        }
        for test in &self.open {
            writeln!(f, "  {:<5} {}", test.status, test.name)?;
            for reason in &test.reasons {
                writeln!(f, "          {reason:.240}")?;
            }
        }
        writeln!(f, "  {} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// `NAME: STATUS`, where a status is one known word.
fn read_test(line: &str) -> Option<Test> {
    let (name, status) = line.rsplit_once(": ")?;
    let known = ["Pass", "FAIL", "Skip", "Disabled", "Error", "Unknown"].contains(&status);
    (known && !name.starts_with("- ")).then(|| Test {
        name: name.to_owned(),
        status: status.to_owned(),
        reasons: Vec::new(),
    })
}

/// `NAME.....: VALUE`.
fn read_dots(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().rsplit_once(": ")?;
    let bare = name.trim_end_matches('.');
    (bare.len() < name.len()).then(|| (bare, value.trim()))
}

/// Drops what passed, and each test that only repeats the status of its children.
fn without_parents(tests: Vec<Test>) -> Vec<Test> {
    let names: Vec<String> = tests.iter().map(|test| format!("{}/", test.name)).collect();
    // The tree is printed in depth-first order: a parent stands right before its first child. Siblings may share a name.
    let is_parent: Vec<bool> = (0..names.len())
        .map(|i| names.get(i + 1).is_some_and(|next| *next != names[i] && next.starts_with(&names[i])))
        .collect();
    let leaves = tests.into_iter().zip(is_parent).filter(|(_, is_parent)| !is_parent);
    leaves.map(|(test, _)| test).filter(|test| test.status != "Pass").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
Test results
Suite: FAIL
  Suite/ping: Pass
  Suite/blobs: FAIL
    Suite/blobs/get: FAIL
     - status: expected 200, got 500
    body was: empty
    Suite/blobs/get: FAIL
    Suite/blobs/cancel: Skip

Configuration:
  registry: 127.0.0.1:5000

OCI Conformance Result: FAIL
  Disabled......................:          1
  Skip..........................:          1
  Pass..........................:          5
  FAIL..........................:          2
  Error.........................:          1
  Total.........................:         10

API conformance:
  Blob get......................:       FAIL
";

    #[test]
    fn counts_and_open_tests_are_read() {
        let report = Report::read("1.1", PRINTED).unwrap();
        assert_eq!((report.passed, report.failed, report.skipped), (5, 3, 2));
        let open: Vec<_> = report.open.iter().map(|test| (test.name.as_str(), test.reasons.len())).collect();
        assert_eq!(open, [("Suite/blobs/get", 2), ("Suite/blobs/get", 0), ("Suite/blobs/cancel", 0)]);
        assert_eq!(report.areas, [("Blob get".to_owned(), "FAIL".to_owned())]);
    }

    #[test]
    fn a_report_that_is_cut_or_does_not_add_up_is_an_error() {
        let cut = PRINTED.split("OCI Conformance").next().unwrap();
        assert!(Report::read("1.1", cut).is_err());
        assert!(Report::read("1.1", "").is_err());
        assert!(Report::read("1.1", &PRINTED.replace("         10", "         11")).is_err());
    }
}
