//! The content address: an algorithm and the bytes it produced.

use std::fmt;
use std::str::FromStr;

use crate::hasher::Hasher;
use crate::text::serde_as_text;

/// The longest digest of any supported algorithm, in bytes.
const MAX_LEN: usize = 64;

/// A hash algorithm that content may be addressed by (image-spec, "Registered algorithms").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, which every client knows.
    Sha256,
    /// SHA-512, optional in the image specification.
    Sha512,
}

impl Algorithm {
    /// Every supported algorithm, in the order of preference.
    pub const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    /// The name that stands before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// Length of the digest in bytes.
    pub fn digest_len(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    /// Length of the digest in hexadecimal characters.
    pub fn hex_len(self) -> usize {
        self.digest_len() * 2
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| DigestError::Algorithm { found: shorten(text) })
    }
}

/// A content address such as `sha256:9f86…`; equal digests mean equal bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    /// Zero beyond `algorithm.digest_len()`, so that the derived comparisons are those of the digest.
    bytes: [u8; MAX_LEN],
}

impl Digest {
    /// The digest of `content`.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    /// The SHA-256 digest of `content`.
    pub fn sha256(content: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, content)
    }

    /// A digest from the raw output of its algorithm, or `None` if the length is not that of the algorithm.
    pub fn from_bytes(algorithm: Algorithm, output: &[u8]) -> Option<Digest> {
        if output.len() != algorithm.digest_len() {
            return None;
        }
        let mut bytes = [0; MAX_LEN];
        bytes[..output.len()].copy_from_slice(output);
        Some(Digest { algorithm, bytes })
    }

    /// The algorithm that made this digest.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw output of the algorithm.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.digest_len()]
    }

    /// The part after the colon: lower-case hexadecimal, safe as a file name.
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(self.algorithm.hex_len());
        push_hex(&mut hex, self.as_bytes());
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) =
            text.split_once(':').ok_or_else(|| DigestError::Format { found: shorten(text) })?;
        let algorithm: Algorithm = algorithm.parse()?;
        if hex.len() != algorithm.hex_len() {
            return Err(DigestError::Length { algorithm, expected: algorithm.hex_len(), found: hex.len() });
        }
        let mut bytes = [0; MAX_LEN];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0], algorithm)? << 4 | nibble(pair[1], algorithm)?;
        }
        Ok(Digest { algorithm, bytes })
    }
}

serde_as_text!(Digest, "a digest such as sha256:<64 lower-case hexadecimal characters>");

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no colon.
    #[error("a digest has the form <algorithm>:<hex>, for example sha256:9f86…; got {found:?}")]
    Format {
        /// The beginning of the text.
        found: String,
    },
    /// The algorithm is not one of [`Algorithm::ALL`].
    #[error("digest algorithm {found:?} is not supported; use sha256 or sha512")]
    Algorithm {
        /// The beginning of the algorithm's name.
        found: String,
    },
    /// The encoded part has the wrong length.
    #[error("a {algorithm} digest has {expected} hexadecimal characters; got {found}")]
    Length {
        /// The algorithm before the colon.
        algorithm: Algorithm,
        /// Characters expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A character is not lower-case hexadecimal.
    #[error("a {algorithm} digest consists of the characters 0-9 and a-f in lower case")]
    Character {
        /// The algorithm before the colon.
        algorithm: Algorithm,
    },
}

fn nibble(character: u8, algorithm: Algorithm) -> Result<u8, DigestError> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(DigestError::Character { algorithm }),
    }
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Enough of an untrusted text to recognise it in an error message.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Algorithm, Digest, DigestError};

    const ABC_256: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn known_answers() {
        assert_eq!(Digest::sha256(b"abc").to_string(), ABC_256);
        let long = Digest::of(Algorithm::Sha512, b"abc").to_string();
        assert!(long.starts_with("sha512:ddaf35a193617abacc417349ae204131"), "{long}");
        assert_eq!(long.len(), "sha512:".len() + Algorithm::Sha512.hex_len());
    }

    #[test]
    fn refusals_say_what_is_expected() {
        let parse = |text: &str| text.parse::<Digest>().unwrap_err();
        assert!(matches!(parse("abc"), DigestError::Format { .. }));
        assert!(matches!(parse("md5:abc"), DigestError::Algorithm { .. }));
        assert!(matches!(parse("SHA256:abc"), DigestError::Algorithm { .. }));
        assert!(matches!(parse("sha256:../../etc"), DigestError::Length { found: 9, .. }));
        assert!(matches!(parse(&ABC_256.replace('b', "B")), DigestError::Character { .. }));
        assert!(matches!(parse(&format!("sha256:{}", "é".repeat(32))), DigestError::Character { .. }));
        assert!(parse("sha384:00").to_string().contains("sha256 or sha512"));
    }

    #[test]
    fn json_is_the_text() {
        let digest: Digest = serde_json::from_str(&format!("{ABC_256:?}")).unwrap();
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("{ABC_256:?}"));
        assert!(serde_json::from_str::<Digest>("\"sha256:1\"").is_err());
    }

    proptest! {
        #[test]
        fn round_trip(content: Vec<u8>, sha512: bool) {
            let algorithm = if sha512 { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Digest::of(algorithm, &content);
            prop_assert_eq!(&digest.to_string().parse::<Digest>().unwrap(), &digest);
            prop_assert_eq!(&Digest::from_bytes(algorithm, digest.as_bytes()).unwrap(), &digest);
        }

        #[test]
        fn accepted_text_is_canonical(text in "(sha256|sha512|x)?:?[0-9a-fA-F]{60,68}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
