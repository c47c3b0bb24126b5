//! The description of the management API: whole, well-formed, served to everybody, and of nothing that is not there.

use std::collections::BTreeSet;

use berth_registry::WithoutAccounts;
use serde_json::{Value, json};

use crate::conformance::{operation, resolve};
use crate::town::{Town, basic};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Every operation: path, method, and what is said of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((path.as_str(), method.as_str(), operation));
        }
    }
    found
}

/// Every value below a key, wherever it is.
fn all<'a>(key: &str, value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key));
            fields.values().for_each(|value| all(key, value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| all(key, item, found)),
        _ => {}
    }
}

/// A path with something in place of each parameter.
fn filled(path: &str) -> String {
    let digest = format!("sha256:{}", "0".repeat(64));
    let value = |piece: &str| match piece {
        "{repository}" => "acme/app".to_owned(),
        "{digest}" => digest.clone(),
        "{id}" => "999".to_owned(),
        piece if piece.starts_with('{') => "absent".to_owned(),
        piece => piece.to_owned(),
    };
    path.split('/').map(value).collect::<Vec<_>>().join("/")
}

#[test]
fn it_is_openapi_and_every_reference_leads_somewhere() {
    let document: &'static Value = Box::leak(Box::new(berth_http::openapi()));
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut references = Vec::new();
    all("$ref", document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let path = reference.as_str().unwrap().strip_prefix('#').expect("a place in this document");
        assert!(document.pointer(path).is_some(), "{path}");
    }
    let used = document.to_string();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(!name.ends_with(|c: char| c.is_ascii_digit()), "two types are called {name}");
        assert!(used.contains(&format!("\"#/components/schemas/{name}\"")), "nobody speaks of {name}");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let is_told = schema["description"].is_string() || resolve(schema)["description"].is_string();
            assert!(is_told, "nothing is told about {name}.{field}");
        }
    }
}

#[test]
fn every_operation_is_described_whole() {
    let document = berth_http::openapi();
    let tags: BTreeSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).map(Value::as_str).collect();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(!id.is_empty() && ids.insert(id), "{method} {path}: {id:?}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{id}");
        assert!(tags.contains(&operation["tags"][0].as_str()), "{id}");
        let parameters = operation["parameters"].as_array().unwrap();
        let declared: Vec<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let open: Vec<_> = path.split('/').filter(|piece| piece.starts_with('{')).collect();
        assert_eq!(declared, open, "{id}");
        let statuses: Vec<_> = operation["responses"].as_object().unwrap().keys().collect();
        assert_eq!(statuses.iter().filter(|status| status.starts_with('2')).count(), 1, "{id}");
    }
    assert!(ids.len() >= 55, "{} operations", ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_there_and_what_is_there_is_described() {
    let town = Town::new().await;
    let document = berth_http::openapi();
    let mut paths = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        paths.insert(filled(path));
        let target = format!("/api/v1{}", filled(path));
        let reply = town.ask(&method.to_uppercase(), &target, &basic("root-of-all"), b"").await;
        assert_ne!(reply.status, 405, "{}", operation["operationId"]);
        let nothing = b"there is nothing at this path";
        let is_nothing = reply.body.windows(nothing.len()).any(|part| part == nothing);
        assert!(reply.status == 200 || !is_nothing, "{}", operation["operationId"]);
    }
    for path in paths {
        let (described, others): (Vec<_>, Vec<_>) =
            METHODS.into_iter().partition(|method| operation(method, &path).is_some());
        let mut allowed: BTreeSet<_> = described.iter().map(|method| method.to_uppercase()).collect();
        if allowed.contains("GET") {
            allowed.insert("HEAD".to_owned());
        }
        for method in others.into_iter().chain(["options"]) {
            let target = format!("/api/v1{path}");
            let reply = town.ask(&method.to_uppercase(), &target, &basic("root-of-all"), b"").await;
            assert_eq!(reply.status, 405, "{method} {path}");
            let told: BTreeSet<_> = reply.header("allow").split(", ").map(str::to_owned).collect();
            assert_eq!(told, allowed, "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_read_it_even_before_there_is_an_account() {
    let (town, closed) = (Town::new().await, Town::empty(WithoutAccounts::Closed).await);
    for (town, authorization) in
        [(&town, ""), (&town, "Basic nonsense"), (&closed, ""), (&town, &basic("alice"))]
    {
        let reply = town.get("/api/v1/openapi.json", authorization).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
        assert_eq!(reply.json(), berth_http::openapi());
    }
    let tag = town.get("/api/v1/openapi.json", "").await.header("etag").to_owned();
    let known = town.send("GET", "/api/v1/openapi.json", &[("if-none-match", &tag)], b"").await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let posted = town.send("POST", "/api/v1/openapi.json", &[], b"").await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn what_a_client_must_send_and_what_it_gets_are_told_apart() {
    let schemas = &berth_http::openapi()["components"]["schemas"];
    assert_eq!(schemas["NewToken"]["required"], json!(["name", "actions"]));
    assert_eq!(schemas["NewToken"]["additionalProperties"], false);
    let given = schemas["Token"]["required"].as_array().unwrap();
    assert!(given.contains(&json!("expires_at")), "it may be null, but it is always there: {given:?}");
    let optional =
        &berth_http::openapi()["paths"]["/repositories/{repository}/-/tags/{tag}/rollback"]["post"];
    assert_eq!(optional["requestBody"]["required"], false);
}
