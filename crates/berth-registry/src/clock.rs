//! A clock that errs on the side of keeping: a step of the system's time ends no promise early.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use berth_meta::Timestamp;

/// The system's clock beside one that nobody can set, both read when the process began.
#[derive(Debug)]
pub(crate) struct Clock {
    began: SystemTime,
    steady: Instant,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { began: SystemTime::now(), steady: Instant::now() }
    }
}

impl Clock {
    /// The later of both: from here promises are reckoned.
    pub(crate) fn latest(&self) -> Timestamp {
        let (wall, steady) = self.read();
        wall.max(steady)
    }

    /// The earlier of both: until here promises may have ended.
    pub(crate) fn earliest(&self) -> Timestamp {
        let (wall, steady) = self.read();
        wall.min(steady)
    }

    fn read(&self) -> (Timestamp, Timestamp) {
        (Timestamp::now(), at(self.began, self.steady.elapsed()))
    }
}

fn at(began: SystemTime, elapsed: Duration) -> Timestamp {
    let since = began.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(elapsed);
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// A process that began when the system's clock was wrong by a day is one in which the clock was set since.
    #[test]
    fn a_clock_that_was_set_ends_no_promise_early() {
        let now = SystemTime::now();
        for began in [now - DAY, now, now + DAY] {
            let clock = Clock { began, steady: Instant::now() };
            let promised = clock.latest().plus(DAY);
            assert!(clock.earliest() < promised.minus(DAY / 2));
            assert!(clock.earliest() <= Timestamp::now());
            assert!(promised >= Timestamp::now().plus(DAY / 2));
        }
    }
}
