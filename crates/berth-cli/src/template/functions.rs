//! The functions of templates, and how Go prints values.

use std::cmp::Ordering;

use serde_json::Value;

use super::TemplateError;

/// Calls a function.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, TemplateError> {
    let wrong = || TemplateError::Use(format!("wrong number or kind of arguments for {name}"));
    Ok(match (name, arguments) {
        ("json", [value]) => serde_json::to_string(value).map_err(|_| wrong())?.into(),
        ("print", values) => values.iter().map(printed).collect::<Vec<_>>().concat().into(),
        ("println", values) => {
            format!("{}\n", values.iter().map(printed).collect::<Vec<_>>().join(" ")).into()
        }
        ("printf", [Value::String(form), values @ ..]) => formatted(form, values).into(),
        ("len", [value]) => length(value).ok_or_else(wrong)?.into(),
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("join", [Value::Array(list), Value::String(between)]) => {
            list.iter().map(printed).collect::<Vec<_>>().join(between).into()
        }
        ("join", [Value::Null, _]) => "".into(),
        ("split", [Value::String(text), Value::String(at)]) => {
            text.split(at.as_str()).map(Value::from).collect::<Vec<_>>().into()
        }
        ("upper", [value]) => printed(value).to_uppercase().into(),
        ("lower", [value]) => printed(value).to_lowercase().into(),
        ("title", [value]) => titled(&printed(value)).into(),
        ("truncate", [value, Value::Number(most)]) => {
            let most = most.as_u64().and_then(|most| usize::try_from(most).ok()).ok_or_else(wrong)?;
            printed(value).chars().take(most).collect::<String>().into()
        }
        ("pad", [value, Value::Number(before), Value::Number(after)]) => {
            let blanks = |count: &serde_json::Number| count.as_u64().filter(|count| *count < 1000);
            let (before, after) = (blanks(before).ok_or_else(wrong)?, blanks(after).ok_or_else(wrong)?);
            let blanks = |count: u64| " ".repeat(usize::try_from(count).unwrap_or_default());
            format!("{}{}{}", blanks(before), printed(value), blanks(after)).into()
        }
        ("not", [value]) => (!is_true(value)).into(),
        ("and", [.., last]) => arguments.iter().find(|value| !is_true(value)).unwrap_or(last).clone(),
        ("or", [.., last]) => arguments.iter().find(|value| is_true(value)).unwrap_or(last).clone(),
        ("eq", [first, others @ ..]) if !others.is_empty() => others.contains(first).into(),
        ("ne", [first, second]) => (first != second).into(),
        ("lt" | "le" | "gt" | "ge", [first, second]) => {
            let order = compared(first, second).ok_or_else(wrong)?;
            match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }
            .into()
        }
        _ if FUNCTIONS.contains(&name) => return Err(wrong()),
        _ => return Err(TemplateError::Use(format!("function {name:?} not defined"))),
    })
}

const FUNCTIONS: [&str; 22] = [
    "json", "print", "println", "printf", "len", "index", "join", "split", "upper", "lower", "title",
    "truncate", "pad", "not", "and", "or", "eq", "ne", "lt", "le", "gt", "ge",
];

/// What Go takes for true: whatever is not empty.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// A value as Go prints it.
pub(super) fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(printed).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|one, other| one.0.cmp(other.0));
            let entries = entries.into_iter().map(|(key, value)| format!("{key}:{}", printed(value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Array(list) => Some(list.len()),
        Value::Object(map) => Some(map.len()),
        Value::Null => Some(0),
        _ => None,
    }
}

/// A key that a map has not is nothing; a place that a list has not is a mistake.
fn index(value: &Value, keys: &[Value]) -> Result<Value, TemplateError> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Array(list), Value::Number(place)) => {
                let place = place.as_u64().and_then(|place| usize::try_from(place).ok());
                let found = place.and_then(|place| list.get(place));
                found.cloned().ok_or_else(|| TemplateError::Use(format!("index out of range: {key}")))?
            }
            (Value::Object(map), Value::String(key)) => map.get(key).cloned().unwrap_or_else(|| "".into()),
            (Value::Null, _) => Value::Null,
            _ => return Err(TemplateError::Use(format!("cannot index {} by {key}", printed(&value)))),
        };
    }
    Ok(value)
}

fn compared(first: &Value, second: &Value) -> Option<Ordering> {
    match (first, second) {
        (Value::Number(first), Value::Number(second)) => first.as_f64()?.partial_cmp(&second.as_f64()?),
        (Value::String(first), Value::String(second)) => Some(first.cmp(second)),
        _ => None,
    }
}

/// `printf` with the verbs that people use: `%s`, `%v`, `%d`, `%q`, and `%%`, with widths (`%-20s`).
fn formatted(form: &str, values: &[Value]) -> String {
    /// More blanks than any line has.
    const WIDEST: usize = 1000;
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let end = after.find(|character: char| !character.is_ascii_digit() && !"-+#. ".contains(character));
        let Some(end) = end else {
            out.push_str("%!(NOVERB)");
            return out;
        };
        let (flags, verb) = (&after[..end], after[end..].chars().next().unwrap_or('%'));
        rest = &after[end + verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
            continue;
        }
        let text = match (verb, values.next()) {
            (_, None) => format!("%!{verb}(MISSING)"),
            ('q', Some(value)) => format!("{:?}", printed(value)),
            (_, Some(value)) => printed(value),
        };
        let width = flags.trim_start_matches(['-', '+', '#', ' ']).split('.').next().unwrap_or_default();
        let width = width.parse::<usize>().unwrap_or_default().min(WIDEST);
        match flags.contains('-') {
            true => out.push_str(&format!("{text:<width$}")),
            false => out.push_str(&format!("{text:>width$}")),
        }
    }
    out.push_str(rest);
    out
}

fn titled(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
