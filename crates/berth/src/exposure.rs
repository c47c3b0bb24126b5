//! Who can reach an address: the server must not be opened to a network by accident.

use std::net::{IpAddr, SocketAddr};

use berth_registry::WithoutAccounts;

use crate::config::Config;

/// What holds while there is no account: everybody on this machine may do everything, and on a network only if the
/// operator said so.
pub(crate) fn without_accounts(config: &Config, addresses: &[SocketAddr]) -> WithoutAccounts {
    if config.open_to_network || !is_reached(addresses) {
        WithoutAccounts::Open
    } else {
        WithoutAccounts::Closed
    }
}

/// Tells the operator what he said, when nobody is asked for a name.
pub(crate) fn warn(addresses: &[SocketAddr], has_accounts: bool) {
    if has_accounts {
        return;
    }
    if let Some(address) = addresses.iter().find(|address| !is_loopback(address.ip())) {
        tracing::warn!(%address, "open to the network: everybody who can reach it may push, pull and delete");
    }
}

/// Whether other machines can reach one of the addresses.
fn is_reached(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| !is_loopback(address.ip()))
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_reached_by_nobody_else() {
        for inside in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            let addresses = [inside.parse().expect(inside)];
            assert_eq!(without_accounts(&Config::default(), &addresses), WithoutAccounts::Open, "{inside}");
        }
        for outside in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::ffff:10.0.0.1]:1", "[fe80::1]:1"] {
            let addresses = ["127.0.0.1:1".parse().expect("right"), outside.parse().expect(outside)];
            assert_eq!(
                without_accounts(&Config::default(), &addresses),
                WithoutAccounts::Closed,
                "{outside}"
            );
            let open = Config { open_to_network: true, ..Config::default() };
            assert_eq!(without_accounts(&open, &addresses), WithoutAccounts::Open, "{outside}");
        }
    }
}
