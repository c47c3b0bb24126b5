//! The functions of templates, and how Go prints values.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::TemplateError;
use super::printf::{plain_number, printf};

/// Calls a function.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, TemplateError> {
    let wrong = || TemplateError::new(format!("wrong number or kind of arguments for {name}"));
    Ok(match (name, arguments) {
        ("json", [value]) => serde_json::to_string(value).map_err(|_| wrong())?.into(),
        ("print", values) => together(values).into(),
        ("println", values) => {
            format!("{}\n", values.iter().map(printed).collect::<Vec<_>>().join(" ")).into()
        }
        ("printf", [Value::String(form), values @ ..]) => printf(form, values).into(),
        ("len", [value]) => length(value).ok_or_else(wrong)?.into(),
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("slice", [value, places @ ..]) => slice(value, places)?,
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
        ("eq", [first, others @ ..]) if !others.is_empty() => {
            others.iter().try_fold(false, |is, other| Ok(is | is_equal(first, other)?))?.into()
        }
        ("ne", [first, second]) => (!is_equal(first, second)?).into(),
        ("lt" | "le" | "gt" | "ge", [first, second]) => {
            let order = compared(first, second)?;
            match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }
            .into()
        }
        _ => return Err(wrong()),
    })
}

/// All that may be called. `and` and `or` are done where arguments are looked at, since not all of them need be.
pub(super) const FUNCTIONS: [&str; 23] = [
    "json", "print", "println", "printf", "len", "index", "slice", "join", "split", "upper", "lower",
    "title", "truncate", "pad", "not", "and", "or", "eq", "ne", "lt", "le", "gt", "ge",
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
            let entries = entries.into_iter().map(|(key, value)| match value {
                // An entry that says nothing but that it is there is a struct without fields.
                Value::Object(empty) if empty.is_empty() => format!("{key}:{{}}"),
                value => format!("{key}:{}", printed(value)),
            });
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        Value::Number(number) => plain_number(number),
        Value::Bool(is) => is.to_string(),
    }
}

/// Values one after the other, with a blank where neither neighbour is a text.
fn together(values: &[Value]) -> String {
    let mut out = String::new();
    let mut is_after_text = true;
    for value in values {
        if !is_after_text && !value.is_string() {
            out.push(' ');
        }
        out.push_str(&printed(value));
        is_after_text = value.is_string();
    }
    out
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

/// A key that a map has not is an empty text; a place that a list has not is a mistake.
fn index(value: &Value, keys: &[Value]) -> Result<Value, TemplateError> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Array(list), Value::Number(number)) => {
                let found = place(number).and_then(|place| list.get(place));
                found.cloned().ok_or_else(|| TemplateError::new(format!("index out of range: {key}")))?
            }
            (Value::String(text), Value::Number(number)) => {
                let found = place(number).and_then(|place| text.as_bytes().get(place));
                (*found.ok_or_else(|| TemplateError::new(format!("index out of range: {key}")))?).into()
            }
            (Value::Object(map), Value::String(key)) => map.get(key).cloned().unwrap_or_else(|| "".into()),
            (Value::Null, Value::String(_)) => "".into(),
            (Value::Null, key) => return Err(TemplateError::new(format!("index out of range: {key}"))),
            _ => {
                let (value, key) = (printed(&value), printed(key));
                return Err(TemplateError::new(format!("can't index {value} by {key}")));
            }
        };
    }
    Ok(value)
}

/// `slice value from to`, of a text or a list.
fn slice(value: &Value, places: &[Value]) -> Result<Value, TemplateError> {
    let wrong = || TemplateError::new("slice wants a text or a list, and at most two places in it");
    let place_of = |at: usize, other: usize| match places.get(at) {
        None => Some(other),
        Some(Value::Number(number)) => place(number),
        Some(_) => None,
    };
    let length = length(value).ok_or_else(wrong)?;
    let (from, to) = (place_of(0, 0).ok_or_else(wrong)?, place_of(1, length).ok_or_else(wrong)?);
    if places.len() > 2 {
        return Err(wrong());
    }
    match value {
        Value::String(text) => text.get(from..to).map(Value::from),
        Value::Array(list) => list.get(from..to).map(Value::from),
        _ => return Err(wrong()),
    }
    .ok_or_else(|| TemplateError::new(format!("index out of range: {from}:{to} of {length}")))
}

fn place(number: &Number) -> Option<usize> {
    usize::try_from(number.as_u64()?).ok()
}

fn is_equal(first: &Value, second: &Value) -> Result<bool, TemplateError> {
    match (first, second) {
        (Value::Null, _) | (_, Value::Null) | (Value::Bool(_), Value::Bool(_)) => Ok(first == second),
        _ => Ok(compared(first, second)? == Ordering::Equal),
    }
}

fn compared(first: &Value, second: &Value) -> Result<Ordering, TemplateError> {
    let order = match (first, second) {
        (Value::Number(first), Value::Number(second)) => match (first.as_i64(), second.as_i64()) {
            (Some(first), Some(second)) => Some(first.cmp(&second)),
            _ => first.as_f64().zip(second.as_f64()).and_then(|(first, second)| first.partial_cmp(&second)),
        },
        (Value::String(first), Value::String(second)) => Some(first.cmp(second)),
        _ => None,
    };
    order.ok_or_else(|| TemplateError::new("incompatible types for comparison"))
}

/// Each word with a capital.
fn titled(text: &str) -> String {
    let mut out = String::new();
    let mut is_begin = true;
    for character in text.chars() {
        match is_begin {
            true => out.extend(character.to_uppercase()),
            false => out.push(character),
        }
        is_begin = character.is_whitespace();
    }
    out
}
