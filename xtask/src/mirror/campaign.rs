//! Thousands of pulls through a mirror whose upstream misbehaves, and what is judged afterwards.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Options;
use super::cases::{Case, Measure, Trouble};
use super::images::Sample;
use super::puller::{Outcome, Puller, Rule};
use super::subject::Subject;
use crate::fault::{self, Asked};
use crate::random::Random;
use crate::server::{Kind, Program};
use crate::upstream::{Secured, Upstream};

/// Images of each case: each is pulled many times.
const IMAGES: usize = 40;
/// How much of a case's pulls and time each part has; the rest of the pulls comes when the upstream behaves.
const PARTS: [(Measure, usize); 3] = [(Measure::Blobs, 20), (Measure::Manifests, 15), (Measure::Some, 35)];
/// So long after the misbehaviour a mirror may still wait before it asks again.
const HEALING: Duration = Duration::from_secs(75);

/// What is counted of the pulls of one case.
#[derive(Debug, Default)]
struct Tally {
    right: usize,
    failed: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

/// What came of one case.
#[derive(Debug)]
struct Verdict {
    tally: Tally,
    /// From the end of the misbehaviour until every image was pulled right; `None` if that never came.
    healed: Option<Duration>,
    /// Blobs that were got from the upstream more often than needed.
    repeated: Vec<String>,
    /// Images that are not served right when the upstream is away.
    lost: usize,
}

/// Runs every case; prints a table; returns how many checks passed and failed.
pub(super) fn run(options: &Options, folder: &Path, seed: u64) -> anyhow::Result<[usize; 2]> {
    let program = options.server.program()?;
    let upstream = Upstream::open(&folder.join("upstream"))?;
    println!(
        "| misbehaviour | pulls | right | failed | wrong | healed after | fetched too often | lost when alone |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut counts = [0; 2];
    let mut details = Vec::new();
    for (number, case) in Case::all().into_iter().enumerate() {
        if options.only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
            continue;
        }
        if matches!(case.trouble, Trouble::Tls) && program.kind() == Kind::DockerRegistry {
            println!("| {} | docker-registry trusts no authority of ours |", case.name);
            continue;
        }
        // Independent of which cases are run.
        let random = Random::new(seed ^ (number as u64) << 32);
        let trial = Trial { options, case: &case, number, upstream: &upstream };
        let verdict = trial.run(&program, &folder.join(format!("case-{number}")), random)?;
        println!("{}", verdict.row(case.name));
        for passed in verdict.checks() {
            counts[usize::from(!passed)] += 1;
        }
        details.extend(verdict.details().map(|detail| format!("{}: {detail}", case.name)));
    }
    println!();
    details.iter().for_each(|detail| println!("{detail}"));
    Ok(counts)
}

/// One case on its way.
struct Trial<'a> {
    options: &'a Options,
    case: &'a Case,
    number: usize,
    upstream: &'a Upstream,
}

impl Trial<'_> {
    fn run(&self, program: &Program, folder: &Path, mut random: Random) -> anyhow::Result<Verdict> {
        let proxy = &self.upstream.proxy;
        let samples = Sample::make(&format!("case-{}", self.number), IMAGES, &mut random);
        samples.iter().try_for_each(|sample| sample.push(self.upstream.server.address()))?;
        let tls = matches!(self.case.trouble, Trouble::Tls)
            .then(|| Secured::start(&folder.join("tls"), proxy.address()))
            .transpose()?;
        let url = tls.as_ref().map_or_else(|| proxy.url(), Secured::url);
        let authority = tls.as_ref().map(|tls| tls.authority.as_path());
        let subject = Subject::start(program, folder, &url, authority)?;
        let mark = proxy.mark();
        let tally = Mutex::new(Tally::default());
        for (measure, percent) in PARTS {
            self.case.begin(measure, proxy, tls.as_ref());
            let choose = random.next();
            let time = Duration::from_millis(self.options.seconds * 10 * percent as u64);
            self.pulls(&subject, percent, time, &tally, |number| {
                self.case.at_pull(number, measure, tls.as_ref());
                let at = Random::new(choose ^ number as u64).within(0..IMAGES as u64);
                (&samples[at as usize], self.case.rule())
            });
        }
        Case::end(proxy, tls.as_ref());
        let healed = self.heal(&subject, &samples, &tally);
        let rest = 100 - PARTS.iter().map(|(_, percent)| percent).sum::<usize>();
        let time = Duration::from_secs(self.options.seconds);
        self.pulls(&subject, rest, time, &tally, |number| (&samples[number % IMAGES], Rule::Current));
        let repeated = repeated(&proxy.since(mark));
        proxy.go_away();
        let lost = samples.iter().filter(|sample| self.fails_alone(&subject, sample, &tally)).count();
        proxy.come_back()?;
        subject.server.stop()?;
        std::fs::remove_dir_all(folder)?;
        let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Verdict { tally, healed, repeated, lost })
    }

    /// So many percent of the pulls, by all clients. When the time is over, the upstream behaves, so that what is
    /// slow or silent comes to its end.
    fn pulls<'s>(
        &self,
        subject: &Subject,
        percent: usize,
        time: Duration,
        tally: &Mutex<Tally>,
        choose: impl Fn(usize) -> (&'s Sample, Rule) + Sync,
    ) {
        let (next, most) = (AtomicUsize::new(0), self.options.pulls * percent / 100);
        let deadline = Instant::now() + time;
        let work = || {
            let mut puller = Puller::new(subject.address(), &subject.prefix);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= most || Instant::now() >= deadline {
                    return;
                }
                let (sample, rule) = choose(number);
                note(tally, puller.pull(sample, rule));
            }
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..self.options.parallel).map(|_| scope.spawn(work)).collect();
            while clients.iter().any(|client| !client.is_finished()) {
                if Instant::now() >= deadline {
                    self.upstream.proxy.behave();
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
    }

    /// Pulls each image until it is right; says how long that took.
    fn heal(&self, subject: &Subject, samples: &[Sample], tally: &Mutex<Tally>) -> Option<Duration> {
        let began = Instant::now();
        let next = AtomicUsize::new(0);
        let ill = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..self.options.parallel {
                scope.spawn(|| {
                    let mut puller = Puller::new(subject.address(), &subject.prefix);
                    while let Some(sample) = samples.get(next.fetch_add(1, Ordering::Relaxed)) {
                        loop {
                            let outcome = puller.pull(sample, Rule::Current);
                            // A tag that has moved may be answered as it was until the upstream is asked again.
                            let is_right = outcome == Outcome::Right;
                            note(tally, outcome);
                            if is_right {
                                break;
                            }
                            if began.elapsed() > HEALING {
                                ill.fetch_add(1, Ordering::Relaxed);
                                break;
                            }
                            thread::sleep(Duration::from_millis(100));
                        }
                    }
                });
            }
        });
        (ill.into_inner() == 0).then(|| began.elapsed())
    }

    fn fails_alone(&self, subject: &Subject, sample: &Sample, tally: &Mutex<Tally>) -> bool {
        let outcome = Puller::new(subject.address(), &subject.prefix).pull(sample, Rule::Current);
        let fails = outcome != Outcome::Right;
        note(tally, outcome);
        fails
    }
}

impl Verdict {
    /// Nothing wrong; healed; nothing fetched too often; nothing lost.
    fn checks(&self) -> [bool; 4] {
        [self.tally.wrong.is_empty(), self.healed.is_some(), self.repeated.is_empty(), self.lost == 0]
    }

    fn row(&self, name: &str) -> String {
        let failed: usize = self.tally.failed.values().sum();
        let (right, wrong) = (self.tally.right, self.tally.wrong.len());
        let healed = self.healed.map_or("never".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
        format!(
            "| {name} | {} | {right} | {failed} | {wrong} | {healed} | {} | {} |",
            right + failed + wrong,
            self.repeated.len(),
            self.lost
        )
    }

    /// What explains the row.
    fn details(&self) -> impl Iterator<Item = String> {
        let failed: Vec<String> =
            self.tally.failed.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
        let failed = (!failed.is_empty()).then(|| format!("failed: {}", failed.join(", ")));
        let wrong = self.tally.wrong.first().map(|wrong| format!("WRONG {wrong}"));
        let repeated = self.repeated.first().map(|repeated| format!("FETCHED TOO OFTEN {repeated}"));
        failed.into_iter().chain(wrong).chain(repeated)
    }
}

fn note(tally: &Mutex<Tally>, outcome: Outcome) {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Outcome::Right => tally.right += 1,
        Outcome::Failed(reason) => *tally.failed.entry(reason).or_default() += 1,
        Outcome::Wrong(what) => tally.wrong.push(what),
    }
}

/// Blobs that came well from the upstream more than once, or more than twice when one answer went wrong.
fn repeated(asked: &[Asked]) -> Vec<String> {
    let mut blobs: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for asked in asked.iter().filter(|asked| asked.kind == fault::Kind::Blob && asked.method == "GET") {
        let is_good = asked.whole && !asked.spoiled && matches!(asked.status, 200 | 206);
        blobs.entry(asked.reference()).or_default()[usize::from(!is_good)] += 1;
    }
    let too_often = blobs.iter().filter(|(_, [good, bad])| *good > 1 + usize::from(*bad > 0));
    too_often.map(|(digest, [good, bad])| format!("{digest}: {good} good answers, {bad} others")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Asked, Tally, Verdict, fault, repeated};

    fn asked(reference: &str, status: u16, whole: bool, spoiled: bool) -> Asked {
        Asked {
            method: "GET".into(),
            target: format!("/v2/a/blobs/{reference}"),
            kind: fault::Kind::Blob,
            authorization: None,
            is_range: false,
            status,
            bytes: 1,
            spoiled,
            whole,
        }
    }

    #[test]
    fn a_blob_may_come_once_and_once_more_after_a_failure() {
        let good = || asked("a", 200, true, false);
        assert!(repeated(&[good(), asked("b", 200, true, false)]).is_empty());
        assert_eq!(repeated(&[good(), good()]).len(), 1);
        for failure in
            [asked("a", 200, false, false), asked("a", 200, true, true), asked("a", 503, true, false)]
        {
            assert!(repeated(&[good(), failure.clone(), good()]).is_empty());
            assert_eq!(repeated(&[good(), failure, good(), good()]).len(), 1);
        }
    }

    #[test]
    fn each_check_can_fail() {
        let verdict =
            || Verdict { tally: Tally::default(), healed: None, repeated: vec!["x".into()], lost: 1 };
        assert_eq!(verdict().checks(), [true, false, false, false]);
        let mut wrong = verdict();
        wrong.tally.wrong.push("x".into());
        assert!(!wrong.checks()[0]);
        assert!(wrong.details().any(|detail| detail == "WRONG x"));
    }
}
