//! The API, explained from its own description (OpenAPI).

use askama::Template;
use serde_json::Value;

use super::Call;
use crate::layout::Layout;
use crate::markdown;
use crate::reply::{self, Done};

/// The methods, in the order in which people think of them.
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];
/// How deep a schema is drawn.
const DEEPEST: usize = 4;

struct Group {
    name: String,
    about: String,
    operations: Vec<Operation>,
}

struct Operation {
    method: &'static str,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    body: Option<String>,
    answers: Vec<(String, String, Option<String>)>,
    command: String,
}

struct Parameter {
    name: String,
    place: String,
    about: String,
    is_required: bool,
}

#[derive(Template)]
#[template(path = "explorer.html")]
struct Explorer {
    l: Layout,
    about: String,
    groups: Vec<Group>,
}

pub(super) fn answer(call: Call<'_>) -> Done {
    let document = &call.web.options.api;
    let server = document["servers"][0]["url"].as_str().unwrap_or_default();
    let base = format!("{}{}{server}", call.visit.base, call.web.options.root);
    let about = markdown::render(&text(&document["info"], "description"));
    reply::page(&Explorer { l: call.layout(), about, groups: groups(document, &base) })
}

/// The operations by their first tag, in the order of the document.
fn groups(document: &Value, base: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for tag in document["tags"].as_array().into_iter().flatten() {
        groups.push(Group {
            name: text(tag, "name"),
            about: markdown::render(&text(tag, "description")),
            operations: Vec::new(),
        });
    }
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(found) = item.get(method) else { continue };
            let name = found["tags"][0].as_str().unwrap_or("API");
            let operation = operation(document, base, path, method, item, found);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(operation),
                None => groups.push(Group {
                    name: name.to_owned(),
                    about: String::new(),
                    operations: vec![operation],
                }),
            }
        }
    }
    groups.retain(|group| !group.operations.is_empty());
    groups
}

fn operation(
    document: &Value,
    base: &str,
    path: &str,
    method: &'static str,
    item: &Value,
    found: &Value,
) -> Operation {
    let both = item["parameters"].as_array().into_iter().flatten();
    let parameters = both.chain(found["parameters"].as_array().into_iter().flatten());
    let parameter = |parameter: &Value| {
        let parameter = resolved(document, parameter);
        Parameter {
            name: text(parameter, "name"),
            place: text(parameter, "in"),
            about: text(parameter, "description"),
            is_required: parameter["required"].as_bool().unwrap_or_default(),
        }
    };
    let body = schema_of(document, resolved(document, &found["requestBody"]));
    let answers = found["responses"].as_object().into_iter().flatten().map(|(status, answer)| {
        let answer = resolved(document, answer);
        let shown = if status.starts_with('2') { schema_of(document, answer) } else { None };
        (status.clone(), text(answer, "description"), shown)
    });
    let data = if body.is_some() { " -H 'Content-Type: application/json' -d @body.json" } else { "" };
    Operation {
        command: format!("curl -u NAME -X {}{data} '{base}{path}'", method.to_uppercase()),
        method,
        path: path.to_owned(),
        summary: text(found, "summary"),
        description: markdown::render(&text(found, "description")),
        parameters: parameters.map(parameter).collect(),
        body,
        answers: answers.collect(),
    }
}

/// What a reference within the document leads to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(&Value::Null),
        None => value,
    }
}

/// The JSON that a request or an answer holds, as an outline.
fn schema_of(document: &Value, holder: &Value) -> Option<String> {
    let schema = holder["content"].as_object()?.values().next()?.get("schema")?;
    let mut out = String::new();
    outline(document, schema, 0, &mut out);
    Some(out)
}

fn outline(document: &Value, schema: &Value, depth: usize, out: &mut String) {
    let schema = resolved(document, schema);
    if let Some(properties) = schema["properties"].as_object().filter(|_| depth < DEEPEST) {
        let required: Vec<_> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        out.push_str("{\n");
        for (name, property) in properties {
            let mark = if required.contains(&name.as_str()) { "" } else { "?" };
            out.push_str(&format!("{}\"{name}\"{mark}: ", "  ".repeat(depth + 1)));
            outline(document, property, depth + 1, out);
            let about = text(resolved(document, property), "description");
            if !about.is_empty() {
                out.push_str(&format!("   // {}", about.replace('\n', " ")));
            }
            out.push('\n');
        }
        out.push_str(&format!("{}}}", "  ".repeat(depth)));
    } else if schema.get("items").is_some() {
        out.push_str("[ ");
        outline(document, &schema["items"], depth, out);
        out.push_str(" ]");
    } else if let Some(some) = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema[*key].as_array()) {
        let real = some.iter().filter(|schema| schema["type"] != "null");
        for (n, schema) in real.enumerate() {
            out.push_str(if n > 0 { " | " } else { "" });
            outline(document, schema, depth, out);
        }
    } else {
        out.push_str(&kind(schema));
    }
}

fn kind(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | "),
        _ => "any".to_owned(),
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::groups;

    #[test]
    fn a_description_becomes_something_to_read() {
        let document = json!({
            "tags": [{ "name": "tags", "description": "Tags" }, { "name": "empty" }],
            "paths": { "/api/v1/tags": {
                "parameters": [{ "$ref": "#/components/parameters/limit" }],
                "get": { "tags": ["tags"], "summary": "List", "responses": {
                    "200": { "description": "OK", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Tags" } } } },
                    "404": { "description": "None" },
                } },
                "post": { "requestBody": { "content": { "application/json": { "schema": { "type": "string" } } } }, "responses": {} },
            } },
            "components": {
                "parameters": { "limit": { "name": "limit", "in": "query", "description": "Entries" } },
                "schemas": { "Tags": { "type": "object", "required": ["tags"], "properties": {
                    "tags": { "type": "array", "items": { "type": "string" } },
                    "next": { "type": ["string", "null"], "description": "Goes on" },
                    "self": { "$ref": "#/components/schemas/Tags" },
                } } },
            },
        });
        let groups = groups(&document, "http://localhost:5000");
        assert_eq!(groups.len(), 2, "a group without operations is not shown");
        let list = &groups[0].operations[0];
        assert_eq!((list.parameters[0].name.as_str(), list.answers.len()), ("limit", 2));
        let shown = list.answers[0].2.as_deref().unwrap_or_default();
        assert!(
            shown.contains("\"tags\": [ string ]") && shown.contains("\"next\"?: string | null   // Goes on"),
            "{shown}"
        );
        assert!(shown.matches("\"self\"").count() <= super::DEEPEST, "a schema may hold itself");
        assert_eq!(groups[1].operations[0].body.as_deref(), Some("string"));
        assert!(super::groups(&serde_json::Value::Null, "").is_empty());
    }
}
