//! Patterns of names, as Go's `path.Match` reads them: `*` and `?` stand for anything but a slash.

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    /// Its parts between slashes.
    parts: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Many,
    One,
    Exactly(char),
    /// `[a-z]`, or with `^` any other.
    Range {
        is_other: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A pattern cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(crate) struct BadPattern;

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadPattern`] if a `[` is not closed, a range is empty, or it ends with a backslash.
    pub(crate) fn read(text: &str) -> Result<Glob, BadPattern> {
        let parts = text.split('/').map(pieces).collect::<Result<_, _>>()?;
        Ok(Glob { parts })
    }

    /// Whether all of a text fits.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let parts: Vec<Vec<char>> = text.split('/').map(|part| part.chars().collect()).collect();
        parts.len() == self.parts.len()
            && self.parts.iter().zip(&parts).all(|(pieces, part)| part_fits(pieces, part))
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, BadPattern> {
    let mut pieces = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        pieces.push(match character {
            '*' => Piece::Many,
            '?' => Piece::One,
            '\\' => Piece::Exactly(characters.next().ok_or(BadPattern)?),
            '[' => range(&mut characters)?,
            other => Piece::Exactly(other),
        });
    }
    Ok(pieces)
}

fn range(characters: &mut std::str::Chars<'_>) -> Result<Piece, BadPattern> {
    let is_other = characters.as_str().starts_with('^');
    if is_other {
        characters.next();
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && characters.as_str().starts_with(']') {
            characters.next();
            return Ok(Piece::Range { is_other, ranges });
        }
        let first = end_of_range(characters)?;
        let mut last = first;
        if characters.as_str().starts_with('-') {
            characters.next();
            last = end_of_range(characters)?;
        }
        ranges.push((first, last));
    }
}

fn end_of_range(characters: &mut std::str::Chars<'_>) -> Result<char, BadPattern> {
    match characters.next().ok_or(BadPattern)? {
        '\\' => characters.next().ok_or(BadPattern),
        '-' | ']' => Err(BadPattern),
        other => Ok(other),
    }
}

impl Piece {
    fn fits(&self, found: char) -> bool {
        match self {
            Piece::Many | Piece::One => true,
            Piece::Exactly(wanted) => *wanted == found,
            Piece::Range { is_other, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&found)) != *is_other
            }
        }
    }
}

/// Only the last `*` is tried again: what an earlier one could take more, this one can take as well.
fn part_fits(pieces: &[Piece], text: &[char]) -> bool {
    let (mut piece, mut place) = (0, 0);
    let mut again = None;
    while place < text.len() {
        if pieces.get(piece) == Some(&Piece::Many) {
            again = Some((piece, place));
            piece += 1;
        } else if pieces.get(piece).is_some_and(|piece| piece.fits(text[place])) {
            piece += 1;
            place += 1;
        } else if let Some((many, from)) = again {
            again = Some((many, from + 1));
            (piece, place) = (many + 1, from + 1);
        } else {
            return false;
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::Many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_go() {
        for (pattern, text, fits) in [
            ("app", "app", true),
            ("ap*", "app", true),
            ("*p*p*", "app", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*/app", "team/app", true),
            ("*", "team/app", false),
            ("localhost:5000/*:1.?", "localhost:5000/app:1.9", true),
            ("a?p", "a/p", false),
            ("app*", "ap", false),
            ("[ao]*", "app", true),
            ("[^ao]*", "app", false),
            ("app:[0-9]", "app:7", true),
            ("app:[0-9]", "app:x", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("", "", true),
            ("**", "", true),
        ] {
            assert_eq!(Glob::read(pattern).map(|glob| glob.fits(text)), Ok(fits), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["[", "a[]", "[a", "[a-", "[-a]", "a\\", "[a\\"] {
            assert_eq!(Glob::read(pattern), Err(BadPattern), "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let glob = Glob::read(&"*a".repeat(40)).unwrap();
        assert!(!glob.fits(&"a".repeat(10_000).replace("aa", "ab")[..39]));
        assert!(!glob.fits(&format!("{}b", "a".repeat(10_000))));
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_typed_breaks_it(pattern in "[a*?\\[\\]^/é\\\\-]{0,20}", text in "[aé/]{0,20}") {
            if let Ok(glob) = Glob::read(&pattern) {
                let _ = glob.fits(&text);
            }
        }
    }
}
