//! Who can reach an address: the server must not be opened to a network by accident.

use std::net::{IpAddr, SocketAddr};

use crate::config::Config;
use crate::failure::Failure;

/// Refuses addresses that other machines can reach, unless the operator said that everybody may push and pull.
pub(crate) fn check(config: &Config, addresses: &[SocketAddr]) -> Result<(), Failure> {
    match addresses.iter().find(|address| !is_loopback(address.ip())) {
        Some(address) if !config.open_to_network => Err(refusal(config, *address)),
        Some(address) => {
            tracing::warn!(%address, "open to the network: everybody who can reach it may push, pull and delete");
            Ok(())
        }
        None => Ok(()),
    }
}

/// The same without looking up names, for `berth config check`.
pub(crate) fn check_literal(config: &Config) -> Result<(), Failure> {
    let address = config.listen.host.parse().ok().map(|ip| SocketAddr::new(ip, config.listen.port));
    check(config, address.as_slice())
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn refusal(config: &Config, address: SocketAddr) -> Failure {
    let port = config.listen.port;
    let who = if address.ip().is_unspecified() {
        "every machine that can reach this one".to_owned()
    } else {
        format!("every machine that can reach {}", address.ip())
    };
    Failure::usage(format!(
        "listening on {} would let {who} push, pull and delete: this version has no accounts",
        config.listen
    ))
    .hint("if that is meant, add --open-to-network (or open_to_network = true in berth.toml, or BERTH_OPEN_TO_NETWORK=true)")
    .hint(format!("to serve this machine alone, use --listen 127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_reached_by_nobody_else() {
        for inside in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(check(&Config::default(), &[inside.parse().expect(inside)]).is_ok(), "{inside}");
        }
        for outside in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::ffff:10.0.0.1]:1", "[fe80::1]:1"] {
            let addresses = ["127.0.0.1:1".parse().expect("right"), outside.parse().expect(outside)];
            assert!(check(&Config::default(), &addresses).is_err(), "{outside}");
            let open = Config { open_to_network: true, ..Config::default() };
            assert!(check(&open, &addresses).is_ok(), "{outside}");
        }
    }
}
