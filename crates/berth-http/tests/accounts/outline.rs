//! What the description says, in lines that a review can read.

use std::fmt::Write;

use serde_json::Value;

fn kind(schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        return path.rsplit('/').next().unwrap_or_default().to_owned();
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(kinds) = schema[keyword].as_array() {
            return kinds.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(items));
    }
    let words = schema["type"].as_array().map_or(std::slice::from_ref(&schema["type"]), Vec::as_slice);
    let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
    let mut text = words.join(" or ");
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().filter_map(Value::as_str).collect();
        let _ = write!(text, " {}", values.join("|"));
    }
    text
}

fn outline(document: &Value) -> String {
    let mut text = String::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let _ = writeln!(
                text,
                "{} {path}  {}",
                method.to_uppercase(),
                operation["operationId"].as_str().unwrap()
            );
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names: Vec<_> = parameters
                .filter(|parameter| parameter["in"] == "query")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            if !names.is_empty() {
                let _ = writeln!(text, "    ? {}", names.join(" "));
            }
            if let Some(content) = operation["requestBody"]["content"].as_object() {
                let (media_type, body) = content.iter().next().unwrap();
                let _ = writeln!(text, "    < {media_type} {}", kind(&body["schema"]));
            }
            for (status, answer) in operation["responses"].as_object().unwrap() {
                if status.starts_with('2') {
                    let _ = writeln!(
                        text,
                        "    > {status} {}",
                        kind(&answer["content"]["application/json"]["schema"])
                    );
                }
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let _ = writeln!(text, "\n{name}: {}", kind(schema));
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let mark = if required.contains(&field.as_str().into()) { "" } else { "?" };
            let _ = writeln!(text, "    {field}{mark}: {}", kind(schema));
        }
    }
    text
}

#[test]
fn the_api_is_this() {
    insta::assert_snapshot!(outline(&berth_http::openapi()));
}
