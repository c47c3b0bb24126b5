//! `printf`: the verbs that people use, with their flags (<https://pkg.go.dev/fmt>).

use serde_json::{Number, Value};

use super::functions::printed;

/// More blanks or digits than any line has.
const WIDEST: usize = 1000;

/// `%-20s`: how a value is written.
#[derive(Debug, Clone, Copy)]
struct Form<'a> {
    flags: &'a str,
    width: usize,
    precision: Option<usize>,
    verb: char,
}

/// Writes values into a form. What does not fit is told in the text, as Go does.
pub(super) fn printf(form: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let Some((form, behind)) = Form::read(after) else {
            out.push_str("%!(NOVERB)");
            return out;
        };
        rest = behind;
        match (form.verb, values.next()) {
            ('%', _) => out.push('%'),
            (verb, None) => out.push_str(&format!("%!{verb}(MISSING)")),
            (_, Some(value)) => out.push_str(&form.write(value)),
        }
    }
    out.push_str(rest);
    let extra: Vec<_> = values.map(|value| format!("{}={}", kind(value), printed(value))).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

/// What Go calls the type of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A number as Go prints it: without an exponent unless it is very large or small.
pub(super) fn plain_number(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < 1e21 => format!("{value:.0}"),
        _ => number.to_string(),
    }
}

impl Form<'_> {
    /// Reads what stands behind a `%`, and gives what is behind it; `None` if there is no verb.
    fn read(text: &str) -> Option<(Form<'_>, &str)> {
        let end = text.find(|character: char| !"-+# 0".contains(character))?;
        let (flags, text) = text.split_at(end);
        let (width, mut text) = number(text);
        let mut precision = None;
        if let Some(after) = text.strip_prefix('.') {
            let (found, after) = number(after);
            (precision, text) = (Some(found), after);
        }
        let verb = text.chars().next()?;
        Some((Form { flags, width, precision, verb }, &text[verb.len_utf8()..]))
    }

    fn write(&self, value: &Value) -> String {
        match value {
            // A list is written as its entries are.
            Value::Array(list) if self.verb != 'T' => {
                let entries: Vec<_> = list.iter().map(|value| self.write(value)).collect();
                format!("[{}]", entries.join(" "))
            }
            value => match self.text(value) {
                Some(text) => self.filled(&text),
                None if value.is_null() => format!("%!{}(<nil>)", self.verb),
                None => format!("%!{}({}={})", self.verb, kind(value), printed(value)),
            },
        }
    }

    /// The value in the form that the verb wants; `None` if it has none.
    fn text(&self, value: &Value) -> Option<String> {
        let cut = |text: &str| text.chars().take(self.precision.unwrap_or(usize::MAX)).collect::<String>();
        let plus = if self.flags.contains('+') { "+" } else { "" };
        let signed = |text: String| if text.starts_with('-') { text } else { format!("{plus}{text}") };
        Some(match (self.verb, value) {
            ('T', value) => kind(value).to_owned(),
            ('v' | 's', Value::String(text)) => cut(text),
            ('q', Value::String(text)) => format!("{:?}", cut(text)),
            ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('X', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
            ('v' | 't', Value::Bool(is)) => is.to_string(),
            ('f' | 'F', Value::Number(number)) if number.is_f64() => {
                signed(format!("{:.*}", self.precision.unwrap_or(6), number.as_f64()?))
            }
            ('v' | 'd', Value::Number(number)) if self.verb == 'v' || !number.is_f64() => {
                signed(plain_number(number))
            }
            ('x', Value::Number(number)) => format!("{:x}", number.as_u64()?),
            ('X', Value::Number(number)) => format!("{:X}", number.as_u64()?),
            ('o', Value::Number(number)) => format!("{:o}", number.as_u64()?),
            ('b', Value::Number(number)) => format!("{:b}", number.as_u64()?),
            ('c', Value::Number(number)) => {
                char::from_u32(u32::try_from(number.as_u64()?).ok()?)?.to_string()
            }
            ('v', Value::Null | Value::Object(_)) | ('s', Value::Object(_)) => printed(value),
            _ => return None,
        })
    }

    fn filled(&self, text: &str) -> String {
        let width = self.width;
        if self.flags.contains('-') {
            return format!("{text:<width$}");
        }
        if !self.flags.contains('0') {
            return format!("{text:>width$}");
        }
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) if !"sqv".contains(self.verb) => (&text[..1], digits),
            _ => ("", text),
        };
        format!("{sign}{digits:0>width$}", width = width.saturating_sub(sign.len()))
    }
}

/// The number at the beginning of a text, and what is behind it.
fn number(text: &str) -> (usize, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse::<usize>().unwrap_or_default().min(WIDEST), &text[end..])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::printf;

    #[test]
    fn values_are_written_as_go_writes_them() {
        for (form, values, expected) in [
            ("%s %v|%d", json!(["a", "b", 7]), "a b|7"),
            ("%-5s|%5s|%05d|%-5d|", json!(["a", "b", 7, 8]), "a    |    b|00007|8    |"),
            ("%.12s", json!(["sha256:0123456789"]), "sha256:01234"),
            ("%q %q", json!(["a\"b", ["c", "d"]]), "\"a\\\"b\" [\"c\" \"d\"]"),
            ("%t %x %X %c %o %b", json!([true, 255, 255, 65, 8, 5]), "true ff FF A 10 101"),
            ("%5.1f %f", json!([2.75, 1.5]), "  2.8 1.500000"),
            ("%+d %+d %06d", json!([7, -7, -42]), "+7 -7 -00042"),
            ("%v %v %s", json!([null, { "b": 1, "a": {} }, ["x", "y"]]), "<nil> map[a:{} b:1] [x y]"),
            ("%T %T %T", json!(["a", 1, 1.5]), "string int64 float64"),
            ("100%%", json!([]), "100%"),
            ("%s", json!([]), "%!s(MISSING)"),
            ("%s", json!([5]), "%!s(int64=5)"),
            ("%d", json!(["a"]), "%!d(string=a)"),
            ("%s", json!([null]), "%!s(<nil>)"),
            ("%z", json!([1]), "%!z(int64=1)"),
            ("%s", json!(["a", "b", 1]), "a%!(EXTRA string=b, int64=1)"),
            ("%", json!([]), "%!(NOVERB)"),
            ("%-", json!([]), "%!(NOVERB)"),
        ] {
            let values = values.as_array().expect("a list of values");
            assert_eq!(printf(form, values), expected, "{form}");
        }
    }

    #[test]
    fn widths_have_an_end() {
        assert_eq!(printf("%99999999999999999999s", &[json!("a")]), "a");
        assert_eq!(printf("%1000000s", &[json!("a")]).len(), 1000);
    }
}
