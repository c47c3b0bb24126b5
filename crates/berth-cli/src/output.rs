//! What commands print: tables for people, JSON for programs.

use std::io::{self, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Prints a document as JSON.
pub fn json(document: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(Failure::other)?;
    line(&text)
}

/// Prints a line.
pub fn line(text: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

/// A text of somebody else's, without what would move the cursor, change colours, hide or turn text around.
pub fn plain(text: &str) -> String {
    text.chars().map(|letter| if is_plain(letter) { letter } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// A JSON document for a terminal, with its levels. What a terminal could act upon is escaped, so that it stays the same
/// document.
pub fn pretty(document: &Value) -> String {
    let mut text = String::new();
    for letter in format!("{document:#}").chars() {
        match letter {
            '\n' => text.push(letter),
            letter if is_plain(letter) => text.push(letter),
            // None of them is beyond the plane that has four digits.
            letter => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
        }
    }
    text
}

fn is_plain(letter: char) -> bool {
    let is_hidden = matches!(letter,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !letter.is_control() && !is_hidden
}

/// Tells people something beside what the command prints. That nobody hears it is no failure.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints rows under headings, each column as wide as its widest entry.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let heading: Vec<String> = headings.iter().map(|text| (*text).to_owned()).collect();
    let wide = |column: usize| {
        let cells = std::iter::once(&heading).chain(rows).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..headings.len()).map(wide).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// The rows of a list in a document.
pub fn rows(list: &Value, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    list.as_array().map_or_else(Vec::new, |entries| entries.iter().map(row).collect())
}

/// A field as text; what is absent or null is a dash.
pub fn field(document: &Value, name: &str) -> String {
    match &document[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(list) if list.is_empty() => "-".to_owned(),
        Value::Array(list) => {
            let words: Vec<_> = list
                .iter()
                .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
                .collect();
            words.join(",")
        }
        other => other.to_string(),
    }
}

/// A time without its `T`, `Z` and seconds.
pub fn time(document: &Value, name: &str) -> String {
    document[name]
        .as_str()
        .map_or_else(|| "-".to_owned(), |text| text.replace('T', " ").chars().take(16).collect())
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..UNITS.len() - 1).take_while(|unit| bytes >> (10 * (unit + 1)) > 0).count();
    if unit == 0 {
        return format!("{bytes} B");
    }
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A digest with as many digits as docker shows.
pub fn short(document: &Value, name: &str) -> String {
    field(document, name).chars().take("sha256:".len() + 12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_never_round_up() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (5_368_709_120, "5.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn what_others_wrote_only_shows_itself() {
        assert_eq!(plain("a\u{1b}[31mb\u{9b}c\u{202e}d\ne"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\u{fffd}e");
        assert_eq!(plain("Grüße 🎉"), "Grüße 🎉");
    }

    #[test]
    fn a_document_for_a_terminal_is_the_same_document() {
        let document = serde_json::json!({ "a": "\u{1b}[2J\u{9b}31m", "b": ["\u{202e}x", "é"] });
        let shown = pretty(&document);
        assert!(shown.chars().all(|letter| letter == '\n' || is_plain(letter)), "{shown:?}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), document);
    }
}
