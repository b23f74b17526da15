//! A client of Confluent's REST API, as Confluent's own registry, ours, Karapace, Apicurio and Redpanda speak it. Owns addresses, credentials and the
//! spelling of paths; blocks its thread; keeps nothing of what it was told.

use crate::formats::{Referred, SchemaType};
use crate::json::{Json, Object};
use crate::percent::{percent_decoded, percent_encoded};
use net::http::{self, Request, Url};
use net::tls::ClientTls;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Of an answer: lists of everything that a registry holds are long.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// References within references at most.
const REFERENCES_DEEP_MAX: usize = 32;

/// Schemas that one refers to, all in all; the registry's own bound.
const REFERENCES_MAX: usize = 1_000;

const CONTENT: &str = "application/vnd.schemaregistry.v1+json";

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The registry answered, and it was no yes.
    Refused {
        /// Of HTTP.
        status: u16,
        /// The registry's own, such as 40401; the status where it tells none.
        code: i64,
        /// In its words.
        message: String,
    },
    /// Nobody answered, or not in time.
    Unreachable(String),
    /// What answers is no registry, or says what nobody understands.
    Malformed(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Refused { code, message, .. } => write!(f, "{message} ({code})"),
            Fault::Unreachable(why) | Fault::Malformed(why) => f.write_str(why),
        }
    }
}

impl Fault {
    /// The subject, version, schema or setting does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Fault::Refused { status: 404, .. })
    }
}

/// Result of asking.
pub type Result<T> = std::result::Result<T, Fault>;

/// Where registries are and how to ask them.
#[derive(Clone)]
pub struct Registry {
    /// Of one cluster of registries: the first that can be reached is asked.
    urls: Vec<Url>,
    authorization: Option<String>,
    tls: Option<Arc<ClientTls>>,
    timeout: Duration,
}

impl fmt::Debug for Registry {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({:?})", self.urls)
    }
}

/// A reference of one schema to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// What the schema calls it.
    pub name: String,
    /// Where it is registered.
    pub subject: String,
    /// -1 is the latest.
    pub version: i64,
}

/// A schema as it is registered, or shall be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Definition {
    /// Its language.
    pub schema_type: SchemaType,
    /// Its text.
    pub text: String,
    /// What it refers to.
    pub references: Vec<Reference>,
}

/// What a registry says of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The schema.
    pub definition: Definition,
    /// Its id, where the answer tells it.
    pub id: Option<i32>,
    /// Its GUID, where the registry has such.
    pub guid: Option<[u8; 16]>,
    /// Where it stands.
    pub subject: Option<String>,
    /// As which version.
    pub version: Option<i64>,
    /// The whole answer.
    pub answer: Json,
}

impl Registry {
    /// `addresses`: one or more URLs with commas between; `NAME:PASSWORD@` may stand in front of a host. `user_info` is `NAME:PASSWORD`, and wins over what
    /// stands in a URL. `tls` opens the terms of connections where a URL asks for them.
    pub fn new(
        addresses: &str,
        user_info: Option<&str>,
        tls: impl Fn() -> std::result::Result<Arc<ClientTls>, String>,
        timeout: Duration,
    ) -> std::result::Result<Registry, String> {
        let mut urls = Vec::new();
        let mut credentials = user_info.map(str::to_owned);
        for address in addresses.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            let (bare, own) = without_credentials(address);
            credentials = credentials.or(own);
            urls.push(Url::parse(&bare)?);
        }
        if urls.is_empty() {
            return Err("no URL was given".to_owned());
        }
        let tls = if urls.iter().any(Url::is_tls) { Some(tls()?) } else { None };
        let basic = |pair: String| format!("Basic {}", wire::base64::STANDARD.encode(pair.as_bytes()));
        Ok(Registry { urls, authorization: credentials.map(basic), tls, timeout })
    }

    /// The first of its addresses, for people.
    pub fn address(&self) -> String {
        self.urls.first().map_or_else(String::new, |url| format!("{url:?}"))
    }

    /// Asks, and reads the answer as JSON. `path` is escaped and begins with a slash.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Json>) -> Result<Json> {
        let body = body.map(Json::to_string);
        let request = Request {
            method,
            body: body.as_deref().map(|body| (CONTENT, body)),
            accept: "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json; q=0.9, application/json; q=0.5",
            authorization: self.authorization.as_deref(),
            timeout: self.timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let mut unreachable = String::new();
        for url in &self.urls {
            match http::send(&url.below(path), self.tls.as_deref(), &request) {
                Ok(reply) => return read(url, &reply),
                Err(why) => unreachable = why,
            }
        }
        Err(Fault::Unreachable(unreachable))
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Json> {
        self.ask("GET", path, None)
    }

    /// A version of a subject; `latest` or a number. Those that were deleted softly, too.
    pub fn version(&self, subject: &str, version: &str, deleted: bool) -> Result<Registered> {
        let deleted = if deleted { "?deleted=true" } else { "" };
        let path = format!("/subjects/{}/versions/{version}{deleted}", percent_encoded(subject));
        Registered::of(self.get(&path)?)
    }

    /// The schema of an id.
    pub fn by_id(&self, id: i32) -> Result<Registered> {
        let mut found = Registered::of(self.get(&format!("/schemas/ids/{id}"))?)?;
        found.id = Some(id);
        Ok(found)
    }

    /// The schema of a GUID.
    pub fn by_guid(&self, guid: [u8; 16]) -> Result<Registered> {
        let mut found = Registered::of(self.get(&format!("/schemas/guids/{}", guid_text(guid)))?)?;
        found.guid = Some(guid);
        Ok(found)
    }

    /// Registers a schema, or finds that it is registered already.
    pub fn register(&self, subject: &str, definition: &Definition, normalize: bool) -> Result<Registered> {
        let path = format!("/subjects/{}/versions{}", percent_encoded(subject), normalized(normalize));
        let answer = self.ask("POST", &path, Some(&definition.to_json()))?;
        Registered::answering(definition, answer)
    }

    /// Where a schema stands in a subject.
    pub fn look_up(&self, subject: &str, definition: &Definition, normalize: bool) -> Result<Registered> {
        let path = format!("/subjects/{}{}", percent_encoded(subject), normalized(normalize));
        let answer = self.ask("POST", &path, Some(&definition.to_json()))?;
        Registered::answering(definition, answer)
    }

    /// Texts of everything that a schema refers to, each after those that it needs itself.
    pub fn resolve(&self, references: &[Reference]) -> Result<Vec<Referred>> {
        let mut found = Vec::new();
        self.gather(references, 0, &mut found)?;
        Ok(found)
    }

    fn gather(&self, references: &[Reference], depth: usize, found: &mut Vec<Referred>) -> Result<()> {
        for reference in references {
            if found.iter().any(|one| one.name == reference.name) {
                continue;
            }
            if depth == REFERENCES_DEEP_MAX || found.len() >= REFERENCES_MAX {
                return Err(Fault::Malformed(format!(
                    "{} is one reference too many: {REFERENCES_MAX} in all and {REFERENCES_DEEP_MAX} deep at most",
                    reference.name
                )));
            }
            let version =
                if reference.version < 0 { "latest".to_owned() } else { reference.version.to_string() };
            let one = self.version(&reference.subject, &version, true)?;
            self.gather(&one.definition.references, depth + 1, found)?;
            found.push(Referred { name: reference.name.clone(), text: one.definition.text });
        }
        Ok(())
    }
}

fn normalized(normalize: bool) -> &'static str {
    if normalize { "?normalize=true" } else { "" }
}

/// `scheme://name:password@host` without what stands before the `@`, and that.
fn without_credentials(address: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = address.split_once("://") else { return (address.to_owned(), None) };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((pair, host)) => (format!("{scheme}://{host}{path}"), Some(percent_decoded(pair))),
        None => (address.to_owned(), None),
    }
}

fn read(url: &Url, reply: &http::Reply) -> Result<Json> {
    let json = Json::parse_bytes(&reply.body);
    if (200..300).contains(&reply.status) {
        return match json {
            Ok(json) => Ok(json),
            Err(_) if reply.body.is_empty() => Ok(Json::Null),
            Err(why) => Err(Fault::Malformed(format!("{url:?} answers with what is no JSON: {why}"))),
        };
    }
    let json = json.unwrap_or(Json::Null);
    let code = json.get("error_code").and_then(Json::as_i64).unwrap_or(i64::from(reply.status));
    let message = json.get("message").and_then(Json::as_str).filter(|message| !message.is_empty());
    let message = message.map_or_else(|| format!("{url:?} answers {}", reply.status), bounded);
    Err(Fault::Refused { status: reply.status, code, message })
}

/// A registry's words, at a length that a person reads, without what would steer a terminal.
fn bounded(message: &str) -> String {
    message.chars().take(2_000).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

impl Definition {
    /// As bodies of requests have it.
    pub fn to_json(&self) -> Json {
        let mut body = Object::new();
        body.push("schema", self.text.as_str());
        if self.schema_type != SchemaType::Avro {
            body.push("schemaType", self.schema_type.name());
        }
        if !self.references.is_empty() {
            let one = |reference: &Reference| {
                let mut object = Object::new();
                object.push("name", reference.name.as_str());
                object.push("subject", reference.subject.as_str());
                object.push("version", Json::Number(reference.version.to_string()));
                Json::Object(object)
            };
            body.push("references", Json::Array(self.references.iter().map(one).collect()));
        }
        Json::Object(body)
    }
}

impl Registered {
    /// From an answer that holds the schema.
    pub fn of(answer: Json) -> Result<Registered> {
        let strange = |what: &str| Fault::Malformed(format!("the registry tells of a schema {what}"));
        let text = answer.get("schema").and_then(Json::as_str).ok_or_else(|| strange("without its text"))?;
        let name = answer.get("schemaType").and_then(Json::as_str).unwrap_or_default();
        let schema_type = SchemaType::of(name).ok_or_else(|| strange("of a type that nobody knows"))?;
        let mut references = Vec::new();
        for one in answer.get("references").and_then(Json::as_array).unwrap_or_default() {
            let text = |member: &str| one.get(member).and_then(Json::as_str).map(str::to_owned);
            let version = one.get("version").and_then(Json::as_i64);
            let (Some(name), Some(subject), Some(version)) = (text("name"), text("subject"), version) else {
                return Err(strange("with a reference to nothing"));
            };
            references.push(Reference { name, subject, version });
        }
        let definition = Definition { schema_type, text: text.to_owned(), references };
        Registered::answering(&definition, answer)
    }

    /// From an answer to somebody who has the schema.
    fn answering(definition: &Definition, answer: Json) -> Result<Registered> {
        let id = match answer.get("id") {
            None => None,
            Some(id) => {
                let number = id.as_i64().and_then(|id| i32::try_from(id).ok());
                Some(number.ok_or_else(|| Fault::Malformed(format!("the registry tells the id {id}")))?)
            }
        };
        Ok(Registered {
            definition: definition.clone(),
            id,
            guid: answer.get("guid").and_then(Json::as_str).and_then(guid_of),
            subject: answer.get("subject").and_then(Json::as_str).map(str::to_owned),
            version: answer.get("version").and_then(Json::as_i64),
            answer,
        })
    }
}

/// A GUID as it is written.
pub fn guid_text(guid: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in guid.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// And as it is read.
pub fn guid_of(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut guid = [0; 16];
    if digits.len() != 32 || text.len() != 36 {
        return None;
    }
    for (byte, pair) in guid.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(guid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let open = |addresses: &str, user_info| {
            let no_tls = || Err("there is no TLS".to_owned());
            Registry::new(addresses, user_info, no_tls, Duration::from_secs(1))
                .map(|registry| (registry.urls.len(), registry.authorization))
        };
        assert_eq!(open("http://a:8081, http://b:8081/x", None), Ok((2, None)));
        let basic = Some("Basic YTpiQGM=".to_owned());
        assert_eq!(open("http://a:b%40c@h:1", None), Ok((1, basic.clone())));
        assert_eq!(open("http://x:y@h:1", Some("a:b@c")), Ok((1, basic)));
        assert_eq!(open("https://h", None), Err("there is no TLS".to_owned()));
        assert!(open("", None).is_err() && open("h:8081", None).is_err());
    }

    #[test]
    fn guids_are_written_and_read() {
        let text = "00010203-0405-0607-0809-0a0b0c0d0eff";
        assert_eq!(guid_of(text).map(guid_text).as_deref(), Some(text));
        assert!(
            ["", "0001", "00010203-0405-0607-0809-0a0b0c0d0efg"].iter().all(|bad| guid_of(bad).is_none())
        );
    }

    #[test]
    fn answers_that_nobody_understands_are_faults() {
        for bad in [
            "{}",
            r#"{"schema":1}"#,
            r#"{"schema":"x","schemaType":"XML"}"#,
            r#"{"schema":"x","id":99999999999}"#,
            r#"{"schema":"x","references":[{"name":"a"}]}"#,
        ] {
            let fault = Registered::of(Json::parse(bad).expect(bad)).expect_err(bad);
            assert!(matches!(fault, Fault::Malformed(_)), "{bad}: {fault}");
        }
        let url = Url::parse("http://h:1").expect("a URL");
        let refused = |status, body: &str| {
            read(&url, &http::Reply { status, body: body.as_bytes().to_vec() })
                .expect_err("it is no yes")
                .to_string()
        };
        assert_eq!(refused(404, r#"{"error_code":40401,"message":"Subject\nnone"}"#), "Subject none (40401)");
        assert_eq!(refused(500, "<html>"), "h:1 answers 500 (500)");
        assert!(refused(200, "<html>").contains("no JSON"));
    }
}
