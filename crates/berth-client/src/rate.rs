//! What is left of the pulls that a registry allows, as its headers say.

use std::time::Duration;

use http::HeaderMap;

/// A budget of pulls: Docker Hub tells it with each answer about a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Pulls in one window.
    pub limit: u64,
    /// Pulls that are left in it.
    pub remaining: u64,
    /// The window.
    pub window: Option<Duration>,
}

impl RateLimit {
    /// Reads `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`.
    pub(crate) fn read(headers: &HeaderMap) -> Option<RateLimit> {
        let (limit, window) = field(headers, "ratelimit-limit")?;
        let (remaining, _) = field(headers, "ratelimit-remaining")?;
        Some(RateLimit { limit, remaining, window })
    }
}

fn field(headers: &HeaderMap, name: &str) -> Option<(u64, Option<Duration>)> {
    let text = headers.get(name)?.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim);
    let number = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")).and_then(|seconds| seconds.parse().ok());
    Some((number, window.map(Duration::from_secs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_docker_hub_are_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(RateLimit::read(&headers), None);
        headers.insert("ratelimit-limit", "100;w=21600".parse().unwrap());
        headers.insert("RateLimit-Remaining", "76;w=21600".parse().unwrap());
        let window = Some(Duration::from_secs(21600));
        assert_eq!(RateLimit::read(&headers), Some(RateLimit { limit: 100, remaining: 76, window }));
        headers.insert("ratelimit-remaining", "many".parse().unwrap());
        assert_eq!(RateLimit::read(&headers), None);
    }
}
