//! Names and contents of strangers' files as text that can be shown.

/// A name with everything visible: bytes that are no UTF-8, controls, and what turns the direction of writing around are
/// written as escapes.
pub fn display_name(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || is_invisible(c) {
                shown.extend(c.escape_unicode());
            } else {
                shown.push(c);
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// The content as text, if it is some: UTF-8 without controls but those that lay out lines. The last character may be
/// cut.
pub fn text_of(content: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&content[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    if !text.chars().all(is_text) {
        return None;
    }
    Some(text.chars().map(|c| if is_invisible(c) { '\u{fffd}' } else { c }).collect())
}

/// Characters that make text look like another text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{display_name, text_of};

    #[test]
    fn names_show_what_they_hide() {
        assert_eq!(display_name("straße/文件".as_bytes()), "straße/文件");
        assert_eq!(display_name(b"a\xff\xfeb"), "a\\xff\\xfeb");
        assert_eq!(display_name("a\nb\u{202e}gpj.exe".as_bytes()), "a\\u{a}b\\u{202e}gpj.exe");
    }

    #[test]
    fn text_is_told_from_the_rest() {
        assert_eq!(text_of(b"a\tb\r\n").as_deref(), Some("a\tb\r\n"));
        assert_eq!(
            text_of("aé".as_bytes().split_last().unwrap().1).as_deref(),
            Some("a"),
            "cut in a character"
        );
        for binary in [&b"\x7fELF\x02\x01"[..], b"a\0b", b"\xff\xfe", b"\x1b[31m"] {
            assert_eq!(text_of(binary), None);
        }
        assert_eq!(text_of("a\u{202e}b".as_bytes()).as_deref(), Some("a\u{fffd}b"));
    }
}
