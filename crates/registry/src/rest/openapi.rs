//! `/openapi.json`: what the registry answers, told to machines (OpenAPI 3.1). Owns the table of what may be asked; a test asks each row of it.

use crate::json::{Json, Object};

/// A method of a path.
struct Route {
    method: &'static str,
    path: &'static str,
    says: &'static str,
    /// Names of [`PARAMETERS`].
    query: &'static [&'static str],
    /// Of [`SCHEMAS`]; empty where nothing is sent.
    body: &'static str,
    /// Of [`SCHEMAS`]; empty where the answer is a schema's own text.
    answer: &'static str,
}

const fn get(
    path: &'static str,
    says: &'static str,
    query: &'static [&'static str],
    answer: &'static str,
) -> Route {
    Route { method: "get", path, says, query, body: "", answer }
}

const fn delete(
    path: &'static str,
    says: &'static str,
    query: &'static [&'static str],
    answer: &'static str,
) -> Route {
    Route { method: "delete", path, says, query, body: "", answer }
}

const fn post(
    path: &'static str,
    says: &'static str,
    query: &'static [&'static str],
    body: &'static str,
    answer: &'static str,
) -> Route {
    Route { method: "post", path, says, query, body, answer }
}

const fn put(
    path: &'static str,
    says: &'static str,
    query: &'static [&'static str],
    body: &'static str,
    answer: &'static str,
) -> Route {
    Route { method: "put", path, says, query, body, answer }
}

const ROUTES: [Route; 38] = [
    get("/", "Nothing: the registry is there", &[], "Nothing"),
    get(
        "/subjects",
        "Names of subjects",
        &["subjectPrefix", "deleted", "deletedOnly", "offset", "limit"],
        "Names",
    ),
    post(
        "/subjects/{subject}",
        "Where a schema stands in a subject",
        &["normalize", "deleted", "format"],
        "Schema",
        "Version",
    ),
    delete("/subjects/{subject}", "Deletes all its versions", &["permanent"], "Numbers"),
    get(
        "/subjects/{subject}/metadata",
        "Its newest version with these properties",
        &["key", "value", "format", "deleted"],
        "Version",
    ),
    get(
        "/subjects/{subject}/versions",
        "Its versions",
        &["deleted", "deletedOnly", "deletedAsNegative", "offset", "limit"],
        "Numbers",
    ),
    post(
        "/subjects/{subject}/versions",
        "Registers a schema",
        &["normalize", "format", "force"],
        "Schema",
        "Registered",
    ),
    get(
        "/subjects/{subject}/versions/{version}",
        "A version",
        &["format", "referenceFormat", "deleted"],
        "Version",
    ),
    get("/subjects/{subject}/versions/{version}/schema", "The text of a version", &["format", "deleted"], ""),
    get(
        "/subjects/{subject}/versions/{version}/referencedby",
        "Ids of what refers to it",
        &["deleted", "offset", "limit"],
        "Numbers",
    ),
    delete("/subjects/{subject}/versions/{version}", "Deletes a version", &["permanent"], "Number"),
    get(
        "/schemas",
        "All versions of all subjects",
        &["subjectPrefix", "deleted", "latestOnly", "offset", "limit"],
        "Versions",
    ),
    get("/schemas/types", "Languages of schemas", &[], "Names"),
    get(
        "/schemas/ids/{id}",
        "The schema of an id",
        &["subject", "format", "referenceFormat", "fetchMaxId"],
        "OfId",
    ),
    get("/schemas/ids/{id}/schema", "Its text", &["subject", "format"], ""),
    get(
        "/schemas/ids/{id}/subjects",
        "Subjects that have it",
        &["subject", "deleted", "offset", "limit"],
        "Names",
    ),
    get(
        "/schemas/ids/{id}/versions",
        "Versions that have it",
        &["subject", "deleted", "offset", "limit"],
        "Places",
    ),
    get("/schemas/guids/{guid}", "The schema of a GUID", &["format"], "OfId"),
    get("/schemas/guids/{guid}/ids", "Its ids in all contexts", &[], "ContextIds"),
    post(
        "/compatibility/subjects/{subject}/versions",
        "Whether a schema goes with those that the level names",
        &["normalize", "verbose"],
        "Schema",
        "Verdict",
    ),
    post(
        "/compatibility/subjects/{subject}/versions/{version}",
        "Whether a schema goes with a version",
        &["normalize", "verbose"],
        "Schema",
        "Verdict",
    ),
    get("/config", "What holds everywhere", &["defaultToGlobal"], "Config"),
    put("/config", "Sets what holds everywhere", &[], "ConfigChange", "ConfigChange"),
    delete("/config", "Takes away what was set", &[], "Config"),
    get("/config/{subject}", "What holds for a subject", &["defaultToGlobal"], "Config"),
    put("/config/{subject}", "Sets what holds for a subject", &[], "ConfigChange", "ConfigChange"),
    delete("/config/{subject}", "Takes away what was set", &[], "Config"),
    get("/mode", "Who may write", &["defaultToGlobal"], "Mode"),
    put("/mode", "Sets who may write", &["force"], "Mode", "Mode"),
    delete("/mode", "Takes away what was set", &["recursive"], "Mode"),
    get("/mode/{subject}", "Who may write to a subject", &["defaultToGlobal"], "Mode"),
    put("/mode/{subject}", "Sets who may write to a subject", &["force"], "Mode", "Mode"),
    delete("/mode/{subject}", "Takes away what was set", &["recursive"], "Mode"),
    get("/contexts", "Names of contexts", &["offset", "limit"], "Names"),
    delete("/contexts/{context}", "Deletes a context that is empty", &[], "Anything"),
    get("/v1/metadata/id", "The cluster under the registry", &[], "Anything"),
    get("/v1/metadata/version", "The registry's version", &[], "Anything"),
    get("/openapi.json", "This page", &[], "Anything"),
];

/// What stands in queries, and its type.
const PARAMETERS: [(&str, &str); 20] = [
    ("defaultToGlobal", "boolean"),
    ("deleted", "boolean"),
    ("deletedAsNegative", "boolean"),
    ("deletedOnly", "boolean"),
    ("fetchMaxId", "boolean"),
    ("force", "boolean"),
    ("format", "string"),
    ("key", "string"),
    ("latestOnly", "boolean"),
    ("limit", "integer"),
    ("normalize", "boolean"),
    ("offset", "integer"),
    ("permanent", "boolean"),
    ("recursive", "boolean"),
    ("referenceFormat", "string"),
    ("subject", "string"),
    ("subjectPrefix", "string"),
    ("value", "string"),
    ("verbose", "boolean"),
    ("version", "string"),
];

/// What is sent and answered. `Nothing` and `Anything` are objects whose members are of no interest.
const SCHEMAS: &str = r##"{
"Nothing": {"type": "object"},
"Anything": {},
"Name": {"type": "string"},
"Names": {"type": "array", "items": {"type": "string"}},
"Number": {"type": "integer"},
"Numbers": {"type": "array", "items": {"type": "integer"}},
"Error": {"type": "object", "required": ["error_code", "message"],
  "properties": {"error_code": {"type": "integer"}, "message": {"type": "string"}}},
"Reference": {"type": "object", "required": ["name", "subject", "version"], "properties": {
  "name": {"type": "string"}, "subject": {"type": "string"}, "version": {"type": "integer", "format": "int32"}}},
"Metadata": {"type": ["object", "null"], "properties": {
  "tags": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
  "properties": {"type": "object", "additionalProperties": {"type": "string"}},
  "sensitive": {"type": "array", "items": {"type": "string"}}}},
"Rule": {"type": "object", "required": ["name", "type"], "properties": {
  "name": {"type": "string"}, "doc": {"type": "string"}, "kind": {"enum": ["TRANSFORM", "CONDITION"]},
  "mode": {"enum": ["UPGRADE", "DOWNGRADE", "UPDOWN", "WRITE", "READ", "WRITEREAD"]}, "type": {"type": "string"},
  "tags": {"type": "array", "items": {"type": "string"}}, "params": {"type": "object", "additionalProperties": {"type": "string"}},
  "expr": {"type": "string"}, "onSuccess": {"type": "string"}, "onFailure": {"type": "string"}, "disabled": {"type": "boolean"}}},
"RuleSet": {"type": ["object", "null"], "properties": {
  "migrationRules": {"type": "array", "items": {"$ref": "#/components/schemas/Rule"}},
  "domainRules": {"type": "array", "items": {"$ref": "#/components/schemas/Rule"}},
  "encodingRules": {"type": "array", "items": {"$ref": "#/components/schemas/Rule"}}}},
"Schema": {"type": "object", "required": ["schema"], "properties": {
  "schema": {"type": "string"}, "schemaType": {"enum": ["AVRO", "JSON", "PROTOBUF"]},
  "references": {"type": "array", "items": {"$ref": "#/components/schemas/Reference"}},
  "metadata": {"$ref": "#/components/schemas/Metadata"}, "ruleSet": {"$ref": "#/components/schemas/RuleSet"},
  "id": {"type": "integer", "format": "int32"}, "version": {"type": "integer", "format": "int32"}},
  "example": {"schema": "\"string\""}},
"OfId": {"type": "object", "required": ["schema"], "properties": {
  "schema": {"type": "string"}, "schemaType": {"enum": ["JSON", "PROTOBUF"]}, "guid": {"type": "string"},
  "maxId": {"type": "integer"}}},
"Registered": {"type": "object", "required": ["id", "version", "guid", "schema"], "properties": {
  "id": {"type": "integer"}, "version": {"type": "integer"}, "guid": {"type": "string"}, "schema": {"type": "string"}}},
"Version": {"type": "object", "required": ["subject", "version", "id", "guid", "schema"], "properties": {
  "subject": {"type": "string"}, "version": {"type": "integer"}, "id": {"type": "integer"}, "guid": {"type": "string"},
  "schema": {"type": "string"}, "deleted": {"type": "boolean"}}},
"Versions": {"type": "array", "items": {"$ref": "#/components/schemas/Version"}},
"Places": {"type": "array", "items": {"type": "object", "required": ["subject", "version"], "properties": {
  "subject": {"type": "string"}, "version": {"type": "integer"}}}},
"ContextIds": {"type": "array", "items": {"type": "object"}},
"Verdict": {"type": "object", "required": ["is_compatible"], "properties": {
  "is_compatible": {"type": "boolean"}, "messages": {"type": "array", "items": {"type": "string"}}}},
"Level": {"enum": ["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]},
"Config": {"type": "object", "required": ["compatibilityLevel"], "properties": {
  "compatibilityLevel": {"$ref": "#/components/schemas/Level"}}},
"ConfigChange": {"type": "object", "properties": {
  "compatibility": {"$ref": "#/components/schemas/Level"}, "alias": {"type": "string"}, "normalize": {"type": "boolean"},
  "compatibilityPolicy": {"enum": ["STRICT", "LENIENT"]}, "compatibilityGroup": {"type": "string"},
  "defaultMetadata": {"$ref": "#/components/schemas/Metadata"}, "overrideMetadata": {"$ref": "#/components/schemas/Metadata"},
  "defaultRuleSet": {"$ref": "#/components/schemas/RuleSet"}, "overrideRuleSet": {"$ref": "#/components/schemas/RuleSet"}}},
"Mode": {"type": "object", "properties": {
  "mode": {"enum": ["READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD"]}}}
}"##;

const CONTENT: &str = "application/vnd.schemaregistry.v1+json";

const ABOUT: &str =
    "Each path but /contexts and /v1 may stand behind /contexts/{context}. A version is a number or latest.";

/// The page.
pub(super) fn page() -> Object {
    let info = object([
        ("title", "Schema registry".into()),
        ("description", ABOUT.into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
    ]);
    let mut paths: Vec<(&str, Object)> = Vec::new();
    for route in &ROUTES {
        let operation = operation(route);
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, methods)) => methods.push(route.method, operation),
            None => paths.push((route.path, object([(route.method, operation.into())]))),
        }
    }
    let paths: Object = paths.into_iter().map(|(path, methods)| (path.to_owned(), methods.into())).collect();
    // A constant, which a test reads.
    let schemas = Json::parse(SCHEMAS).unwrap_or(Json::Null);
    object([
        ("openapi", "3.1.0".into()),
        ("info", info.into()),
        ("paths", paths.into()),
        ("components", object([("schemas", schemas)]).into()),
    ])
}

fn operation(route: &Route) -> Object {
    let in_path = route.path.split(['{', '}']).skip(1).step_by(2);
    let in_path =
        in_path.map(|name| parameter(name, "path", if name == "id" { "integer" } else { "string" }));
    let kind =
        |name: &str| PARAMETERS.iter().find(|(known, _)| *known == name).map_or("string", |(_, kind)| kind);
    let in_query = route.query.iter().map(|name| parameter(name, "query", kind(name)));
    let parameters: Vec<Json> = in_path.chain(in_query).collect();
    let mut operation = object([("summary", route.says.into()), ("parameters", parameters.into())]);
    if !route.body.is_empty() {
        let body = object([("required", true.into()), ("content", content(route.body))]);
        operation.push("requestBody", body);
    }
    let mut fine = object([("description", "What was asked for".into())]);
    if !route.answer.is_empty() {
        fine.push("content", content(route.answer));
    }
    let mut answers = object([("200", fine.into())]);
    if route.path.starts_with("/contexts/") {
        answers.push("204", object([("description", "Done".into())]));
    }
    answers.push("default", object([("description", "A refusal".into()), ("content", content("Error"))]));
    operation.push("responses", answers);
    operation
}

fn parameter(name: &str, place: &str, kind: &str) -> Json {
    let mut schema = object([("type", kind.into())]);
    if place == "path" && kind == "string" {
        schema.push("minLength", 1);
    }
    let parameter = [("name", name.into()), ("in", place.into()), ("required", (place == "path").into())];
    let mut parameter = object(parameter);
    parameter.push("schema", schema);
    parameter.into()
}

fn content(schema: &str) -> Json {
    let reference = object([("$ref", format!("#/components/schemas/{schema}").into())]);
    object([(CONTENT, object([("schema", reference.into())]).into())]).into()
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Object {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Method, Request, Rules, answer, read_target};
    use super::*;
    use crate::access::Rights;
    use crate::state::State;

    /// None of them is a path or a method that the registry does not have.
    #[test]
    fn each_row_is_answered() {
        assert!(Json::parse(SCHEMAS).is_ok());
        let (state, rules) = (State::default(), Rules::default());
        for route in &ROUTES {
            let mut path = route.path.to_owned();
            for (name, value) in [
                ("subject", "s"),
                ("version", "1"),
                ("id", "1"),
                ("guid", "00000000-0000-0000-0000-000000000000"),
            ] {
                path = path.replace(&format!("{{{name}}}"), value);
            }
            let (segments, query) = read_target(&path.replace("{context}", ".c"), None);
            let method = match route.method {
                "get" => Method::Get,
                "post" => Method::Post,
                "put" => Method::Put,
                _delete => Method::Delete,
            };
            let body = b"{\"schema\":\"\\\"int\\\"\"}".to_vec();
            let request =
                Request { method, segments, query, body, takes_unknown: true, rights: Rights::default() };
            if let Err(refusal) = answer(&state, &rules, &request) {
                assert!(!matches!(refusal.code, 404 | 405), "{} {path}: {refusal:?}", route.method);
            }
            for name in route.query {
                assert!(PARAMETERS.iter().any(|(known, _)| known == name), "{name}");
            }
            for schema in [route.body, route.answer] {
                assert!(schema.is_empty() || SCHEMAS.contains(&format!("\n\"{schema}\":")), "{schema}");
            }
        }
    }
}
