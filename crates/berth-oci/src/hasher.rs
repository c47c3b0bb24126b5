//! Hashing while bytes stream by.

use sha2::Digest as _;

use crate::digest::{Algorithm, Digest};

/// The running hash of one piece of content.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// The hash of nothing yet.
    pub fn new(algorithm: Algorithm) -> Hasher {
        Hasher(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        })
    }

    /// The algorithm given to [`Hasher::new`].
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Adds the next bytes. Costs about half a second of CPU per gigabyte, so not for an async thread.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything added.
    pub fn finish(self) -> Digest {
        let algorithm = self.algorithm();
        let digest = match self.0 {
            State::Sha256(hasher) => Digest::from_bytes(algorithm, &hasher.finalize()),
            State::Sha512(hasher) => Digest::from_bytes(algorithm, &hasher.finalize()),
        };
        digest.expect("the algorithm's own output has the algorithm's length")
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hasher").field(&self.algorithm()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Hasher;
    use crate::digest::{Algorithm, Digest};

    proptest! {
        #[test]
        fn cuts_do_not_matter(content: Vec<u8>, cut in 0..100_usize) {
            for algorithm in Algorithm::ALL {
                let (head, tail) = content.split_at(cut.min(content.len()));
                let mut hasher = Hasher::new(algorithm);
                hasher.update(head);
                let mut copy = hasher.clone();
                hasher.update(b"the copy must not see this");
                copy.update(tail);
                prop_assert_eq!(copy.finish(), Digest::of(algorithm, &content));
            }
        }
    }
}
