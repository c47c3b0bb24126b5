//! The ways in which an upstream goes wrong.

use super::images::EARLIER;
use super::puller::Rule;
use crate::fault::{Fault, On, Place, Proxy};
use crate::upstream::{Front, Secured};

/// One misbehaviour.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) trouble: Trouble,
}

/// Where it goes wrong.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// In the answers, by each of these in turn.
    Answers(Vec<Fault>),
    /// Before there is an answer: in TLS.
    Tls,
}

/// How much of the misbehaviour there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Every blob.
    Blobs,
    /// Every manifest.
    Manifests,
    /// One answer out of three.
    Some,
}

impl Case {
    /// All of them.
    pub(super) fn all() -> Vec<Case> {
        let case = |name, faults: &[Fault]| Case { name, trouble: Trouble::Answers(faults.to_vec()) };
        vec![
            case("cut at 50 %", &[Fault::Cut(Place::Half), Fault::Reset(Place::Half)]),
            case("wrong bytes", &[Fault::Flip]),
            case("right bytes and one more", &[Fault::Extra]),
            case("wrong Content-Length", &[Fault::Shorter, Fault::Longer]),
            case("gzip on the fly", &[Fault::Gzip]),
            case("1 KB/s", &[Fault::Slow(1000)]),
            case("200 with a page", &[Fault::Page]),
            case("digest header lies", &[Fault::OtherDigest]),
            case("429 with Retry-After", &[Fault::TooMany(1)]),
            Case { name: "TLS error", trouble: Trouble::Tls },
            case("tag moves after HEAD", &[Fault::HeadOf(EARLIER.to_owned())]),
            case("5xx", &[Fault::Failing(500), Fault::Failing(503)]),
            case("body without end", &[Fault::Endless, Fault::Huge]),
        ]
    }

    /// Which images are right while the upstream misbehaves.
    pub(super) fn rule(&self) -> Rule {
        match &self.trouble {
            Trouble::Answers(faults) if matches!(faults[..], [Fault::HeadOf(_)]) => Rule::Either,
            _ => Rule::Current,
        }
    }

    /// Lets the upstream misbehave.
    pub(super) fn begin(&self, measure: Measure, proxy: &Proxy, tls: Option<&Secured>) {
        match (&self.trouble, measure) {
            (Trouble::Answers(faults), Measure::Blobs) => proxy.misbehave(On::Blobs, faults),
            (Trouble::Answers(faults), Measure::Manifests) => proxy.misbehave(On::Manifests, faults),
            (Trouble::Answers(faults), Measure::Some) => {
                let some = |fault: &Fault| [fault.clone(), Fault::Nothing, Fault::Nothing];
                proxy.misbehave(On::Everything, &faults.iter().flat_map(some).collect::<Vec<_>>());
            }
            (Trouble::Tls, Measure::Blobs) => show(tls, Front::OtherName),
            (Trouble::Tls, Measure::Manifests) => show(tls, Front::Plain),
            (Trouble::Tls, Measure::Some) => show(tls, Front::Right),
        }
    }

    /// Called at each pull: TLS has no answers that could be counted, so it goes wrong by pulls.
    pub(super) fn at_pull(&self, number: usize, measure: Measure, tls: Option<&Secured>) {
        if measure == Measure::Some && matches!(self.trouble, Trouble::Tls) {
            show(tls, [Front::OtherName, Front::Right, Front::Right][number % 3]);
        }
    }

    /// Ends the misbehaviour.
    pub(super) fn end(proxy: &Proxy, tls: Option<&Secured>) {
        proxy.behave();
        show(tls, Front::Right);
    }
}

fn show(tls: Option<&Secured>, front: Front) {
    if let Some(tls) = tls {
        tls.show(front);
    }
}
