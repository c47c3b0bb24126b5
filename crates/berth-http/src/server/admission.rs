//! How many connections may be open: in all, and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Notify;

use super::limits::Limits;

/// Files that are not connections: the database, blobs, logs, listeners.
const RESERVED_FILES: usize = 512;

/// Counts open connections and refuses those above the limits.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: usize,
    limit_per_ip: usize,
    open: AtomicUsize,
    by_network: Mutex<HashMap<IpAddr, usize>>,
    gauge: Gauge,
    emptied: Notify,
}

/// A connection's place; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    network: Option<IpAddr>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits, nofile: usize, gauge: Gauge) -> Admission {
        Admission {
            limit: limits.connections.min(connections_for(nofile)),
            limit_per_ip: limits.connections_per_ip,
            open: AtomicUsize::new(0),
            by_network: Mutex::default(),
            gauge,
            emptied: Notify::new(),
        }
    }

    /// Gives a place to a connection from `ip`, if there is one.
    pub(crate) fn admit(self: &Arc<Admission>, ip: IpAddr) -> Option<Place> {
        // Only the accept loops add, so the count may be too high by one per listener; the limit has room for that.
        if self.open.load(Relaxed) >= self.limit {
            return None;
        }
        let network = network_of(ip);
        if let Some(network) = network {
            let mut by_network = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by_network.entry(network).or_default();
            if *count >= self.limit_per_ip {
                return None;
            }
            *count += 1;
        }
        self.open.fetch_add(1, Relaxed);
        self.gauge.inc();
        Some(Place { admission: Arc::clone(self), network })
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Waits until no connection is open.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let admission = &self.admission;
        if let Some(network) = self.network {
            let mut by_network = admission.by_network.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = by_network.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    by_network.remove(&network);
                }
            }
        }
        admission.gauge.dec();
        if admission.open.fetch_sub(1, Relaxed) == 1 {
            admission.emptied.notify_waiters();
        }
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 /64, which is what one customer gets. Loopback is not
/// counted: a proxy or a node's own tools open many connections from there.
fn network_of(ip: IpAddr) -> Option<IpAddr> {
    let ip = ip.to_canonical();
    match ip {
        _ if ip.is_loopback() => None,
        IpAddr::V4(_) => Some(ip),
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

/// How many connections fit into a limit of open files.
fn connections_for(nofile: usize) -> usize {
    nofile.saturating_sub(RESERVED_FILES).max(nofile / 4)
}

/// Raises the soft limit of open files to the hard one, and returns what holds then.
pub(crate) fn raise_nofile() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit.current
        }
    };
    now.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections: usize, connections_per_ip: usize) -> Arc<Admission> {
        let limits = Limits { connections, connections_per_ip, ..Limits::default() };
        Arc::new(Admission::new(&limits, 100_000, Gauge::default()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let admission = admission(10, 2);
        let first = admission.admit(ip("192.0.2.1")).expect("a place");
        let _second = admission.admit(ip("192.0.2.1")).expect("a place");
        assert!(admission.admit(ip("192.0.2.1")).is_none());
        assert!(admission.admit(ip("192.0.2.2")).is_some());
        drop(first);
        assert!(admission.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_loopback_not_at_all() {
        let admission = admission(10, 1);
        let _first = admission.admit(ip("2001:db8::1")).expect("a place");
        assert!(admission.admit(ip("2001:db8::2")).is_none());
        assert!(admission.admit(ip("2001:db8:0:1::2")).is_some());
        let _local = admission.admit(ip("127.0.0.1")).expect("a place");
        assert!(admission.admit(ip("::ffff:127.0.0.1")).is_some());
    }

    #[tokio::test]
    async fn the_total_holds_and_emptiness_is_noticed() {
        let admission = admission(2, 2);
        let places = [admission.admit(ip("127.0.0.1")), admission.admit(ip("127.0.0.1"))];
        assert!(places.iter().all(Option::is_some));
        assert!(admission.admit(ip("127.0.0.1")).is_none());
        drop(places);
        admission.empty().await;
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn open_files_bound_connections() {
        assert_eq!(connections_for(1024), 512);
        assert_eq!(connections_for(256), 64);
    }
}
