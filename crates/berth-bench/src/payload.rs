//! Bytes to push: random, different each time, and with a digest that costs next to nothing to know.

use berth_oci::{Algorithm, Digest, Hasher};

/// Bytes at the end of a payload that differ from variant to variant.
const TAIL: usize = 32;

/// Random bytes whose last few are replaced for each variant.
///
/// All but the tail is hashed once; a variant's digest goes on from there. So the generator neither makes nor hashes
/// megabytes while it measures, and yet the server never sees the same blob twice.
pub(crate) struct Payload {
    body: Vec<u8>,
    hashed: Hasher,
    seed: u64,
}

/// One variant of a payload: `body` and then `tail`.
pub(crate) struct Variant<'a> {
    body: &'a [u8],
    tail: [u8; TAIL],
    digest: Digest,
}

impl Payload {
    /// Makes `size` bytes (at least 32) from `seed`.
    pub(crate) fn new(size: usize, seed: u64) -> Payload {
        let mut body = vec![0; size.max(TAIL) - TAIL];
        fill(seed, &mut body);
        let mut hashed = Hasher::new(Algorithm::Sha256);
        hashed.update(&body);
        Payload { body, hashed, seed }
    }

    /// The variant with this number.
    pub(crate) fn variant(&self, number: u64) -> Variant<'_> {
        let mut tail = [0; TAIL];
        tail[..8].copy_from_slice(&number.to_le_bytes());
        tail[8..16].copy_from_slice(&self.seed.to_le_bytes());
        fill(number ^ self.seed.rotate_left(32), &mut tail[16..]);
        let mut hasher = self.hashed.clone();
        hasher.update(&tail);
        Variant { body: &self.body, tail, digest: hasher.finish() }
    }
}

impl Variant<'_> {
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(crate) fn size(&self) -> u64 {
        (self.body.len() + TAIL) as u64
    }

    /// The bytes, in the order they are sent.
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        [self.body, &self.tail]
    }
}

/// Fills `bytes` from a counter by the splitmix64 mixer: fast, and no two seeds alike.
fn fill(seed: u64, bytes: &mut [u8]) {
    let mut state = seed;
    for piece in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        piece.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..piece.len()]);
    }
}

#[cfg(test)]
mod tests {
    use berth_oci::Digest;

    use super::Payload;

    #[test]
    fn a_variants_digest_is_that_of_its_bytes() {
        for size in [32, 33, 1000, 16 * 1024] {
            let payload = Payload::new(size, 7);
            let variant = payload.variant(3);
            let bytes = variant.parts().concat();
            assert_eq!(bytes.len(), size);
            assert_eq!(variant.size(), size as u64);
            assert_eq!(variant.digest(), &Digest::sha256(&bytes));
        }
    }

    #[test]
    fn variants_and_seeds_differ() {
        let (one, other) = (Payload::new(64, 1), Payload::new(64, 2));
        assert_ne!(one.variant(1).digest(), one.variant(2).digest());
        assert_ne!(one.variant(1).digest(), other.variant(1).digest());
        assert_eq!(one.variant(1).digest(), Payload::new(64, 1).variant(1).digest());
    }
}
