//! Registration and the lookup of a schema by what it says: what is stored, which id and version it gets, what is inherited from the
//! version before and from configuration.

use super::{Answer, At, Refusal, told, written};
use crate::access::Operation;
use crate::formats::{Parsed, SchemaType};
use crate::json::{Json, Object};
use crate::model::{Mode, RULE_KINDS, Reference, Schema, guid_text, metadata_of, rule_set_of};
use crate::records::Record;
use crate::subject::{DEFAULT_CONTEXT, Subject, is_valid};
use std::sync::Arc;

/// Members of a request that names a schema.
const MEMBERS: [&str; 12] = [
    "subject",
    "version",
    "id",
    "guid",
    "schemaType",
    "references",
    "metadata",
    "ruleSet",
    "schema",
    "schemaTagsToAdd",
    "schemaTagsToRemove",
    "propagateSchemaTags",
];

/// A version's number, kept where clients cannot lose it.
const CONFLUENT_VERSION: &str = "confluent:version";

/// A schema that a request holds: not parsed, not registered.
pub(super) struct Asked {
    pub schema: Schema,
    /// 0 where none is asked for, -1 for the next one.
    pub version: i32,
    /// -1 where none is asked for.
    pub id: i32,
}

impl At<'_> {
    /// The schema of the body.
    pub(super) fn asked(&self, subject: &str) -> Result<Asked, Refusal> {
        let object = self.request.object(&MEMBERS)?;
        let number = |name: &str, default: i32| match object.get(name) {
            None | Some(Json::Null) => Ok(default),
            Some(value) => value
                .as_i64()
                .and_then(|number| i32::try_from(number).ok())
                .ok_or_else(|| Refusal::new(400, format!("{name} is no number: {value}"))),
        };
        let kind = match object.get("schemaType") {
            None | Some(Json::Null) => "",
            Some(value) => value.as_str().ok_or_else(|| Refusal::new(400, "schemaType is no string"))?,
        };
        let schema_type = SchemaType::of(kind).ok_or_else(|| {
            Refusal::invalid_schema(format!("Invalid schema type {kind}: none of AVRO, JSON, PROTOBUF"))
        })?;
        let text = match object.get("schema") {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => text.clone(),
            Some(other) => return Err(Refusal::new(400, format!("schema is no string: {other}"))),
        };
        let references = match object.get("references") {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Array(all)) => {
                all.iter().map(Reference::read).collect::<Result<_, _>>().map_err(Refusal::invalid_schema)?
            }
            Some(other) => return Err(Refusal::new(400, format!("references are no array: {other}"))),
        };
        if ["schemaTagsToAdd", "schemaTagsToRemove"]
            .iter()
            .any(|name| object.get(name).is_some_and(|tags| *tags != Json::Null))
        {
            return Err(Refusal::new(
                422,
                "schemaTagsToAdd and schemaTagsToRemove are not supported: put the tags into the schema",
            ));
        }
        let schema = Schema {
            subject: subject.to_owned(),
            schema_type,
            references,
            metadata: metadata_of(object.get("metadata")).map_err(Refusal::invalid_schema)?,
            rule_set: rule_set_of(object.get("ruleSet")).map_err(|why| Refusal::new(42210, why))?,
            text,
            ..Schema::default()
        };
        Ok(Asked { schema, version: number("version", 0)?, id: number("id", -1)? })
    }

    fn normalizes(&self, subject: &str) -> bool {
        let configured = self.state.config_in_scope(Some(subject)).and_then(|config| config.get("normalize"));
        self.request.flag("normalize") || configured.and_then(Json::as_bool) == Some(true)
    }

    /// Parses, and puts the canonical text and exact references in the place of what was sent.
    pub(super) fn canonical(&self, schema: &mut Schema, new: bool) -> Result<Arc<Parsed>, Refusal> {
        let invalid = |why: String| {
            let (kind, text) = (schema.schema_type.name(), shortened(&schema.text));
            Refusal::invalid_schema(format!(
                "Invalid schema {{subject={},schemaType={kind},schema={text}}}, details: {why}",
                schema.subject
            ))
        };
        if schema.text.trim().is_empty() {
            return Err(Refusal::invalid_schema("Empty schema"));
        }
        // What is referred to can be had out of the answer.
        let place = Subject::parse(&schema.subject);
        for reference in &schema.references {
            self.allow(Operation::Read, Some(&place.beside(&reference.subject).qualified()))?;
        }
        let referred = self.referred(&schema.subject, &schema.references).map_err(invalid)?;
        let parsed = Parsed::parse(schema.schema_type, &schema.text, &referred, new).map_err(invalid)?;
        let normal = self.normalizes(&schema.subject);
        let (text, parsed) = if normal {
            let text = parsed.normalized();
            let parsed = Parsed::parse(schema.schema_type, &text, &referred, false).map_err(invalid)?;
            (text, parsed)
        } else {
            (parsed.canonical(), parsed)
        };
        schema.text = text;
        let parent = Subject::parse(&schema.subject);
        for reference in schema.references.iter_mut().filter(|reference| reference.version == -1) {
            let latest = self.state.latest(&parent.beside(&reference.subject).qualified());
            reference.version = latest.map_or(-1, |schema| schema.version);
        }
        if normal {
            schema.references.sort();
            schema.references.dedup();
        }
        Ok(Arc::new(parsed))
    }

    /// Metadata and rules: what the request has or the version before had, between the defaults and the overrides of configuration.
    fn inherit(
        &self,
        schema: &mut Schema,
        previous: Option<&Schema>,
        new_version: Option<i32>,
        asked_version: i32,
    ) {
        let config = self.state.config_in_scope(Some(&schema.subject));
        let set = |name: &str| config.and_then(|config| config.get(name));
        let own = schema.metadata.clone().or_else(|| previous.and_then(|previous| previous.metadata.clone()));
        let mut metadata =
            merged(set("defaultMetadata"), own.as_ref(), set("overrideMetadata"), merge_metadata);
        let carries = property(metadata.as_ref(), CONFLUENT_VERSION).is_some();
        if let Some(version) = new_version.filter(|_| asked_version != 0 || carries) {
            let said =
                Json::parse(&format!("{{\"properties\":{{\"{CONFLUENT_VERSION}\":\"{version}\"}}}}")).ok();
            metadata = merged(metadata.as_ref(), said.as_ref(), None, merge_metadata);
        }
        let own = schema.rule_set.clone().or_else(|| previous.and_then(|previous| previous.rule_set.clone()));
        let rules = merged(set("defaultRuleSet"), own.as_ref(), set("overrideRuleSet"), merge_rules);
        if metadata.is_some() || rules.is_some() {
            schema.metadata = metadata;
            schema.rule_set = rules;
        }
    }

    pub(super) fn register(&self, subject: &str) -> Answer {
        if !is_valid(subject) {
            return Err(Refusal::new(42208, format!("The specified subject '{subject}' is not a valid.")));
        }
        self.allow(Operation::Write, Some(subject))?;
        let Asked { mut schema, version, mut id } = self.asked(subject)?;
        let mode = self.may_register(subject, id)?;
        let context = Subject::parse(subject).context;
        let next =
            self.state.versions(subject).next_back().map_or(1, |schema| schema.version.saturating_add(1));
        let previous = self.state.latest(subject);
        if !mode.takes_ids() {
            if schema.text.trim().is_empty()
                && let Some(previous) = previous
            {
                schema.text.clone_from(&previous.text);
                schema.schema_type = previous.schema_type;
                schema.references.clone_from(&previous.references);
            }
            self.inherit(&mut schema, previous.map(|one| &**one), Some(next), version);
        }
        let parsed = self.canonical(&mut schema, id < 0)?;
        // The same schema, whether here or elsewhere in the context.
        let known = self.state.id_of(&context, &schema.guid()).filter(|known| id < 0 || id == *known);
        if let Some(known) = known {
            let here =
                self.state.by_id(&context, known).filter(|one| one.subject == subject && !one.deleted).last();
            if let Some(here) = here.filter(|_| version == 0) {
                return told(registered(here));
            }
            id = known;
        }
        if version == 0 {
            let same = |one: &&Arc<Schema>| !one.deleted && (id < 0 || id == one.id) && is_same(one, &schema);
            if let Some(here) = self.state.versions(subject).rev().find(same) {
                return told(registered(here));
            }
        }
        if !mode.takes_ids() && !self.request.flag("force") {
            let earlier: Vec<&Arc<Schema>> =
                self.state.versions(subject).filter(|one| !one.deleted).collect();
            let reasons = self.reasons(&schema, &parsed, &earlier);
            if !reasons.is_empty() {
                let why = format!(
                    "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{}]",
                    reasons.join(", ")
                );
                return Err(Refusal::new(40901, why));
            }
        }
        schema.version = if version > 0 { version } else { next };
        if version > 0 && version != next && !mode.takes_ids() {
            return Err(Refusal::invalid_schema("Version is not one more than previous version"));
        }
        self.store(schema, id, &context)
    }

    /// The records of a version that is new, and the answer.
    fn store(&self, mut schema: Schema, id: i32, context: &str) -> Answer {
        if id >= 0 {
            let other = self.state.by_id(context, id).next();
            if other.is_some_and(|other| !other.is_equal(&schema)) {
                let why = format!(
                    "Overwrite new schema with id {id} in context {} is not permitted.",
                    Subject::parse(&schema.subject).prefix()
                );
                return Err(Refusal::not_permitted(why));
            }
            schema.id = id;
        } else {
            schema.id = self
                .state
                .last_id(context)
                .checked_add(1)
                .ok_or_else(|| Refusal::new(50001, "all ids are used"))?;
        }
        let mut records = Vec::new();
        if context != DEFAULT_CONTEXT && !self.state.is_declared(context) {
            records.push(Record::context(context, true));
        }
        // Of one schema a subject keeps one version, unless somebody refers to an old one.
        for old in self.state.versions(&schema.subject).filter(|old| old.deleted && old.id == schema.id) {
            let referred = self.state.referrers(&old.subject, old.version, true).next().is_some();
            if old.version < schema.version && !referred {
                records.push(Record::forget(&old.subject, old.version));
            }
        }
        records.push(Record::schema(&schema));
        written(records, registered(&schema))
    }

    /// The mode of the subject, if it lets schemas in with this id or without one.
    fn may_register(&self, subject: &str, id: i32) -> Result<Mode, Refusal> {
        let mode = self.state.mode_in_scope(Some(subject));
        let context = Subject::parse(subject).prefix();
        let refused =
            |why| Err(Refusal::not_permitted(format!("Subject {subject} in context {context} is {why}")));
        match mode {
            Mode::ReadOnly | Mode::ReadOnlyOverride => refused("in read-only mode"),
            Mode::ReadWrite if id >= 0 => refused("not in import mode"),
            Mode::Import | Mode::Forward if id < 0 => refused("not in read-write mode"),
            Mode::ReadWrite | Mode::Import | Mode::Forward => Ok(mode),
        }
    }

    /// Refuses where nothing may be written.
    pub(super) fn may_write(&self, subject: &str) -> Result<(), Refusal> {
        match self.state.mode_in_scope(Some(subject)) {
            Mode::ReadOnly | Mode::ReadOnlyOverride => {
                let context = Subject::parse(subject).prefix();
                Err(Refusal::not_permitted(format!(
                    "Subject {subject} in context {context} is in read-only mode"
                )))
            }
            Mode::ReadWrite | Mode::Import | Mode::Forward => Ok(()),
        }
    }

    /// The version of a subject that says the same as the body.
    pub(super) fn look_up(&self, subject: &str) -> Answer {
        self.allow(Operation::Read, Some(subject))?;
        let deleted = self.request.flag("deleted");
        let elsewhere = || {
            self.state.contexts().any(|context| {
                let name = Subject::parse(subject);
                let other = Subject { context: context.to_owned(), name: name.name.clone() }.qualified();
                name.context == DEFAULT_CONTEXT && self.state.has_subject(&other, deleted)
            })
        };
        if !self.state.has_subject(subject, deleted) && !elsewhere() {
            return Err(Refusal::subject_not_found(subject));
        }
        let asked = self.asked(subject)?.schema;
        let found = self.look_up_in(subject, &asked, deleted)?;
        let found = found.or_else(|| {
            let plain = Subject::parse(subject);
            let others = self
                .state
                .contexts()
                .filter(|context| *context != plain.context && plain.context == DEFAULT_CONTEXT);
            others.into_iter().find_map(|context| {
                let other = Subject { context: context.to_owned(), name: plain.name.clone() }.qualified();
                if !self.reads(&other) {
                    return None;
                }
                let asked = Schema { subject: other.clone(), ..asked.clone() };
                self.look_up_in(&other, &asked, deleted).ok().flatten()
            })
        });
        let schema = found.ok_or_else(|| Refusal::schema_not_found(None))?;
        told(self.formatted(schema)?.json())
    }

    fn look_up_in(
        &self,
        subject: &str,
        asked: &Schema,
        deleted: bool,
    ) -> Result<Option<&Arc<Schema>>, Refusal> {
        let mut schema = asked.clone();
        self.canonical(&mut schema, false)?;
        let find = |schema: &Schema| {
            self.state.versions(subject).rev().find(|one| (deleted || !one.deleted) && is_same(one, schema))
        };
        if let Some(found) = find(&schema) {
            return Ok(Some(found));
        }
        let Some(previous) = self.state.latest(subject) else { return Ok(None) };
        self.inherit(&mut schema, Some(previous), None, 0);
        Ok(find(&schema))
    }
}

/// The same schema, whatever version it carries in its metadata.
fn is_same(one: &Schema, other: &Schema) -> bool {
    let metadata = |schema: &Schema| without_version(schema.metadata.as_ref());
    one.schema_type == other.schema_type
        && one.text == other.text
        && one.references == other.references
        && one.rule_set == other.rule_set
        && metadata(one) == metadata(other)
}

fn without_version(metadata: Option<&Json>) -> Option<Json> {
    let members = metadata?.as_object()?;
    let kept: Object = members
        .iter()
        .filter_map(|(name, value)| match (name, value) {
            ("properties", Json::Object(all)) => {
                let rest: Object = all
                    .iter()
                    .filter(|(name, _)| *name != CONFLUENT_VERSION)
                    .map(|(name, value)| (name.to_owned(), value.clone()))
                    .collect();
                (!rest.is_empty()).then(|| (name.to_owned(), Json::from(rest)))
            }
            (name, value) => Some((name.to_owned(), value.clone())),
        })
        .collect();
    (!kept.is_empty()).then(|| kept.into())
}

/// A property of metadata.
pub(super) fn property<'a>(metadata: Option<&'a Json>, name: &str) -> Option<&'a str> {
    metadata?.get("properties")?.get(name)?.as_str()
}

fn registered(schema: &Schema) -> Object {
    let mut object = Object::new();
    object.push("id", schema.id);
    object.push("version", schema.version);
    object.push("guid", guid_text(&schema.guid()));
    schema.push_body(&mut object);
    object
}

/// As much of a text as a message needs.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn merged(
    default: Option<&Json>,
    own: Option<&Json>,
    last: Option<&Json>,
    merge: fn(&Json, &Json) -> Json,
) -> Option<Json> {
    [default, own, last]
        .into_iter()
        .flatten()
        .filter(|one| **one != Json::Null)
        .cloned()
        .reduce(|one, other| merge(&one, &other))
}

/// The second one's values win.
fn merge_metadata(one: &Json, other: &Json) -> Json {
    let mut merged = Object::new();
    for part in ["tags", "properties"] {
        let members = |json: &Json| json.get(part).and_then(Json::as_object).cloned().unwrap_or_default();
        let (first, second) = (members(one), members(other));
        let all = first.iter().chain(second.iter()).map(|(name, value)| (name.to_owned(), value.clone()));
        let all: Object = all.collect();
        if !all.is_empty() {
            merged.push(part, all);
        }
    }
    let names = |json: &Json| json.get("sensitive").and_then(Json::as_array).unwrap_or_default().to_vec();
    let sensitive = [names(one), names(other)].concat();
    if !sensitive.is_empty() {
        merged.push("sensitive", Json::Array(sensitive));
    }
    // In normal form again; it was that before, so it cannot fail.
    metadata_of(Some(&merged.into())).ok().flatten().unwrap_or(Json::Null)
}

/// Rules by name; the second one's take the place of the first one's.
fn merge_rules(one: &Json, other: &Json) -> Json {
    let mut merged = Object::new();
    for kind in RULE_KINDS {
        let rules = |json: &Json| json.get(kind).and_then(Json::as_array).unwrap_or_default().to_vec();
        let second = rules(other);
        let replaced = |rule: &Json| second.iter().any(|later| later.get("name") == rule.get("name"));
        let mut all: Vec<Json> = rules(one).into_iter().filter(|rule| !replaced(rule)).collect();
        all.extend(second.iter().cloned());
        if !all.is_empty() {
            merged.push(kind, all);
        }
    }
    if let Some(at) = other.get("enableAt").or_else(|| one.get("enableAt")) {
        merged.push("enableAt", at.clone());
    }
    merged.into()
}
