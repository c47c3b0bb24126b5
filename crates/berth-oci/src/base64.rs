//! Base64 as descriptors embed content: the standard alphabet with padding (RFC 4648, section 4).

/// The decoded bytes, or `None` if the text is not canonical base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    for quartet in bytes[..bytes.len() - padding].chunks(4) {
        let mut bits = 0_u32;
        for &byte in quartet {
            bits = bits << 6 | sextet(byte)?;
        }
        bits <<= 6 * (4 - quartet.len());
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (used, unused) = decoded.split_at(quartet.len() - 1);
        if unused.iter().any(|&byte| byte != 0) {
            return None;
        }
        out.extend_from_slice(used);
    }
    Some(out)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::decode;

    #[test]
    fn vectors_of_the_rfc() {
        let table =
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("e30=", "{}")];
        for (text, content) in table {
            assert_eq!(decode(text).as_deref(), Some(content.as_bytes()), "{text}");
        }
        for text in ["Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm9-", "Zm 9", "é=="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn one_text_per_content(text in "[A-Za-z0-9+/]{0,10}={0,2}") {
            if let Some(content) = decode(&text) {
                let padded = content.len().div_ceil(3) * 4;
                prop_assert_eq!(padded, text.len());
            }
        }
    }
}
