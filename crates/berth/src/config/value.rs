//! The types of values that an option can have: how each is read, and how each is shown.

use std::path::PathBuf;
use std::time::Duration;

use super::model::{LogFormat, Sparse};
use super::suggest::nearest;

/// What is said to a person beside "expected …", when more can be said.
pub(crate) type Hint = Option<String>;

/// A typed place in the configuration that can be written from text.
pub(crate) trait Value {
    /// Takes the value as a flag or an environment variable spells it.
    fn read(&mut self, text: &str) -> Result<(), Hint>;
    /// The value as a TOML literal, passwords hidden.
    fn literal(&self) -> String;
    /// What TOML may use for it.
    fn shape(&self) -> Shape {
        Shape::Text
    }
    /// The words after "expected".
    fn expected(&self) -> String;
    /// Its place holder in the help, such as `PATH`.
    fn placeholder(&self) -> &'static str;
}

/// The TOML types that a value can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// `true` or `false`.
    Switch,
    /// An integer.
    Number,
    /// A string with a unit, or an integer without.
    TextOrNumber,
    /// A list of strings, or one string with commas.
    List,
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Value for bool {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        *self = match text {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => return Err(None),
        };
        Ok(())
    }

    fn literal(&self) -> String {
        self.to_string()
    }

    fn shape(&self) -> Shape {
        Shape::Switch
    }

    fn expected(&self) -> String {
        "true or false".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "true|false"
    }
}

impl Value for u32 {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        *self = text.parse().ok().filter(|number| *number > 0).ok_or(None)?;
        Ok(())
    }

    fn literal(&self) -> String {
        self.to_string()
    }

    fn shape(&self) -> Shape {
        Shape::Number
    }

    fn expected(&self) -> String {
        "a whole number above 0".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "NUMBER"
    }
}

impl Value for PathBuf {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        if text.is_empty() {
            return Err(None);
        }
        *self = PathBuf::from(text);
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(&self.to_string_lossy())
    }

    fn expected(&self) -> String {
        "a path".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "PATH"
    }
}

impl Value for Option<PathBuf> {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        *self = (!text.is_empty()).then(|| PathBuf::from(text));
        Ok(())
    }

    fn literal(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), Value::literal)
    }

    fn expected(&self) -> String {
        "a path, or nothing".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "PATH"
    }
}

const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Value for Duration {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        let millis = scaled(text, &DURATION_UNITS).map_err(|trouble| match trouble {
            Trouble::NoUnit => Some(format!("a number needs its unit: {text}s?")),
            Trouble::Malformed => None,
        })?;
        if millis == 0 {
            return Err(Some("it must be longer than nothing".to_owned()));
        }
        *self = Duration::from_millis(millis);
        Ok(())
    }

    fn literal(&self) -> String {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        // 24h stays 24h: the day is understood but never written.
        quoted(&unscaled(millis, &DURATION_UNITS[..4]))
    }

    fn expected(&self) -> String {
        "a duration such as \"500ms\", \"60s\", \"10m\", \"24h\" or \"7d\"".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "DURATION"
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

const SIZE_UNITS: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

impl Value for Size {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        *self = Size(match text.parse() {
            Ok(bytes) => bytes,
            Err(_) => scaled(text, &SIZE_UNITS).map_err(|_| decimal_unit_hint(text))?,
        });
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(&unscaled(self.0, &SIZE_UNITS))
    }

    fn shape(&self) -> Shape {
        Shape::TextOrNumber
    }

    fn expected(&self) -> String {
        "a size such as \"64KiB\", \"4MiB\" or \"1GiB\"".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "SIZE"
    }
}

/// People write 4MB and 4M for 4MiB; the difference is told, not guessed.
fn decimal_unit_hint(text: &str) -> Hint {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let letter = text[number.len()..].chars().next()?.to_ascii_uppercase();
    (!number.is_empty() && "KMGT".contains(letter))
        .then(|| format!("units are powers of 1024: {number}{letter}iB?"))
}

enum Trouble {
    NoUnit,
    Malformed,
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u64, Trouble> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| Trouble::Malformed)?;
    let unit = text[digits..].trim_start();
    if unit.is_empty() {
        return Err(Trouble::NoUnit);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(Trouble::Malformed)?;
    number.checked_mul(*factor).ok_or(Trouble::Malformed)
}

/// The number in the largest unit that divides it.
fn unscaled(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| number >= *factor && number.is_multiple_of(*factor);
    let (unit, factor) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{}{unit}", number / factor)
}

/// What is logged: a level, or levels by module as `info,berth_http=debug`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogFilter(pub(crate) String);

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Value for LogFilter {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        for part in text.split(',') {
            let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
            if !LEVELS.contains(&level) {
                return Err(
                    nearest(level, LEVELS.into_iter()).map(|level| format!("did you mean `{level}`?"))
                );
            }
        }
        *self = LogFilter(text.to_owned());
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(&self.0)
    }

    fn expected(&self) -> String {
        "a level (off, error, warn, info, debug, trace), or levels by module such as \
         \"info,berth_http=debug\""
            .to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "LEVEL"
    }
}

/// Reads one of a few words.
fn choose<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, Hint> {
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, choice)) => Ok(*choice),
        None => {
            Err(nearest(text, words.iter().map(|(word, _)| *word))
                .map(|word| format!("did you mean `{word}`?")))
        }
    }
}

impl Value for LogFormat {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        *self = choose(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?;
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }

    fn expected(&self) -> String {
        "\"text\" or \"json\"".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "text|json"
    }
}

impl Value for Sparse {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        let known = [("refuse", Sparse::Refuse), ("indexes", Sparse::Indexes), ("all", Sparse::All)];
        *self = choose(text, &known)?;
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(match self {
            Sparse::Refuse => "refuse",
            Sparse::Indexes => "indexes",
            Sparse::All => "all",
        })
    }

    fn expected(&self) -> String {
        "\"refuse\", \"indexes\" or \"all\"".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "refuse|indexes|all"
    }
}

/// How tests read a value.
#[cfg(test)]
pub(super) mod reading {
    use super::{Hint, Value};

    pub(crate) fn shown<V: Value + Default>(text: &str) -> Result<String, Hint> {
        let mut value = V::default();
        value.read(text).map(|()| value.literal())
    }

    pub(crate) fn refused<V: Value + Default>(text: &str) -> String {
        shown::<V>(text).expect_err(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::reading::{refused, shown};
    use super::*;

    #[test]
    fn durations_keep_their_unit() {
        for text in ["500ms", "60s", "90s", "10m", "24h"] {
            let kept = if text == "60s" { "1m" } else { text };
            assert_eq!(shown::<Duration>(text), Ok(format!("\"{kept}\"")));
        }
        assert_eq!(shown::<Duration>("7d"), Ok("\"168h\"".to_owned()));
        assert_eq!(refused::<Duration>("75"), "a number needs its unit: 75s?");
        for text in ["", "s", "1w", "-1s", "1.5h", "99999999999999999999s", "999999999999999999d", "0s"] {
            assert!(shown::<Duration>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(shown::<Size>("4MiB"), Ok("\"4MiB\"".to_owned()));
        assert_eq!(shown::<Size>("4194304"), Ok("\"4MiB\"".to_owned()));
        assert_eq!(shown::<Size>("4194305"), Ok("\"4194305B\"".to_owned()));
        assert_eq!(shown::<Size>("0"), Ok("\"0B\"".to_owned()));
        assert_eq!(refused::<Size>("4MB"), "units are powers of 1024: 4MiB?");
        assert_eq!(refused::<Size>("4g"), "units are powers of 1024: 4GiB?");
        assert!(shown::<Size>("lots").is_err());
    }

    #[test]
    fn log_levels() {
        assert_eq!(shown::<LogFilter>("info,berth_http=debug"), Ok("\"info,berth_http=debug\"".to_owned()));
        assert_eq!(refused::<LogFilter>("infoo"), "did you mean `info`?");
    }
}
