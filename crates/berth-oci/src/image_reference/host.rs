//! The grammar of a registry's host: a domain name, an IPv4 address or a bracketed IPv6 address, and a port.

/// Whether the text is `host`, `host:port`, `[ipv6]` or `[ipv6]:port` in docker's grammar.
pub(super) fn is_host(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
                && port.strip_prefix(':').map_or(port.is_empty(), is_port)
        });
    }
    match text.split_once(':') {
        Some((domain, port)) => is_domain(domain) && is_port(port),
        None => is_domain(text),
    }
}

fn is_domain(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn hosts() {
        for text in
            ["localhost", "localhost:5000", "a-b.c:1", "127.0.0.1:5000", "[::1]", "[fe80::1]:5000", "A"]
        {
            assert!(is_host(text), "{text}");
        }
        for text in [
            "",
            ":5000",
            "a:",
            "a:b",
            "a:5000:1",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a_b",
            "::1",
            "[]",
            "[::1",
            "[::1]5000",
            "[::1]:",
            "[fe80::1%eth0]",
            "é.de",
            "a.",
        ] {
            assert!(!is_host(text), "{text}");
        }
    }
}
