//! Whether what the management API takes and answers is what its description says. Every request of these tests is looked
//! at, so each of them is a test of the description as well.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::town::Reply;

static DOCUMENT: LazyLock<Value> = LazyLock::new(berth_http::openapi);

/// Keywords that say nothing about a single value that the others do not.
const REMARKS: [&str; 9] = [
    "description",
    "title",
    "examples",
    "default",
    "minLength",
    "maxLength",
    "minItems",
    "maximum",
    "minimum",
];

/// Fails if an answer of the management API, or a body that was taken, is not as described.
pub(crate) fn require(method: &str, target: &str, body: &[u8], reply: &Reply) {
    let path = target.split('?').next().unwrap_or_default();
    let Some(path) = path.strip_prefix("/api/v1") else { return };
    let context = || format!("{method} {target}: {} {:?}", reply.status, reply.body);
    if reply.status >= 400 && method != "HEAD" {
        assert_eq!(reply.header("content-type"), "application/problem+json", "{}", context());
        conforms(&DOCUMENT["components"]["schemas"]["Problem"], &reply.json())
            .unwrap_or_else(|error| panic!("{error}: {}", context()));
    }
    let Some(operation) = operation(&method.to_lowercase().replace("head", "get"), path) else {
        assert!(reply.status >= 400, "it is not described: {}", context());
        return;
    };
    let answer = resolve(&operation["responses"][reply.status.to_string()]);
    assert!(answer.is_object(), "the status is not described: {}", context());
    if !(200..300).contains(&reply.status) || method == "HEAD" {
        return;
    }
    let schema = &answer["content"]["application/json"]["schema"];
    assert_eq!(schema.is_null(), reply.body.is_empty(), "{}", context());
    if !schema.is_null() {
        conforms(schema, &reply.json()).unwrap_or_else(|error| panic!("{error}: {}", context()));
    }
    let taken = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !taken.is_null() && !body.is_empty() {
        let body = serde_json::from_slice(body).unwrap();
        conforms(taken, &body).unwrap_or_else(|error| panic!("the body: {error}: {}", context()));
    }
}

/// The operation of a method and a path, by the description alone.
pub(crate) fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object()?;
    let segments: Vec<_> = path.split('/').collect();
    let found = |template: &str| fits(&template.split('/').collect::<Vec<_>>(), &segments);
    paths.iter().filter(|(template, _)| found(template)).find_map(|(_, item)| item.get(method))
}

fn fits(template: &[&str], segments: &[&str]) -> bool {
    match (template, segments) {
        ([], []) => true,
        (["{repository}", rest @ ..], [first, more @ ..]) if *first != "-" => {
            fits(rest, more) || fits(template, more)
        }
        ([piece, rest @ ..], [first, more @ ..]) => {
            (piece == first || piece.starts_with('{') && !first.is_empty() && *piece != "{repository}")
                && fits(rest, more)
        }
        _ => false,
    }
}

/// What a reference stands for.
pub(crate) fn resolve(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(path) => DOCUMENT.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path}")),
        None => schema,
    }
}

/// Whether a value is as its schema says, and holds nothing that the schema does not mention.
pub(crate) fn conforms(schema: &'static Value, value: &Value) -> Result<(), String> {
    let known = checked(schema, value)?;
    let is_open = resolve(schema) == &serde_json::json!({ "type": "object" });
    let fields = value.as_object().filter(|_| !is_open);
    match fields.into_iter().flatten().find(|(name, _)| !known.contains(name.as_str())) {
        Some((name, _)) => Err(format!("the field {name} is not described")),
        None => Ok(()),
    }
}

/// The fields that a schema mentions, if the value is as it says.
fn checked(schema: &'static Value, value: &Value) -> Result<BTreeSet<&'static str>, String> {
    let mut known = BTreeSet::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$ref" => known.extend(checked(resolve(schema), value)?),
            "type" => is_of_type(rule, value)?,
            "enum" if rule.as_array().is_some_and(|words| words.contains(value) || value.is_null()) => {}
            "const" if rule == value => {}
            "enum" | "const" => return Err(format!("{value} is not {rule}")),
            "format" => has_format(rule.as_str().unwrap_or_default(), value)?,
            "properties" => {
                for (name, schema) in rule.as_object().expect("properties are an object") {
                    known.insert(name.as_str());
                    let Some(field) = value.get(name) else { continue };
                    conforms(schema, field).map_err(|error| format!("{name}: {error}"))?;
                }
            }
            "required" => has_all(rule, value.as_object())?,
            "items" => value.as_array().into_iter().flatten().try_for_each(|item| conforms(rule, item))?,
            "oneOf" | "anyOf" => {
                let branches = rule.as_array().into_iter().flatten();
                let fitting: Vec<_> = branches.filter_map(|branch| checked(branch, value).ok()).collect();
                if fitting.is_empty() || keyword == "oneOf" && fitting.len() > 1 {
                    return Err(format!("{} of the kinds fit", fitting.len()));
                }
                known.extend(fitting.into_iter().flatten());
            }
            "additionalProperties" if rule == &Value::Bool(false) => {}
            remark if REMARKS.contains(&remark) => {}
            other => return Err(format!("these tests do not know the keyword {other}")),
        }
    }
    Ok(known)
}

fn is_of_type(rule: &Value, value: &Value) -> Result<(), String> {
    let fits = |name: &str| match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("no value of ours is a {other}"),
    };
    let names = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
    if names.iter().filter_map(Value::as_str).any(fits) {
        return Ok(());
    }
    Err(format!("{value} is no {rule}"))
}

fn has_format(format: &str, value: &Value) -> Result<(), String> {
    let text = value.as_str();
    let holds = match format {
        "date-time" => {
            text.is_none_or(|text| text.len() >= 20 && text.ends_with('Z') && text[10..].starts_with('T'))
        }
        "uri" => text.is_none_or(|text| text.contains("://")),
        "uint" | "uint64" | "uint32" | "uint16" => value.is_null() || value.is_u64(),
        "int64" => value.is_null() || value.is_i64(),
        other => return Err(format!("these tests do not know the format {other}")),
    };
    if holds { Ok(()) } else { Err(format!("{value} is not in the format {format}")) }
}

fn has_all(names: &Value, fields: Option<&Map<String, Value>>) -> Result<(), String> {
    let Some(fields) = fields else { return Ok(()) };
    let mut names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    match names.find(|name| !fields.contains_key(*name)) {
        Some(name) => Err(format!("the field {name} is missing")),
        None => Ok(()),
    }
}

#[test]
fn what_is_not_as_described_is_found() {
    let schema = &DOCUMENT["components"]["schemas"]["User"];
    let user = serde_json::json!({
        "name": "alice",
        "admin": false,
        "disabled": false,
        "has_password": true,
        "default_visibility": "private",
        "created_at": "2026-11-25T10:00:00.000000Z",
    });
    assert_eq!(conforms(schema, &user), Ok(()));
    for (field, value) in [
        ("name", Value::Null),
        ("admin", "no".into()),
        ("default_visibility", "secret".into()),
        ("created_at", "yesterday".into()),
        ("password", "x".into()),
    ] {
        let mut wrong = user.clone();
        wrong[field] = value;
        assert!(conforms(schema, &wrong).is_err(), "{field}");
    }
    let mut less = user.clone();
    less.as_object_mut().unwrap().remove("disabled");
    assert_eq!(conforms(schema, &less), Err("the field disabled is missing".to_owned()));
}
