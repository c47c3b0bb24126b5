//! How often something is tried, and how long is waited in between.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use rand::Rng;

/// How much an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Nobody has another answer: up to three tries.
    Long,
    /// There is another answer at hand, perhaps an older one: one try, of five seconds at most.
    Short,
}

impl Patience {
    pub(crate) fn tries(self) -> u32 {
        match self {
            Patience::Long => 3,
            Patience::Short => 1,
        }
    }
}

/// The longest wait for which somebody is kept waiting; who is told to wait longer is told at once.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long to wait before try number `tried + 1`, or `None` if that is too long: what the registry says, else twice as
/// long each time and never the same for all.
pub(crate) fn wait(tried: u32, retry_after: Option<Duration>) -> Option<Duration> {
    wait_at_most(LONGEST_WAIT, tried, retry_after)
}

/// The same for whoever waits longer.
pub(crate) fn wait_at_most(longest: Duration, tried: u32, retry_after: Option<Duration>) -> Option<Duration> {
    let backoff = || {
        let base = Duration::from_millis(200) * 2_u32.saturating_pow(tried.saturating_sub(1));
        base.mul_f64(rand::rng().random_range(0.5..1.0))
    };
    Some(retry_after.unwrap_or_else(backoff)).filter(|wait| *wait <= longest)
}

/// `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registry_says_is_waited_unless_it_is_long() {
        assert_eq!(wait(1, Some(Duration::from_secs(3))), Some(Duration::from_secs(3)));
        assert_eq!(wait(1, Some(Duration::from_secs(11))), None);
        for tried in 1..4 {
            let most = Duration::from_millis(200) * 2_u32.pow(tried - 1);
            let waited = wait(tried, None).unwrap();
            assert!(waited >= most / 2 && waited <= most, "{tried}: {waited:?}");
        }
    }

    #[test]
    fn both_forms_are_read() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }
}
