//! The description of the API (OpenAPI 3.1), from the table of operations.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{Method, StatusCode};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Operation, Taken};
use super::parameter::{self, Parameter};
use super::problem::{Document, PROBLEM};
use super::{BASE, DOCUMENT, PARTS};

/// Where the description holds schemas.
const SCHEMAS: &str = "/components/schemas";

/// What everybody has to know first.
const INTRODUCTION: &str = "\
Accounts, rights, settings of repositories, the life of images and mirrors of other registries. Images themselves are \
pushed and pulled by the OCI distribution API at `/v2/`.

**Who asks.** HTTP Basic with a name and a password, or with an access token in place of the password. Without credentials \
the answer is that to a stranger. What one may not see answers as what is not there.

**Errors** are problems (RFC 9457): `status`, and a sentence in `detail`. Fields of a body that are not known are errors.

**Pages.** Lists that can grow come in pages of `limit` entries. `next` says where the next page begins: send it as `after` \
(as `before` where the newest come first). It is null on the last page.

**Dry runs.** `dry_run=true` does all of it and undoes it: the answer says what would happen.

**Entity tags.** Every 200 to GET has an `ETag`; with it in `If-None-Match` the answer is 304 while nothing changed. With it in \
`If-Match`, a change only happens if GET of the same path, without a query, still gives what was read; else the answer is \
412.

**Pages of other sites** may read nothing and change nothing: there are no CORS headers, and a request with another site's \
`Origin` is refused.";

static OPENAPI: LazyLock<Value> = LazyLock::new(describe);

/// The description of the management API (OpenAPI 3.1), as it is served at `/api/v1/openapi.json`.
pub fn openapi() -> Value {
    OPENAPI.clone()
}

/// The same as text. It is made once: whoever asks without a name must not make us work.
pub(super) fn text() -> Bytes {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| OPENAPI.to_string().into());
    TEXT.clone()
}

/// One generator for what is taken and one for what is given: a field with a default may be left out by a client, and
/// never is by us.
struct Schemas {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

fn describe() -> Value {
    let settings = || {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
        settings
    };
    let mut schemas = Schemas {
        taken: settings().for_deserialize().into_generator(),
        given: settings().for_serialize().into_generator(),
    };
    let problem = schemas.given.subschema_for::<Document<'_>>();
    let mut paths = Map::new();
    for (part, _, operations) in &*PARTS {
        for operation in operations {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method.as_str().to_lowercase()] = described(operation, part, &mut schemas);
        }
    }
    paths.insert(DOCUMENT.to_owned(), json!({ "get": own_operation() }));
    let mut components = schemas.taken.take_definitions(true);
    components.extend(schemas.given.take_definitions(true));
    let tags = PARTS.iter().map(|(name, description, _)| json!({ "name": name, "description": description }));
    let tags: Vec<_> =
        tags.chain([json!({ "name": "Description", "description": "This document." })]).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Berth",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The management API of a container registry",
            "description": INTRODUCTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": BASE, "description": "This server" }],
        "security": [{ "basic": [] }, { "bearer": [] }, { "session": [] }, {}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": { "Problem": problem_answer(&problem.to_value()) },
            "parameters": preconditions(),
            "headers": { "ETag": {
                "description": "The entity tag of the answer.",
                "schema": { "type": "string" },
            } },
            "securitySchemes": security_schemes(),
        },
    })
}

fn described(operation: &Operation, part: &str, schemas: &mut Schemas) -> Value {
    let mut parameters: Vec<_> = path_parameters(operation.path).collect();
    parameters.extend(operation.parameters.iter().copied().map(query_parameter));
    let precondition = if operation.method == Method::GET { "IfNoneMatch" } else { "IfMatch" };
    parameters.push(json!({ "$ref": format!("#/components/parameters/{precondition}") }));
    let mut document = json!({
        "operationId": operation.id,
        "tags": [part],
        "summary": operation.summary,
        "parameters": parameters,
        "responses": answers(operation, schemas),
    });
    if !operation.description.is_empty() {
        document["description"] = operation.description.into();
    }
    match operation.takes {
        Taken::Nothing => {}
        Taken::Text => {
            let text = json!({ "text/plain": { "schema": { "type": "string" } } });
            document["requestBody"] = json!({ "required": true, "content": text });
        }
        Taken::Json(schema) => {
            let (schema, is_required) = body(schema, &mut schemas.taken);
            let content = json!({ "application/json": { "schema": schema } });
            document["requestBody"] = json!({ "required": is_required, "content": content });
        }
    }
    document
}

/// The schema of a body, and whether it has to be there: it may be left out if all of its fields may.
fn body(
    schema: fn(&mut SchemaGenerator) -> schemars::Schema,
    generator: &mut SchemaGenerator,
) -> (Value, bool) {
    let schema = schema(generator).to_value();
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let has_required = |schema: &Value| schema["required"].as_array().is_some_and(|names| !names.is_empty());
    let is_required = generator.definitions().get(name).is_some_and(has_required);
    (schema, is_required)
}

fn path_parameters(path: &'static str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|piece| piece.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let (description, schema) =
            parameter::part(name).unwrap_or_else(|| panic!("nothing is told about {{{name}}}"));
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
    })
}

fn query_parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": parameter.schema(),
    })
}

fn answers(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut answers = Map::new();
    let mut success =
        json!({ "description": operation.gives.status.canonical_reason().unwrap_or("Success") });
    if let Some(schema) = operation.gives.schema {
        success["content"] = json!({ "application/json": { "schema": schema(&mut schemas.given) } });
    }
    if operation.method == Method::GET {
        success["headers"] = json!({ "ETag": { "$ref": "#/components/headers/ETag" } });
        answers.insert(
            "304".to_owned(),
            json!({ "description": "Nothing changed since the answer with that tag." }),
        );
    }
    answers.insert(operation.gives.status.as_str().to_owned(), success);
    for (status, when) in problems(operation) {
        let answer = json!({ "$ref": "#/components/responses/Problem", "description": when });
        answers.insert(status.as_str().to_owned(), answer);
    }
    answers.into()
}

/// The problems that an operation can end with, and when.
fn problems(operation: &Operation) -> Vec<(StatusCode, String)> {
    let changes = operation.method != Method::GET;
    let takes_body = !matches!(operation.takes, Taken::Nothing);
    let mut problems = vec![
        (StatusCode::BAD_REQUEST, "Something in the request cannot be read; `detail` says what."),
        (StatusCode::UNAUTHORIZED, "The credentials are not taken, or there are none."),
        (StatusCode::FORBIDDEN, "The caller may not do this."),
        (StatusCode::NOT_FOUND, "There is no such thing, for this caller."),
        (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many wrong credentials, or too much at once; `Retry-After` says when.",
        ),
        (StatusCode::INTERNAL_SERVER_ERROR, "The server failed; its log says why."),
        (StatusCode::SERVICE_UNAVAILABLE, "The server is busy, or not set up yet."),
    ];
    if changes {
        problems
            .push((StatusCode::PRECONDITION_FAILED, "`If-Match` does not hold: changed since it was read."));
    }
    if changes || takes_body {
        problems.push((StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."));
    }
    if matches!(operation.takes, Taken::Json(_)) {
        problems
            .push((StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is said to be something else than JSON."));
    }
    let mut problems: Vec<_> = problems.into_iter().map(|(status, when)| (status, when.to_owned())).collect();
    problems.extend(operation.conflict.map(|when| (StatusCode::CONFLICT, format!("Not now: {when}."))));
    problems
}

fn problem_answer(schema: &Value) -> Value {
    json!({
        "description": "What went wrong, and what to do.",
        "content": { (PROBLEM): { "schema": schema, "example": {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "there is nothing at this path",
        } } },
    })
}

fn preconditions() -> Value {
    let header = |name: &str, description: &str| {
        json!({
            "name": name,
            "in": "header",
            "required": false,
            "description": description,
            "schema": { "type": "string" },
        })
    };
    json!({
        "IfNoneMatch": header("If-None-Match", "The `ETag` of an answer that the caller has: 304 if it still holds."),
        "IfMatch": header(
            "If-Match",
            "The `ETag` of GET of the same path: 412 if that answers something else by now, or nothing.",
        ),
    })
}

fn security_schemes() -> Value {
    json!({
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "A name with its password, or any name with an access token as the password.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `/token`, as registry clients use it. It pulls, pushes and deletes within its \
                            scope, and administers nothing.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "berth",
            "description": "The session of somebody who signed in on the page of this server, for requests of that page. Over \
                            HTTPS the cookie has a prefix in its name.",
        },
    })
}

/// The description of the description: it answers before anybody is asked for a name.
fn own_operation() -> Value {
    json!({
        "operationId": "getDescription",
        "tags": ["Description"],
        "summary": "This document",
        "description": "For everybody.",
        "security": [],
        "parameters": [{ "$ref": "#/components/parameters/IfNoneMatch" }],
        "responses": {
            "200": {
                "description": "The description of this API, in OpenAPI 3.1.",
                "headers": { "ETag": { "$ref": "#/components/headers/ETag" } },
                "content": { "application/json": { "schema": { "type": "object" } } },
            },
            "304": { "description": "Nothing changed since the answer with that tag." },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{PARTS, openapi};

    #[test]
    fn no_operation_hides_another() {
        let n_operations: usize = PARTS.iter().map(|(_, _, operations)| operations.len()).sum();
        let document = openapi();
        let paths = document["paths"].as_object().expect("paths are an object").values();
        let n_described: usize = paths.map(|item| item.as_object().map_or(0, |item| item.len())).sum();
        assert_eq!(n_described, n_operations + 1, "the description describes itself too");
    }
}
