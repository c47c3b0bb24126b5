//! Names of registries, in the many ways in which they are written as keys.

/// The key under which Docker keeps what belongs to Docker Hub.
pub(crate) const HUB_KEY: &str = "https://index.docker.io/v1/";
/// What Docker Hub is called.
const HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The key for a registry in Docker's files.
pub(crate) fn key(registry: &str) -> String {
    match bare(registry) {
        host if is_hub(host) => HUB_KEY.to_owned(),
        host => host.to_owned(),
    }
}

pub(crate) fn is_hub(host: &str) -> bool {
    HUB.contains(&host)
}

/// The host of a key, with its port: old ones have a scheme before it and a version behind.
pub(crate) fn bare(key: &str) -> &str {
    let text = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    text.split('/').next().unwrap_or_default()
}

/// Whether a key is one for this registry alone, and none for a namespace within it.
pub(crate) fn is_of_registry(key: &str, registry: &str) -> bool {
    let (host, wanted) = (bare(key), bare(registry));
    let has_scheme = key.contains("://");
    let is_whole = has_scheme || !key.contains('/');
    is_whole && (host == wanted || (is_hub(host) && is_hub(wanted)))
}

/// Keys that hold for a name, the longest first: `r.example/team/app`, `r.example/team`, `r.example`.
pub(crate) fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.rsplit_once('/').map(|(above, _)| above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_found_under_every_key_that_means_it() {
        for (key, registry, fits) in [
            ("r.example:5000", "r.example:5000", true),
            ("r.example", "r.example:5000", false),
            ("https://r.example", "r.example", true),
            ("http://r.example/v1/", "r.example", true),
            ("https://index.docker.io/v1/", "docker.io", true),
            ("docker.io", "index.docker.io", true),
            ("registry-1.docker.io", "docker.io", true),
            ("r.example/team", "r.example", false),
            ("docker.io.evil.example", "docker.io", false),
        ] {
            assert_eq!(is_of_registry(key, registry), fits, "{key} {registry}");
        }
        assert_eq!(key("docker.io"), HUB_KEY);
        assert_eq!(key("https://r.example/v2/"), "r.example");
    }

    #[test]
    fn longer_keys_come_first() {
        let all: Vec<_> = prefixes("r.example:5000/team/app").collect();
        assert_eq!(all, ["r.example:5000/team/app", "r.example:5000/team", "r.example:5000"]);
    }
}
