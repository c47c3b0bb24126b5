//! The name of an upload that has no digest yet.

use std::fmt;
use std::str::FromStr;

/// The name of a stage, and of its file: 32 lower-case hexadecimal digits.
///
/// The grammar is so narrow because the name becomes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(u128);

impl StageId {
    /// Makes a name that nobody can guess (128 random bits).
    pub fn random() -> StageId {
        StageId(rand::random())
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload id has 32 lower-case hexadecimal digits")]
pub struct StageIdError;

impl FromStr for StageId {
    type Err = StageIdError;

    fn from_str(text: &str) -> Result<StageId, StageIdError> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return Err(StageIdError);
        }
        u128::from_str_radix(text, 16).map(StageId).map_err(|_| StageIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::{StageId, StageIdError};

    #[test]
    fn text_round_trips() {
        let id = StageId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("0000000000000000000000000000000f".parse(), Ok(StageId(15)));
    }

    #[test]
    fn nothing_but_lower_case_hex_is_a_name() {
        let bad = [
            "",
            "..",
            "../../etc/passwd",
            "0000000000000000000000000000000F",
            "+000000000000000000000000000000f",
        ];
        for text in bad {
            assert_eq!(text.parse::<StageId>(), Err(StageIdError), "{text:?}");
        }
    }
}
