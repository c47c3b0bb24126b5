//! Guessing passwords is slow for the guesser, not for the victim.
//!
//! What is counted are hashes that are computed. From a network where a user has signed in before there is a budget of
//! its own for him, so that a flood from elsewhere does not shut him out.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

/// The time over which guesses are counted.
const WINDOW: Duration = Duration::from_secs(600);
/// Guesses at one user from one network.
const PAIR: u32 = 10;
/// Guesses from one network, at whomever.
const NETWORK: u32 = 100;
/// Guesses at one user from all networks that he never signed in from.
const USER: u32 = 40;
/// Entries of each kind that are remembered; an attack from more than that is held by the other kinds.
const MANY: usize = 20_000;

/// Counts guesses.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    pairs: Windows<(u64, Option<IpNet>)>,
    networks: Windows<Option<IpNet>>,
    users: Windows<u64>,
}

#[derive(Debug)]
struct Windows<K>(HashMap<K, (Instant, u32)>);

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Windows(HashMap::new())
    }
}

impl<K: Eq + Hash> Windows<K> {
    /// How long until there is room for one more, `None` if there is now.
    fn full(&self, key: &K, most: u32, now: Instant) -> Option<Duration> {
        let (began, count) = self.0.get(key)?;
        let left = WINDOW.checked_sub(now.duration_since(*began)).filter(|left| !left.is_zero())?;
        (*count >= most).then_some(left)
    }

    fn count(&mut self, key: K, now: Instant) {
        if self.0.len() >= MANY {
            self.0.retain(|_, (began, _)| now.duration_since(*began) < WINDOW);
        }
        if self.0.len() >= MANY {
            self.0.clear();
        }
        let entry = self.0.entry(key).or_insert((now, 0));
        if now.duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

impl Guesses {
    /// Counts a guess at `user` (a hash of the name that was given) from a network, or says when to come back.
    ///
    /// `is_known`: the user has signed in from there before.
    pub(crate) fn admit(
        &self,
        user: u64,
        network: Option<IpNet>,
        is_known: bool,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (user, network);
        let full =
            counts.pairs.full(&pair, PAIR, now).or_else(|| counts.networks.full(&network, NETWORK, now));
        let full = full.or_else(|| counts.users.full(&user, USER, now).filter(|_| !is_known));
        if let Some(left) = full {
            return Err(left);
        }
        counts.pairs.count(pair, now);
        counts.networks.count(network, now);
        if !is_known {
            counts.users.count(user, now);
        }
        Ok(())
    }

    /// The guess was right: it was none.
    pub(crate) fn forgive(&self, user: u64, network: Option<IpNet>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.pairs.0.remove(&(user, network));
        if let Some((_, count)) = counts.networks.0.get_mut(&network) {
            *count = count.saturating_sub(1);
        }
    }
}

/// The network that an address is in, as far as guessers are concerned: one customer has a /64.
pub(crate) fn network(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let length = if address.is_ipv4() { 32 } else { 64 };
    IpNet::new(address, length).map_or_else(|_| IpNet::from(address), |network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(n: u8) -> Option<IpNet> {
        Some(network(IpAddr::from([10, 0, 0, n])))
    }

    #[test]
    fn ten_thousand_guesses_cost_few_hashes_and_do_not_shut_the_owner_out() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let computed = (0..10_000_u32)
            .filter(|n| {
                let at = now + Duration::from_millis(u64::from(*n) * 59);
                guesses.admit(7, from((n % 50) as u8), false, at).is_ok()
            })
            .count();
        assert!(computed <= 60, "{computed}");
        let late = now + Duration::from_secs(595);
        assert!(guesses.admit(7, from(200), false, late).is_err(), "a stranger waits too");
        assert!(
            guesses.admit(7, from(201), true, late).is_ok(),
            "the owner signs in from where he did before"
        );
        assert!(guesses.admit(8, from(200), false, late).is_ok(), "others are not held up");
    }

    #[test]
    fn one_network_has_a_budget_for_all_users_and_for_each() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        assert_eq!((0..100).filter(|_| guesses.admit(1, from(1), true, now).is_ok()).count(), PAIR as usize);
        let others = (0..1000).filter(|user| guesses.admit(*user, from(2), false, now).is_ok()).count();
        assert_eq!(others, NETWORK as usize);
        let later = now + WINDOW;
        assert!(guesses.admit(1, from(1), true, later).is_ok());
        let left = guesses.admit(1, from(2), false, now + WINDOW / 2).unwrap_err();
        assert_eq!(left, WINDOW / 2);
    }

    #[test]
    fn a_right_guess_was_none() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for _ in 0..PAIR {
            guesses.admit(1, from(1), true, now).unwrap();
        }
        guesses.forgive(1, from(1));
        assert!(guesses.admit(1, from(1), true, now).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for user in 0..3 * MANY as u64 {
            let address = IpAddr::from((user as u32).to_be_bytes());
            let _ = guesses.admit(user, Some(network(address)), false, now);
        }
        let counts = guesses.0.lock().unwrap();
        assert!(
            counts.pairs.0.len() <= MANY && counts.networks.0.len() <= MANY && counts.users.0.len() <= MANY
        );
    }

    #[test]
    fn a_customer_of_the_new_protocol_has_a_whole_network() {
        let one = network("2001:db8::1".parse().unwrap());
        assert_eq!(one, network("2001:db8::ffff".parse().unwrap()));
        assert_ne!(one, network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), network("10.0.0.1".parse().unwrap()));
    }
}
