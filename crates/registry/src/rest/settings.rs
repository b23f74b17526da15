//! Configuration and modes: of a subject, a context, everything.

use super::{Answer, At, Method, Refusal, told, written};
use crate::access::Operation;
use crate::formats::Level;
use crate::json::{Json, Object};
use crate::model::{Mode, metadata_of, rule_set_of};
use crate::records::Record;
use crate::subject::{GLOBAL_CONTEXT, Subject, is_valid_for_settings};

/// Members of configuration, in the order in which they are stored. The level has another name in requests.
const CONFIG: [&str; 13] = [
    "alias",
    "aliasForDeks",
    "normalize",
    "validateFields",
    "validateNewSchemas",
    "validateRules",
    LEVEL,
    "compatibilityPolicy",
    "compatibilityGroup",
    "defaultMetadata",
    "overrideMetadata",
    "defaultRuleSet",
    "overrideRuleSet",
];
const LEVEL: &str = "compatibilityLevel";
const LEVEL_IN_REQUESTS: &str = "compatibility";

impl At<'_> {
    /// The place that a path names: `None` is everything.
    fn place(&self, subject: Option<&str>) -> Option<String> {
        let place = match (subject, &self.prefix) {
            (Some(name), _) => self.subject(name),
            (None, Some(prefix)) => prefix.clone(),
            (None, None) => String::new(),
        };
        Some(place).filter(|place| !Subject::parse(place).is_default_context())
    }

    fn valid_place(&self, subject: Option<&str>) -> Result<Option<String>, Refusal> {
        let place = self.place(subject);
        match &place {
            Some(name) if !is_valid_for_settings(name) => {
                Err(Refusal::new(42208, format!("The specified subject '{name}' is not a valid.")))
            }
            _valid => Ok(place),
        }
    }

    pub(super) fn config(&self, method: Method, subject: Option<&str>) -> Answer {
        let place = self.place(subject);
        let place = place.as_deref();
        self.allow(settings_operation(method), place)?;
        match method {
            Method::Get => {
                let in_scope = self.request.flag("defaultToGlobal");
                let found =
                    if in_scope { self.state.config_in_scope(place) } else { self.state.config(place) };
                match (found, place) {
                    (Some(config), _) => told(self.with_level(config)),
                    (None, None | Some(GLOBAL_CONTEXT)) => told(self.with_level(&Object::new())),
                    (None, Some(_)) if in_scope => told(self.with_level(&Object::new())),
                    (None, Some(place)) => {
                        let why =
                            format!("Subject '{place}' does not have subject-level compatibility configured");
                        Err(Refusal::new(40408, why))
                    }
                }
            }
            Method::Put => self.put_config(subject),
            Method::Delete => {
                let config = match (self.state.config(place), place) {
                    (Some(config), _) => self.with_level(config),
                    (None, None) => self.with_level(&Object::new()),
                    (None, Some(place)) => return Err(Refusal::subject_not_found(place)),
                };
                self.may_write(place.unwrap_or(""))?;
                written(vec![Record::config(place, None)], config)
            }
            Method::Post => Err(Refusal::new(405, "HTTP 405 Method Not Allowed")),
        }
    }

    /// Configuration without a level has that of the registry.
    fn with_level(&self, config: &Object) -> Object {
        let level = config.get(LEVEL).cloned().unwrap_or_else(|| self.rules.level.name().into());
        ordered(config, &Object::from_iter([(LEVEL.to_owned(), level)]))
    }

    fn put_config(&self, subject: Option<&str>) -> Answer {
        let place = self.valid_place(subject)?;
        let known = [CONFIG.as_slice(), &[LEVEL_IN_REQUESTS]].concat();
        let body = self.request.object(&known)?;
        let mut changes = Vec::new();
        for (name, value) in body.iter() {
            let name = if name == LEVEL_IN_REQUESTS { LEVEL } else { name };
            if CONFIG.contains(&name) {
                changes.push((name.to_owned(), checked(name, value)?));
            }
        }
        self.may_write(place.as_deref().unwrap_or(""))?;
        let old = self.state.config(place.as_deref()).cloned().unwrap_or_default();
        let new = ordered(&old, &changes.into_iter().collect());
        let stored: Object = new
            .iter()
            .map(|(name, value)| {
                (if name == LEVEL { LEVEL_IN_REQUESTS } else { name }.to_owned(), value.clone())
            })
            .collect();
        written(vec![Record::config(place.as_deref(), Some(&new))], stored)
    }

    pub(super) fn mode(&self, method: Method, subject: Option<&str>) -> Answer {
        let place = self.valid_place(subject)?;
        let place = place.as_deref();
        self.allow(settings_operation(method), place)?;
        match method {
            Method::Get => {
                let in_scope = self.request.flag("defaultToGlobal");
                let found = match (self.state.mode(place), place) {
                    _ if in_scope => Some(self.state.mode_in_scope(place)),
                    (None, None | Some(GLOBAL_CONTEXT)) => Some(Mode::default()),
                    (found, _) => found,
                };
                let mode = found.ok_or_else(|| {
                    let place = place.unwrap_or("");
                    Refusal::new(
                        40409,
                        format!("Subject '{place}' does not have subject-level mode configured"),
                    )
                })?;
                told(mode_json(Some(mode)))
            }
            Method::Put => self.put_mode(place),
            Method::Delete => self.delete_mode(place),
            Method::Post => Err(Refusal::new(405, "HTTP 405 Method Not Allowed")),
        }
    }

    fn put_mode(&self, place: Option<&str>) -> Answer {
        let body = self.request.object(&["mode"])?;
        let mode = match body.get("mode") {
            None | Some(Json::Null) => None,
            Some(value) => Some(value.as_str().and_then(Mode::of).ok_or_else(|| {
                let why = "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT and FORWARD";
                Refusal::new(42204, why)
            })?),
        };
        if mode == Some(Mode::Forward) && place != Some(GLOBAL_CONTEXT) {
            return Err(Refusal::new(42204, "Forward mode only supported on global level"));
        }
        self.modes_may_change()?;
        let mut records = Vec::new();
        let imports = mode == Some(Mode::Import) && self.state.mode_in_scope(place) != Mode::Import;
        if imports && !self.request.flag("force") {
            // Ids of another registry must not meet ids of this one.
            if self.matching(place).any(|schema| !schema.deleted) {
                return Err(Refusal::not_permitted("Cannot import since found existing subjects"));
            }
            for schema in self.matching(place) {
                if self.state.referrers(&schema.subject, schema.version, true).next().is_some() {
                    return Err(Refusal::reference_exists(&schema.subject, schema.version));
                }
                records.push(Record::forget(&schema.subject, schema.version));
            }
            records.push(Record::clear_subject(place));
        }
        records.push(Record::mode(place, mode));
        written(records, mode_json(mode))
    }

    /// What a mode would hold for.
    fn matching(&self, place: Option<&str>) -> impl Iterator<Item = &std::sync::Arc<crate::model::Schema>> {
        let everywhere = place == Some(GLOBAL_CONTEXT);
        self.state.matching(if everywhere { None } else { Some(place.unwrap_or("")) })
    }

    fn delete_mode(&self, place: Option<&str>) -> Answer {
        let mode = self.state.mode(place);
        let recursive = self.request.flag("recursive");
        if mode.is_none() && !recursive && place.is_some() {
            return Err(Refusal::subject_not_found(place.unwrap_or("")));
        }
        self.modes_may_change()?;
        let mut records = vec![Record::mode(place, None)];
        if recursive && Subject::parse(place.unwrap_or("")).name.is_empty() {
            let mut subjects: Vec<&str> =
                self.matching(place).map(|schema| schema.subject.as_str()).collect();
            subjects.dedup();
            let set = subjects.into_iter().filter(|subject| self.state.mode(Some(subject)).is_some());
            records.extend(set.map(|subject| Record::mode(Some(subject), None)));
        }
        written(records, mode_json(mode.or((place.is_none()).then(Mode::default))))
    }

    fn modes_may_change(&self) -> Result<(), Refusal> {
        let allowed = self.rules.modes_may_change;
        if allowed { Ok(()) } else { Err(Refusal::not_permitted("Mode changes are not allowed")) }
    }
}

fn settings_operation(method: Method) -> Operation {
    match method {
        Method::Get => Operation::DescribeConfigs,
        Method::Post | Method::Put | Method::Delete => Operation::AlterConfigs,
    }
}

fn mode_json(mode: Option<Mode>) -> Object {
    let mut object = Object::new();
    if let Some(mode) = mode {
        object.push("mode", mode.name());
    }
    object
}

/// What was there with the changes, in the order of the topic; a change to null takes a member away.
fn ordered(old: &Object, changes: &Object) -> Object {
    let mut new = Object::new();
    for name in CONFIG {
        if let Some(value) = changes.get(name).or_else(|| old.get(name)).filter(|value| **value != Json::Null)
        {
            new.push(name, value.clone());
        }
    }
    new
}

/// A value in the form in which it is stored.
fn checked(name: &str, value: &Json) -> Result<Json, Refusal> {
    if *value == Json::Null {
        return Ok(Json::Null);
    }
    let wrong = |what: &str| Refusal::new(422, format!("{name} is no {what}: {value}"));
    match name {
        LEVEL => {
            let level = value.as_str().and_then(Level::of).ok_or_else(|| {
                let why = "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive";
                Refusal::new(42203, why)
            })?;
            Ok(level.name().into())
        }
        // LOGICAL would check types of Flink and Iceberg, which nobody does here: it is not taken for STRICT.
        "compatibilityPolicy" => match value.as_str() {
            Some(policy @ ("STRICT" | "LENIENT")) => Ok(policy.into()),
            _other => {
                Err(Refusal::new(42203, "Invalid compatibility policy. Valid values are STRICT and LENIENT"))
            }
        },
        "normalize" => value.as_bool().map(Json::from).ok_or_else(|| wrong("boolean")),
        // They would ask for checks that are not made here.
        "validateFields" | "validateNewSchemas" | "validateRules" => match value.as_bool() {
            Some(false) => Ok(false.into()),
            Some(true) => {
                Err(Refusal::new(422, format!("{name} is not supported: nothing would be validated")))
            }
            None => Err(wrong("boolean")),
        },
        "defaultMetadata" | "overrideMetadata" => {
            Ok(metadata_of(Some(value)).map_err(|why| Refusal::new(422, why))?.unwrap_or(Json::Null))
        }
        "defaultRuleSet" | "overrideRuleSet" => {
            Ok(rule_set_of(Some(value)).map_err(|why| Refusal::new(42210, why))?.unwrap_or(Json::Null))
        }
        _text => value.as_str().map(Json::from).ok_or_else(|| wrong("string")),
    }
}
