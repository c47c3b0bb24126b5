//! Whether a registry is asked at all: one that is away, or said to wait, is left alone for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::{ClientError, RateLimit};

/// Failures in a row after which the registry is taken to be away.
const AWAY_AFTER: u32 = 5;
/// How long it is left alone then, at first and at most.
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// The longest wait that a registry is granted when it says how long.
const LONGEST_PENANCE: Duration = Duration::from_secs(600);

/// How a registry was lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Failures since the last answer; zero means that it is well.
    pub failures: u32,
    /// What the last failure was, until an answer comes.
    pub trouble: Option<String>,
    /// When it last answered.
    pub answered_at: Option<SystemTime>,
    /// For how long it is left alone yet.
    pub resting: Option<Duration>,
    /// What is left of its pulls.
    pub rate: Option<RateLimit>,
}

/// What somebody wants to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A manifest, tags, referrers: what registries count.
    Manifest,
    /// Bytes.
    Blob,
}

/// Keeps the count. After [`AWAY_AFTER`] failures nobody asks for a while, then one may; its answer decides.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    trouble: Option<String>,
    answered_at: Option<SystemTime>,
    rest: Option<Rest>,
    rate: Option<RateLimit>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Instant,
    lasts: Duration,
}

impl Breaker {
    /// Lets one ask for `what`, or says for how long nobody may. Who asked to be asked less meant manifests: what
    /// belongs to one that was answered already is still asked for.
    pub(crate) fn admit(&self, what: Asked) -> Result<(), Duration> {
        let mut state = self.lock();
        let Some(rest) = state.rest else { return Ok(()) };
        if what == Asked::Blob && state.failures < AWAY_AFTER {
            return Ok(());
        }
        let left = rest.until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Err(left);
        }
        if state.failures < AWAY_AFTER {
            state.rest = None;
        } else {
            // This one finds out; meanwhile the others rest on.
            state.rest = Some(Rest { until: Instant::now() + rest.lasts, ..rest });
        }
        Ok(())
    }

    /// It answered, be it with a refusal.
    pub(crate) fn answered(&self, rate: Option<RateLimit>) {
        let mut state = self.lock();
        state.failures = 0;
        state.trouble = None;
        state.answered_at = Some(SystemTime::now());
        state.rest = None;
        state.rate = rate.or(state.rate);
    }

    /// It did not, or said that it cannot.
    pub(crate) fn failed(&self, error: &ClientError) {
        let mut state = self.lock();
        if !matches!(error, ClientError::TooMany { .. }) {
            state.failures = state.failures.saturating_add(1);
        }
        state.trouble = Some(error.to_string());
        let lasts = match error {
            ClientError::TooMany { retry_after } => retry_after.map(|wait| wait.min(LONGEST_PENANCE)),
            _ if state.failures < AWAY_AFTER => None,
            _ => Some(state.rest.map_or(FIRST_REST, |rest| (rest.lasts * 2).min(LONGEST_REST))),
        };
        if let Some(lasts) = lasts {
            state.rest = Some(Rest { until: Instant::now() + lasts, lasts });
        }
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.lock();
        let left = state.rest.map(|rest| rest.until.saturating_duration_since(Instant::now()));
        Health {
            failures: state.failures,
            trouble: state.trouble.clone(),
            answered_at: state.answered_at,
            resting: left.filter(|left| !left.is_zero()),
            rate: state.rate,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> ClientError {
        ClientError::Server { status: http::StatusCode::BAD_GATEWAY }
    }

    #[test]
    fn after_five_failures_nobody_asks_and_an_answer_ends_it() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(&away());
            assert_eq!(breaker.admit(Asked::Manifest), Ok(()));
        }
        breaker.failed(&away());
        assert!(breaker.admit(Asked::Manifest).unwrap_err() <= FIRST_REST);
        let health = breaker.health();
        assert_eq!(health.failures, 5);
        assert!(health.trouble.unwrap().contains("502"));
        breaker.answered(None);
        assert_eq!(breaker.admit(Asked::Manifest), Ok(()));
        assert_eq!(breaker.health().trouble, None);
    }

    #[test]
    fn when_the_rest_is_over_one_may_ask() {
        let breaker = Breaker::default();
        (0..5).for_each(|_| breaker.failed(&away()));
        breaker.lock().rest = Some(Rest { until: Instant::now(), lasts: FIRST_REST });
        assert_eq!(breaker.admit(Asked::Manifest), Ok(()));
        assert!(breaker.admit(Asked::Manifest).is_err(), "only one finds out");
        breaker.failed(&away());
        assert!(breaker.admit(Asked::Manifest).unwrap_err() > FIRST_REST, "the next rest is longer");
    }

    #[test]
    fn who_says_how_long_is_left_alone_so_long() {
        let breaker = Breaker::default();
        breaker.failed(&ClientError::TooMany { retry_after: Some(Duration::from_secs(30)) });
        assert!(breaker.admit(Asked::Manifest).unwrap_err() > Duration::from_secs(29));
        assert_eq!(breaker.admit(Asked::Blob), Ok(()));
        breaker.failed(&ClientError::TooMany { retry_after: Some(Duration::from_secs(1 << 40)) });
        assert!(breaker.admit(Asked::Manifest).unwrap_err() <= LONGEST_PENANCE);
    }
}
