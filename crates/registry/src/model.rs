//! A registered schema and what belongs to it: references, metadata, rules, the GUID that follows from all of them; and modes. Reads
//! and writes their JSON in Confluent's order of members, which `_schemas` and the REST API share.

use crate::formats::{Parsed, SchemaType};
use crate::json::{Json, Object};
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// What a subject's version holds.
#[derive(Debug, Default)]
pub struct Schema {
    /// The qualified subject.
    pub subject: String,
    /// From 1.
    pub version: i32,
    /// One for each schema of a context.
    pub id: i32,
    /// Its language.
    pub schema_type: SchemaType,
    /// The schemas that it refers to.
    pub references: Vec<Reference>,
    /// Tags, properties and what of them is sensitive; in normal form.
    pub metadata: Option<Json>,
    /// Rules that clients carry out; in normal form.
    pub rule_set: Option<Json>,
    /// Its canonical text.
    pub text: String,
    /// Softly: still found by its id.
    pub deleted: bool,
    /// The parsed form of a schema without references, made when it is first needed.
    pub parsed: OnceLock<Result<Arc<Parsed>, String>>,
}

/// The fields without the memory of having been parsed.
impl Clone for Schema {
    fn clone(&self) -> Schema {
        Schema {
            subject: self.subject.clone(),
            version: self.version,
            id: self.id,
            schema_type: self.schema_type,
            references: self.references.clone(),
            metadata: self.metadata.clone(),
            rule_set: self.rule_set.clone(),
            text: self.text.clone(),
            deleted: self.deleted,
            parsed: OnceLock::new(),
        }
    }
}

/// A schema that another one uses, by subject and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// What the schema calls it.
    pub name: String,
    /// Where it is registered.
    pub subject: String,
    /// -1 is the latest; it is made exact when the schema is registered.
    pub version: i32,
}

/// MD5 of a schema with all that belongs to it.
pub type Guid = [u8; 16];

impl Schema {
    /// Its GUID, which is also how equal schemas are found.
    pub fn guid(&self) -> Guid {
        let mut hash = Md5::new();
        hash.update(self.text.as_bytes());
        for reference in &self.references {
            hash.update(reference.name.as_bytes());
            hash.update(reference.subject.as_bytes());
            hash.update(reference.version.to_be_bytes());
        }
        if let Some(metadata) = &self.metadata {
            hash.update([1]);
            hash_metadata(&mut hash, metadata);
        }
        if let Some(rule_set) = &self.rule_set {
            hash.update([1]);
            for kind in RULE_KINDS {
                for rule in rule_set.get(kind).and_then(Json::as_array).unwrap_or_default() {
                    hash_rule(&mut hash, rule);
                }
            }
            hash.update(text(rule_set, "enableAt").as_bytes());
        }
        hash.finalize().into()
    }

    /// The same schema, whatever subject, version and id it has.
    pub fn is_equal(&self, other: &Schema) -> bool {
        self.schema_type == other.schema_type
            && self.text == other.text
            && self.references == other.references
            && self.metadata == other.metadata
            && self.rule_set == other.rule_set
    }

    /// The members that every answer about a schema has behind its ids.
    pub fn push_body(&self, object: &mut Object) {
        if self.schema_type != SchemaType::Avro {
            object.push("schemaType", self.schema_type.name());
        }
        if !self.references.is_empty() {
            object.push("references", self.references.iter().map(Reference::json).collect::<Vec<_>>());
        }
        for (name, value) in [("metadata", &self.metadata), ("ruleSet", &self.rule_set)] {
            if let Some(value) = value {
                object.push(name, value.clone());
            }
        }
        object.push("schema", self.text.as_str());
    }

    /// The answer about a version.
    pub fn json(&self) -> Object {
        let mut object = Object::new();
        object.push("subject", self.subject.as_str());
        object.push("version", self.version);
        object.push("id", self.id);
        object.push("guid", guid_text(&self.guid()));
        self.push_body(&mut object);
        if self.deleted {
            object.push("deleted", true);
        }
        object
    }
}

impl Reference {
    /// As it stands in answers and in the topic.
    pub fn json(&self) -> Json {
        let mut object = Object::new();
        object.push("name", self.name.as_str());
        object.push("subject", self.subject.as_str());
        object.push("version", self.version);
        object.into()
    }

    /// From a request or the topic.
    pub fn read(json: &Json) -> Result<Reference, String> {
        let member = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        let version =
            json.get("version").and_then(Json::as_i64).and_then(|version| i32::try_from(version).ok());
        match (member("name"), member("subject"), version) {
            (Some(name), Some(subject), Some(version)) => Ok(Reference { name, subject, version }),
            _incomplete => Err(format!("a reference has a name, a subject and a version: {json}")),
        }
    }
}

fn text<'a>(json: &'a Json, member: &str) -> &'a str {
    json.get(member).and_then(Json::as_str).unwrap_or("")
}

fn hash_metadata(hash: &mut Md5, metadata: &Json) {
    for (tag, values) in metadata.get("tags").and_then(Json::as_object).into_iter().flat_map(Object::iter) {
        hash.update(tag.as_bytes());
        for value in values.as_array().unwrap_or_default() {
            hash.update(value.as_str().unwrap_or("").as_bytes());
        }
    }
    for (name, value) in
        metadata.get("properties").and_then(Json::as_object).into_iter().flat_map(Object::iter)
    {
        hash.update(name.as_bytes());
        hash.update(value.as_str().unwrap_or("").as_bytes());
    }
    for name in metadata.get("sensitive").and_then(Json::as_array).unwrap_or_default() {
        hash.update(name.as_str().unwrap_or("").as_bytes());
    }
}

fn hash_rule(hash: &mut Md5, rule: &Json) {
    for member in ["name", "doc", "kind", "mode", "type"] {
        hash.update(text(rule, member).as_bytes());
    }
    for tag in rule.get("tags").and_then(Json::as_array).unwrap_or_default() {
        hash.update(tag.as_str().unwrap_or("").as_bytes());
    }
    for (name, value) in rule.get("params").and_then(Json::as_object).into_iter().flat_map(Object::iter) {
        hash.update(name.as_bytes());
        hash.update(value.as_str().unwrap_or("").as_bytes());
    }
    for member in ["expr", "onSuccess", "onFailure"] {
        hash.update(text(rule, member).as_bytes());
    }
    if rule.get("disabled") == Some(&Json::Bool(true)) {
        hash.update([1]);
    }
}

/// A GUID as UUIDs are written.
pub fn guid_text(guid: &Guid) -> String {
    let hex: String = guid.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A GUID from its text, with or without hyphens.
pub fn guid_of(text: &str) -> Option<Guid> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut guid = [0; 16];
    for (byte, pair) in guid.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(guid)
}

/// The lists of a rule set, in the order in which they are stored and hashed.
pub const RULE_KINDS: [&str; 3] = ["migrationRules", "domainRules", "encodingRules"];

/// Metadata in normal form: names sorted, values that are none left out. `Ok(None)` for null.
pub fn metadata_of(json: Option<&Json>) -> Result<Option<Json>, String> {
    let Some(json) = json.filter(|json| **json != Json::Null) else { return Ok(None) };
    let members = json.as_object().ok_or_else(|| format!("metadata are no object: {json}"))?;
    let mut normal = Object::new();
    if let Some(tags) = members.get("tags").and_then(Json::as_object) {
        let mut all = BTreeMap::new();
        for (name, values) in tags.iter() {
            let values =
                values.as_array().ok_or_else(|| format!("the values of tag {name:?} are no array"))?;
            let values: BTreeSet<String> =
                values.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            all.insert(name.to_owned(), Json::from(values.into_iter().collect::<Vec<_>>()));
        }
        normal.push("tags", all.into_iter().collect::<Object>());
    }
    if let Some(properties) = members.get("properties").and_then(Json::as_object) {
        normal.push("properties", text_map(properties)?);
    }
    if let Some(names) = members.get("sensitive").and_then(Json::as_array) {
        let names: BTreeSet<String> = names.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        normal.push("sensitive", names.into_iter().collect::<Vec<_>>());
    }
    let normal =
        normal.iter().filter(|(_, value)| !is_empty(value)).map(|(n, v)| (n.to_owned(), v.clone())).collect();
    Ok(Some(Json::Object(normal)))
}

fn is_empty(json: &Json) -> bool {
    json.as_object().is_some_and(Object::is_empty) || json.as_array().is_some_and(<[Json]>::is_empty)
}

fn text_map(members: &Object) -> Result<Object, String> {
    let mut all = BTreeMap::new();
    for (name, value) in members.iter() {
        let value = match value {
            Json::String(text) => text.clone(),
            Json::Number(_) | Json::Bool(_) => value.to_string(),
            other => return Err(format!("the value of {name:?} is no string: {other}")),
        };
        all.insert(name.to_owned(), Json::from(value));
    }
    Ok(all.into_iter().collect())
}

/// Rules in normal form, their names, kinds and modes checked.
pub fn rule_set_of(json: Option<&Json>) -> Result<Option<Json>, String> {
    let Some(json) = json.filter(|json| **json != Json::Null) else { return Ok(None) };
    let mut normal = Object::new();
    for kind in RULE_KINDS {
        let Some(rules) = json.get(kind).filter(|rules| **rules != Json::Null) else { continue };
        let listed = rules.as_array().ok_or_else(|| format!("{kind} is no array"))?;
        let mut names = BTreeSet::new();
        let mut all = Vec::with_capacity(listed.len());
        for rule in listed {
            let rule = rule_of(rule)?;
            if !names.insert(text(&rule, "name").to_owned()) {
                return Err(format!("Found rule with duplicate name '{}'", text(&rule, "name")));
            }
            all.push(rule);
        }
        if !all.is_empty() {
            normal.push(kind, all);
        }
    }
    if let Some(at) = json.get("enableAt").filter(|at| **at != Json::Null) {
        normal.push("enableAt", at.clone());
    }
    Ok(Some(normal.into()))
}

fn rule_of(json: &Json) -> Result<Json, String> {
    let members = json.as_object().ok_or_else(|| format!("a rule is no object: {json}"))?;
    let name = text(json, "name");
    let valid = name.chars().all(|letter| letter.is_alphanumeric() || "_-".contains(letter))
        && name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
        && name.len() <= 64;
    if !valid {
        return Err(format!(
            "Rule name '{name}' is not a name: a letter, then letters, digits, - or _, 64 at most"
        ));
    }
    let one_of = |member: &str, allowed: &[&str]| match text(json, member) {
        "" => Ok(allowed[0].to_owned()),
        word if allowed.contains(&word) => Ok(word.to_owned()),
        word => Err(format!("rule '{name}': {member} {word:?} is none of {}", allowed.join(", "))),
    };
    let mut normal = Object::new();
    normal.push("name", name);
    for member in ["doc"] {
        if let Some(value) = members.get(member).and_then(Json::as_str) {
            normal.push(member, value);
        }
    }
    normal.push("kind", one_of("kind", &["TRANSFORM", "CONDITION"])?);
    normal.push("mode", one_of("mode", &["WRITEREAD", "WRITE", "READ", "UPGRADE", "DOWNGRADE", "UPDOWN"])?);
    if text(json, "type").is_empty() {
        return Err(format!("rule '{name}' has no type"));
    }
    normal.push("type", text(json, "type"));
    if let Some(tags) = members.get("tags").and_then(Json::as_array).filter(|tags| !tags.is_empty()) {
        let tags: BTreeSet<String> = tags.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        normal.push("tags", tags.into_iter().collect::<Vec<_>>());
    }
    if let Some(params) = members.get("params").and_then(Json::as_object).filter(|params| !params.is_empty())
    {
        normal.push("params", text_map(params)?);
    }
    for member in ["expr", "onSuccess", "onFailure"] {
        if let Some(value) = members.get(member).and_then(Json::as_str) {
            normal.push(member, value);
        }
    }
    normal.push("disabled", members.get("disabled").and_then(Json::as_bool).unwrap_or(false));
    Ok(normal.into())
}

/// What a subject, a context or the registry takes at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Everything.
    #[default]
    ReadWrite,
    /// Nothing new.
    ReadOnly,
    /// Nothing new, whatever subjects say.
    ReadOnlyOverride,
    /// Schemas with ids and versions of another registry, and no others.
    Import,
    /// What an exporter forwards.
    Forward,
}

impl Mode {
    const ALL: [(Mode, &'static str); 5] = [
        (Mode::ReadWrite, "READWRITE"),
        (Mode::ReadOnly, "READONLY"),
        (Mode::ReadOnlyOverride, "READONLY_OVERRIDE"),
        (Mode::Import, "IMPORT"),
        (Mode::Forward, "FORWARD"),
    ];

    /// The mode of this name, in any case.
    pub fn of(name: &str) -> Option<Mode> {
        Mode::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(mode, _)| *mode)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Mode::ALL.iter().find(|(mode, _)| *mode == self).map_or("", |(_, name)| name)
    }

    /// Whether schemas come with their ids.
    pub fn takes_ids(self) -> bool {
        matches!(self, Mode::Import | Mode::Forward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_confluents() {
        // MD5 of the text alone, as Confluent computes it without references, metadata and rules.
        let schema = Schema { text: "\"string\"".to_owned(), ..Schema::default() };
        assert_eq!(guid_text(&schema.guid()).replace('-', ""), {
            let digest = Md5::digest(b"\"string\"");
            digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        });
        let text = guid_text(&schema.guid());
        assert_eq!(guid_of(&text), Some(schema.guid()));
        assert_eq!(guid_of(&text.replace('-', "")), Some(schema.guid()));
        assert_eq!(guid_of("x"), None);
        let referring = Schema {
            references: vec![Reference { name: "n".to_owned(), subject: "s".to_owned(), version: 1 }],
            ..schema.clone()
        };
        let digest: Guid = Md5::digest(b"\"string\"ns\0\0\0\x01").into();
        assert_eq!(referring.guid(), digest);
        let described = Schema {
            metadata: metadata_of(Some(
                &Json::parse(r#"{"properties":{"b":"2","a":"1"},"sensitive":["b"]}"#).expect("JSON"),
            ))
            .expect("metadata"),
            ..schema
        };
        let digest: Guid = Md5::digest(b"\"string\"\x01a1b2b").into();
        assert_eq!(described.guid(), digest);
    }

    #[test]
    fn rules_are_checked_and_put_in_order() {
        let parse = |text| rule_set_of(Some(&Json::parse(text).expect("JSON")));
        let taken = parse(
            r#"{"domainRules":[{"type":"CEL","name":"r","expr":"true","kind":"CONDITION","mode":"WRITE"}]}"#,
        );
        assert_eq!(
            taken.expect("rules").expect("some").to_string(),
            r#"{"domainRules":[{"name":"r","kind":"CONDITION","mode":"WRITE","type":"CEL","expr":"true","disabled":false}]}"#
        );
        for wrong in [
            r#"{"domainRules":[{"name":"r"}]}"#,
            r#"{"domainRules":[{"name":"1","type":"CEL"}]}"#,
            r#"{"domainRules":[{"name":"r","type":"CEL","kind":"X"}]}"#,
            r#"{"domainRules":[{"name":"r","type":"CEL"},{"name":"r","type":"CEL"}]}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
