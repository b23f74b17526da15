//! Confluent's REST API as pure functions: a request and the state in, an answer out, and, of requests that write, the records to be
//! written before the answer may be given. Never touches sockets, topics or clocks; paths and codes are Confluent Platform 8's.

mod compatibility;
mod contexts;
mod delete;
mod lookup;
mod openapi;
mod register;
mod schemas;
mod settings;
#[cfg(test)]
mod tests;

use crate::access::{Operation, Rights};
use crate::formats::Level;
use crate::json::{Json, Object};
use crate::percent::percent_decoded;
use crate::records::Record;
use crate::state::State;
use crate::subject::{GLOBAL_CONTEXT, context_prefix, normalize};

/// How the registry answers where requests leave it open.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `schema.compatibility.level`: what holds where nothing is configured.
    pub level: Level,
    /// `mode.mutability`: whether modes may be changed at all.
    pub modes_may_change: bool,
    /// What `/v1/metadata/id` tells of the cluster under it.
    pub cluster_id: String,
    /// `schema.registry.group.id`.
    pub group_id: String,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            level: Level::default(),
            modes_may_change: true,
            cluster_id: String::new(),
            group_id: "schema-registry".to_owned(),
        }
    }
}

/// What is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Tell.
    Get,
    /// Tell, or register.
    Post,
    /// Set.
    Put,
    /// Take away.
    Delete,
}

/// A request, its path and query decoded.
#[derive(Debug, Clone)]
pub struct Request {
    /// HEAD is GET.
    pub method: Method,
    /// Without empty ones.
    pub segments: Vec<String>,
    /// In order.
    pub query: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
    /// `X-Confluent-Accept-Unknown-Properties`.
    pub takes_unknown: bool,
    /// What whoever asks may do.
    pub rights: Rights,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// 200, or 204 without a body.
    pub status: u16,
    /// JSON, or a schema as it is.
    pub body: Body,
}

/// What an answer holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// JSON.
    Json(Json),
    /// A schema's text.
    Text(String),
    /// Nothing.
    Empty,
}

/// A request that is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Confluent's code.
    pub code: u32,
    /// For people.
    pub message: String,
}

/// What a request comes to.
#[derive(Debug)]
pub struct Outcome {
    /// To be written first, in this order; of requests that only look there are none.
    pub records: Vec<Record>,
    /// Then the answer.
    pub reply: Reply,
}

pub(crate) type Answer = Result<Outcome, Refusal>;

impl Refusal {
    /// Codes are a status and two digits, or a status.
    pub fn new(code: u32, message: impl Into<String>) -> Refusal {
        let status = if code >= 10_000 { code / 100 } else { code };
        Refusal { status: u16::try_from(status).unwrap_or(500), code, message: message.into() }
    }

    /// Its body.
    pub fn json(&self) -> Json {
        let mut object = Object::new();
        object.push("error_code", i32::try_from(self.code).unwrap_or(500));
        object.push("message", self.message.as_str());
        object.into()
    }

    fn subject_not_found(subject: &str) -> Refusal {
        Refusal::new(40401, format!("Subject '{subject}' not found."))
    }

    fn version_not_found(version: i32) -> Refusal {
        Refusal::new(40402, format!("Version {version} not found."))
    }

    fn schema_not_found(what: Option<&str>) -> Refusal {
        Refusal::new(
            40403,
            what.map_or("Schema not found".to_owned(), |what| format!("Schema {what} not found")),
        )
    }

    fn invalid_schema(why: impl Into<String>) -> Refusal {
        Refusal::new(42201, why)
    }

    fn not_permitted(why: impl Into<String>) -> Refusal {
        Refusal::new(42205, why)
    }

    fn reference_exists(subject: &str, version: i32) -> Refusal {
        let why = format!(
            "One or more references exist to the schema {{magic=1,keytype=SCHEMA,subject={subject},version={version}}}."
        );
        Refusal::new(42206, why)
    }
}

/// 200 with JSON.
fn told(json: impl Into<Json>) -> Answer {
    Ok(Outcome { records: Vec::new(), reply: Reply { status: 200, body: Body::Json(json.into()) } })
}

/// 200 with JSON, once these are written.
fn written(records: Vec<Record>, json: impl Into<Json>) -> Answer {
    Ok(Outcome { records, reply: Reply { status: 200, body: Body::Json(json.into()) } })
}

/// 200 with a text.
fn text(text: String) -> Answer {
    Ok(Outcome { records: Vec::new(), reply: Reply { status: 200, body: Body::Text(text) } })
}

impl Request {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.query(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| Refusal::new(404, format!("HTTP 404 Not Found: {name} is no number")))
    }

    /// The page of a list that is asked for.
    fn page<T>(&self, all: impl Iterator<Item = T>) -> Result<Vec<T>, Refusal> {
        let offset = self.number("offset")?.unwrap_or(0).max(0);
        let limit = self.number("limit")?.filter(|limit| *limit > 0).unwrap_or(i64::MAX);
        let bounded = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(all.skip(bounded(offset)).take(bounded(limit)).collect())
    }

    /// The body, which is an object with no members but these.
    fn object(&self, known: &[&str]) -> Result<Object, Refusal> {
        let wrong = |why: String| Refusal::new(400, why);
        if self.body.is_empty() {
            return Err(Refusal::new(422, "The request has no body"));
        }
        let json =
            Json::parse_bytes(&self.body).map_err(|error| wrong(format!("The body is not JSON: {error}")))?;
        let Json::Object(object) = json else { return Err(wrong("The body is no JSON object".to_owned())) };
        let stranger = object.iter().find(|(name, _)| !known.contains(name)).map(|(name, _)| name.to_owned());
        match stranger {
            Some(name) if !self.takes_unknown => {
                Err(Refusal::new(422, format!("Unrecognized field: {name}")))
            }
            Some(_) | None => Ok(object),
        }
    }

    /// True where the answer may need records to be written: only the leader gives it.
    pub fn may_write(&self) -> bool {
        let path: Vec<&str> = self.path().1.iter().map(String::as_str).collect();
        match self.method {
            Method::Get => false,
            Method::Post => matches!(path.as_slice(), ["subjects", _, "versions"]),
            Method::Put | Method::Delete => true,
        }
    }

    /// The context that the path names, if any, and the rest of it.
    fn path(&self) -> (Option<&str>, &[String]) {
        match self.segments.as_slice() {
            [contexts, context, rest @ ..] if contexts == "contexts" && !rest.is_empty() => {
                (Some(context), rest)
            }
            all => (None, all),
        }
    }
}

/// Answers a request.
pub fn answer(state: &State, rules: &Rules, request: &Request) -> Answer {
    let (context, path) = request.path();
    let prefix = context
        .map(|name| {
            context_prefix(name)
                .ok_or_else(|| Refusal::new(400, format!("Context name '{name}' cannot contain a colon")))
        })
        .transpose()?;
    let at = At { state, rules, request, prefix };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method, path.as_slice()) {
        (Method::Get | Method::Post, []) => told(Object::new()),
        (method, ["subjects", rest @ ..]) => at.subjects(method, rest),
        (Method::Get, ["schemas", rest @ ..]) => at.schemas(rest),
        (Method::Post, ["compatibility", "subjects", subject, "versions"]) => at.compatibility(subject, None),
        (Method::Post, ["compatibility", "subjects", subject, "versions", version]) => {
            at.compatibility(subject, Some(version))
        }
        (method, ["config"]) => at.config(method, None),
        (method, ["config", subject]) => at.config(method, Some(subject)),
        (method, ["mode"]) => at.mode(method, None),
        (method, ["mode", subject]) => at.mode(method, Some(subject)),
        (Method::Get, ["contexts"]) => at.contexts(),
        (Method::Delete, ["contexts", context]) => at.delete_context(context),
        (Method::Get, ["v1", "metadata", what]) => at.metadata(what),
        (Method::Get, ["openapi.json"]) => told(openapi::page()),
        (_, path) => Err(not_found(path)),
    }
}

fn not_found(path: &[&str]) -> Refusal {
    const KNOWN: [&str; 8] =
        ["subjects", "schemas", "compatibility", "config", "mode", "contexts", "v1", "openapi.json"];
    match path.first() {
        Some(first) if KNOWN.contains(first) => Refusal::new(405, "HTTP 405 Method Not Allowed"),
        _other => Refusal::new(404, "HTTP 404 Not Found"),
    }
}

/// A request and what it is answered from.
pub(crate) struct At<'a> {
    state: &'a State,
    rules: &'a Rules,
    request: &'a Request,
    /// `:.ctx:` where the path names a context.
    prefix: Option<String>,
}

impl At<'_> {
    /// Refuses what whoever asks may not do to a subject, a context or, without one, the registry.
    fn allow(&self, operation: Operation, place: Option<&str>) -> Result<(), Refusal> {
        // What lies under all contexts is the registry's own.
        let place = place.filter(|place| !place.is_empty() && *place != GLOBAL_CONTEXT);
        if self.request.rights.may(operation, place) {
            return Ok(());
        }
        let whom = place.map_or("the registry".to_owned(), |place| format!("Subject: {place}"));
        Err(Refusal::new(40301, format!("User is denied operation {operation:?} on {whom}")))
    }

    /// Whether whoever asks may know that a subject is there.
    fn sees(&self, subject: &str) -> bool {
        self.request.rights.may(Operation::Describe, Some(subject))
    }

    fn subjects(&self, method: Method, rest: &[&str]) -> Answer {
        match (method, rest) {
            (Method::Get, []) => self.list_subjects(),
            (Method::Post, [subject]) => self.look_up(&self.aliased(subject)),
            (Method::Delete, [subject]) => self.delete_subject(&self.aliased(subject)),
            (Method::Get, [subject, "metadata"]) => self.latest_with_metadata(&self.aliased(subject)),
            (Method::Get, [subject, "versions"]) => self.list_versions(&self.aliased(subject)),
            (Method::Post, [subject, "versions"]) => self.register(&self.aliased(subject)),
            (Method::Get, [subject, "versions", version]) => {
                self.get_version(&self.aliased(subject), version)
            }
            (Method::Get, [subject, "versions", version, "schema"]) => {
                self.get_version_text(&self.aliased(subject), version)
            }
            (Method::Get, [subject, "versions", version, "referencedby"]) => {
                self.referenced_by(&self.aliased(subject), version)
            }
            (Method::Delete, [subject, "versions", version]) => {
                self.delete_version(&self.aliased(subject), version)
            }
            (_, rest) => Err(not_found(&[["subjects"].as_slice(), rest].concat())),
        }
    }

    /// A subject of the path: in the context of the path unless it names its own.
    fn subject(&self, name: &str) -> String {
        let within = self.prefix.as_ref().filter(|_| !name.starts_with(":."));
        normalize(&within.map_or_else(|| name.to_owned(), |prefix| format!("{prefix}{name}")))
    }

    /// The same where an alias leads to the subject that it stands for.
    fn aliased(&self, name: &str) -> String {
        let subject = self.subject(name);
        let alias =
            self.state.config(Some(&subject)).and_then(|config| config.get("alias")).and_then(Json::as_str);
        match alias.filter(|alias| !alias.is_empty() && !subject.is_empty()) {
            Some(alias) => crate::subject::Subject::parse(&subject).beside(alias).qualified(),
            None => subject,
        }
    }
}

/// A path and a query as they stand in a request line.
pub fn read_target(path: &str, query: Option<&str>) -> (Vec<String>, Vec<(String, String)>) {
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(percent_decoded).collect();
    let pairs = query.unwrap_or("").split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| percent_decoded(&text.replace('+', " "));
        (plain(name), plain(value))
    });
    (segments, pairs.collect())
}
