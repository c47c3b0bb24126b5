//! Whether a registry is asked at all: one that is away, or said to wait, is left alone for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

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
    /// While it is taken to be away.
    away: Option<Away>,
    /// Until then it wants to be asked for no manifests.
    busy_until: Option<Instant>,
    rate: Option<RateLimit>,
}

#[derive(Debug, Clone, Copy)]
struct Away {
    until: Instant,
    lasts: Duration,
}

impl State {
    /// For how long it wants to be asked for no manifests.
    fn is_busy(&self) -> Option<Duration> {
        left(self.busy_until?)
    }
}

fn left(until: Instant) -> Option<Duration> {
    Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

impl Breaker {
    /// Lets one ask for `what`, or says for how long nobody may. Who asked to be asked less meant manifests: what
    /// belongs to one that was answered already is still asked for.
    pub(crate) fn admit(&self, what: Asked) -> Result<(), Duration> {
        let mut state = self.lock();
        if let (Asked::Manifest, Some(left)) = (what, state.is_busy()) {
            return Err(left);
        }
        let Some(away) = &mut state.away else { return Ok(()) };
        if let Some(left) = left(away.until) {
            return Err(left);
        }
        // This one finds out; meanwhile the others rest on, longer than before.
        away.lasts = (away.lasts * 2).min(LONGEST_REST);
        away.until = Instant::now() + away.lasts;
        Ok(())
    }

    /// Why nobody may ask for so long.
    pub(crate) fn refusal(&self, left: Duration) -> ClientError {
        match self.lock().is_busy() {
            Some(_) => ClientError::TooMany { retry_after: Some(left) },
            None => ClientError::Resting { left },
        }
    }

    /// It answered, be it with a refusal. That it answers one thing does not mean that it wants to be asked another.
    pub(crate) fn answered(&self) {
        let mut state = self.lock();
        state.failures = 0;
        state.answered_at = Some(SystemTime::now());
        state.away = None;
        if state.is_busy().is_none() {
            state.trouble = None;
        }
    }

    /// It said what is left of its pulls.
    pub(crate) fn counted(&self, rate: Option<RateLimit>) {
        let mut state = self.lock();
        state.rate = rate.or(state.rate);
    }

    /// It did not answer, or said that it cannot.
    pub(crate) fn failed(&self, error: &ClientError) {
        let mut state = self.lock();
        state.trouble = Some(error.to_string());
        if let ClientError::TooMany { retry_after } = error {
            let wait = retry_after.map(|wait| Instant::now() + wait.min(LONGEST_PENANCE));
            state.busy_until = wait.max(state.busy_until);
            return;
        }
        state.failures = state.failures.saturating_add(1);
        // Those that were under way when it went away fail as well, and are no reason to rest longer.
        if state.failures >= AWAY_AFTER && state.away.is_none() {
            state.away = Some(Away { until: Instant::now() + FIRST_REST, lasts: FIRST_REST });
        }
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.lock();
        let away = state.away.and_then(|away| left(away.until));
        Health {
            failures: state.failures,
            trouble: state.trouble.clone(),
            answered_at: state.answered_at,
            resting: away.max(state.is_busy()),
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
        ClientError::Server { status: http::StatusCode::BAD_GATEWAY, message: None }
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_failures_nobody_asks_and_an_answer_ends_it() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(&away());
            assert_eq!(breaker.admit(Asked::Manifest), Ok(()));
        }
        breaker.failed(&away());
        assert_eq!(breaker.admit(Asked::Manifest), Err(FIRST_REST));
        assert_eq!(breaker.admit(Asked::Blob), Err(FIRST_REST));
        let health = breaker.health();
        assert_eq!((health.failures, health.resting), (5, Some(FIRST_REST)));
        assert!(health.trouble.unwrap().contains("502"));
        breaker.answered();
        assert_eq!(breaker.admit(Asked::Manifest), Ok(()));
        let health = breaker.health();
        assert_eq!((health.failures, health.trouble, health.resting), (0, None, None));
        assert!(health.answered_at.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_rest_is_over_one_finds_out_and_the_next_rest_is_longer() {
        let breaker = Breaker::default();
        (0..5).for_each(|_| breaker.failed(&away()));
        for seconds in [5, 10, 20, 40, 60, 60] {
            let rest = Duration::from_secs(seconds);
            assert_eq!(breaker.admit(Asked::Manifest), Err(rest));
            tokio::time::advance(rest).await;
            assert_eq!(breaker.admit(Asked::Blob), Ok(()));
            breaker.failed(&away());
        }
    }

    /// Twenty questions that failed together made the first rest one of a minute.
    #[tokio::test(start_paused = true)]
    async fn failures_of_one_moment_are_one_reason_to_rest() {
        let breaker = Breaker::default();
        (0..20).for_each(|_| breaker.failed(&away()));
        assert_eq!(breaker.admit(Asked::Manifest), Err(FIRST_REST));
    }

    /// The first blob that was answered ended the rest, and the registry was asked for manifests again.
    #[tokio::test(start_paused = true)]
    async fn who_says_how_long_is_asked_for_no_manifest_so_long() {
        let breaker = Breaker::default();
        let rest = Duration::from_secs(30);
        breaker.failed(&ClientError::TooMany { retry_after: Some(rest) });
        breaker.answered();
        assert_eq!(breaker.admit(Asked::Manifest), Err(rest));
        assert_eq!(breaker.admit(Asked::Blob), Ok(()));
        let health = breaker.health();
        assert_eq!((health.failures, health.resting), (0, Some(rest)));
        assert!(health.trouble.unwrap().contains("429"));
        tokio::time::advance(rest).await;
        assert_eq!(breaker.admit(Asked::Manifest), Ok(()));
        breaker.failed(&ClientError::TooMany { retry_after: Some(Duration::from_secs(1 << 40)) });
        breaker.failed(&ClientError::TooMany { retry_after: None });
        assert_eq!(breaker.admit(Asked::Manifest), Err(LONGEST_PENANCE));
    }
}
