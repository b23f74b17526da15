//! What `_schemas` says, replayed: subjects, ids, GUIDs, references, configuration, modes. The only change is [`State::apply`], record by
//! record in the order of the topic, so that every registry on the topic has the same state at the same offset.

use crate::json::Object;
use crate::model::{Guid, Mode, Schema};
use crate::records::{Key, Record, read_config, read_deleted_version, read_mode, read_schema};
use crate::subject::{DEFAULT_CONTEXT, GLOBAL_CONTEXT, Subject};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The replayed topic.
#[derive(Debug, Default)]
pub struct State {
    subjects: BTreeMap<String, BTreeMap<i32, Arc<Schema>>>,
    contexts: BTreeMap<String, Context>,
    /// By subject or context; the empty name is everything.
    configs: BTreeMap<String, Object>,
    modes: BTreeMap<String, Mode>,
    /// Who refers to a version.
    referrers: BTreeMap<(String, i32), BTreeSet<(String, i32)>>,
}

/// Ids of one context.
#[derive(Debug, Default)]
struct Context {
    /// Every version that has an id; never empty.
    by_id: BTreeMap<i32, BTreeSet<(String, i32)>>,
    by_guid: BTreeMap<Guid, i32>,
    /// The greatest id that was seen, of forgotten schemas as well.
    last_id: i32,
    /// A record of its own says that it is there.
    declared: bool,
}

impl State {
    /// Takes a record in.
    pub fn apply(&mut self, record: &Record) {
        match (&record.key, &record.value) {
            (Key::Schema { subject, version }, None) => self.forget(subject, *version),
            (Key::Schema { subject, version }, Some(value)) => {
                if let Some(schema) = read_schema(subject, *version, value) {
                    self.forget(subject, *version);
                    self.insert(schema);
                }
            }
            (Key::DeleteSubject { subject }, Some(value)) => {
                let last = read_deleted_version(value).unwrap_or(0);
                let versions = self.subjects.get(subject).map(|all| all.range(..=last));
                let marked: Vec<Schema> = versions
                    .into_iter()
                    .flatten()
                    .map(|(_, schema)| Schema { deleted: true, ..(**schema).clone() })
                    .collect();
                for schema in marked {
                    self.forget(&schema.subject, schema.version);
                    self.insert(schema);
                }
            }
            (Key::ClearSubject { subject }, Some(_)) => {
                let matching = self.matching(subject.as_deref());
                let deleted: Vec<(String, i32)> = matching
                    .filter(|schema| schema.deleted)
                    .map(|schema| (schema.subject.clone(), schema.version))
                    .collect();
                deleted.iter().for_each(|(subject, version)| self.forget(subject, *version));
            }
            (Key::Config { subject }, value) => {
                let place = subject.clone().unwrap_or_default();
                match value.as_ref().and_then(read_config) {
                    Some(config) => drop(self.configs.insert(place, config)),
                    None => drop(self.configs.remove(&place)),
                }
            }
            (Key::Mode { subject }, value) => {
                let place = subject.clone().unwrap_or_default();
                match value.as_ref().and_then(read_mode) {
                    Some(mode) => drop(self.modes.insert(place, mode)),
                    None => drop(self.modes.remove(&place)),
                }
            }
            (Key::Context { context }, value) => {
                self.contexts.entry(context.clone()).or_default().declared = value.is_some();
            }
            (Key::DeleteSubject { .. } | Key::ClearSubject { .. }, None) | (Key::Noop, _) => {}
        }
    }

    fn insert(&mut self, schema: Schema) {
        let place = (schema.subject.clone(), schema.version);
        let subject = Subject::parse(&schema.subject);
        for reference in &schema.references {
            let to = (subject.beside(&reference.subject).qualified(), reference.version);
            self.referrers.entry(to).or_default().insert(place.clone());
        }
        let context = self.contexts.entry(subject.context).or_default();
        context.by_id.entry(schema.id).or_default().insert(place);
        context.by_guid.insert(schema.guid(), schema.id);
        context.last_id = context.last_id.max(schema.id);
        self.subjects.entry(schema.subject.clone()).or_default().insert(schema.version, Arc::new(schema));
    }

    fn forget(&mut self, subject: &str, version: i32) {
        let Some(versions) = self.subjects.get_mut(subject) else { return };
        let Some(schema) = versions.remove(&version) else { return };
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        let place = (subject.to_owned(), version);
        let parsed = Subject::parse(subject);
        for reference in &schema.references {
            let to = (parsed.beside(&reference.subject).qualified(), reference.version);
            if let Some(all) = self.referrers.get_mut(&to) {
                all.remove(&place);
                if all.is_empty() {
                    self.referrers.remove(&to);
                }
            }
        }
        let context = self.contexts.entry(parsed.context).or_default();
        if let Some(places) = context.by_id.get_mut(&schema.id) {
            places.remove(&place);
            if places.is_empty() {
                context.by_id.remove(&schema.id);
                context.by_guid.remove(&schema.guid());
            }
        }
    }

    /// A version, deleted or not.
    pub fn version(&self, subject: &str, version: i32) -> Option<&Arc<Schema>> {
        self.subjects.get(subject)?.get(&version)
    }

    /// All versions of a subject in order, deleted ones included.
    pub fn versions(&self, subject: &str) -> impl DoubleEndedIterator<Item = &Arc<Schema>> {
        self.subjects.get(subject).into_iter().flat_map(BTreeMap::values)
    }

    /// The newest version that is not deleted.
    pub fn latest(&self, subject: &str) -> Option<&Arc<Schema>> {
        self.versions(subject).rev().find(|schema| !schema.deleted)
    }

    /// Every subject with its versions.
    pub fn subjects(&self) -> impl Iterator<Item = (&String, &BTreeMap<i32, Arc<Schema>>)> {
        self.subjects.iter()
    }

    /// Whether a subject has versions.
    pub fn has_subject(&self, subject: &str, deleted: bool) -> bool {
        self.versions(subject).any(|schema| deleted || !schema.deleted)
    }

    /// Schemas of a subject, of a context (`:.ctx:`) or, without a name, of everything.
    pub fn matching<'a>(&'a self, subject: Option<&str>) -> impl Iterator<Item = &'a Arc<Schema>> {
        let wanted = subject.map(Subject::parse);
        let fits = move |name: &str| match &wanted {
            None => true,
            Some(wanted) if wanted.name.is_empty() => Subject::parse(name).context == wanted.context,
            Some(wanted) => wanted.qualified() == name,
        };
        self.subjects.iter().filter(move |(name, _)| fits(name)).flat_map(|(_, versions)| versions.values())
    }

    /// The versions that have an id in a context, in order.
    pub fn by_id(&self, context: &str, id: i32) -> impl Iterator<Item = &Arc<Schema>> {
        let places = self.contexts.get(context).and_then(|context| context.by_id.get(&id));
        places.into_iter().flatten().filter_map(|(subject, version)| self.version(subject, *version))
    }

    /// The id of a schema in a context.
    pub fn id_of(&self, context: &str, guid: &Guid) -> Option<i32> {
        self.contexts.get(context)?.by_guid.get(guid).copied()
    }

    /// The greatest id of a context.
    pub fn last_id(&self, context: &str) -> i32 {
        self.contexts.get(context).map_or(0, |context| context.last_id)
    }

    /// All contexts that are there, the default one first.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        let named = self.contexts.iter().filter(|(name, context)| {
            name.as_str() != DEFAULT_CONTEXT && (context.declared || !context.by_id.is_empty())
        });
        std::iter::once(DEFAULT_CONTEXT).chain(named.map(|(name, _)| name.as_str()))
    }

    /// Whether a record of its own declares a context.
    pub fn is_declared(&self, context: &str) -> bool {
        self.contexts.get(context).is_some_and(|context| context.declared)
    }

    /// Who refers to a version: subjects and versions, in order.
    pub fn referrers(
        &self,
        subject: &str,
        version: i32,
        deleted: bool,
    ) -> impl Iterator<Item = &Arc<Schema>> {
        let all = self.referrers.get(&(subject.to_owned(), version));
        let schemas =
            all.into_iter().flatten().filter_map(|(subject, version)| self.version(subject, *version));
        schemas.filter(move |schema| deleted || !schema.deleted)
    }

    /// The configuration that is set for a place itself.
    pub fn config(&self, subject: Option<&str>) -> Option<&Object> {
        self.configs.get(subject.unwrap_or(""))
    }

    /// The configuration that holds for a place: its own, its context's, or that of all contexts.
    pub fn config_in_scope(&self, subject: Option<&str>) -> Option<&Object> {
        scopes(subject).iter().find_map(|place| self.configs.get(place))
    }

    /// The mode that is set for a place itself.
    pub fn mode(&self, subject: Option<&str>) -> Option<Mode> {
        self.modes.get(subject.unwrap_or("")).copied()
    }

    /// The mode that holds for a place. What is set to be read only beyond appeal is, whatever the subject says.
    pub fn mode_in_scope(&self, subject: Option<&str>) -> Mode {
        let scopes = scopes(subject);
        let set = || scopes.iter().filter_map(|place| self.modes.get(place).copied());
        let last_word = set().find(|mode| *mode == Mode::ReadOnlyOverride);
        last_word.or_else(|| set().next()).unwrap_or_default()
    }
}

/// Where settings are looked for, the nearest place first.
fn scopes(subject: Option<&str>) -> Vec<String> {
    let subject = subject.unwrap_or("");
    let context = Subject::parse(subject).prefix();
    let mut places = vec![subject.to_owned()];
    for place in [context, GLOBAL_CONTEXT.to_owned()] {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn schema(subject: &str, version: i32, id: i32) -> Schema {
        Schema { subject: subject.to_owned(), version, id, text: format!("\"{id}\""), ..Schema::default() }
    }

    #[test]
    fn replay_is_the_same_from_a_compacted_topic() {
        let config = Object::from_iter([("compatibilityLevel".to_owned(), Json::from("NONE"))]);
        let records = [
            Record::schema(&schema("a", 1, 1)),
            Record::schema(&schema("a", 2, 2)),
            Record::schema(&schema(":.c:a", 1, 1)),
            Record::config(Some("a"), Some(&config)),
            Record::delete_subject("a", 2),
            Record::schema(&schema("a", 3, 3)),
            Record::schema(&Schema { deleted: true, ..schema("a", 1, 1) }),
            Record::forget("a", 1),
            Record::mode(None, Some(Mode::ReadOnly)),
            Record::mode(None, None),
            Record::noop(),
        ];
        let mut whole = State::default();
        records.iter().for_each(|record| whole.apply(record));
        let mut compacted = State::default();
        for (index, record) in records.iter().enumerate() {
            if !records[index + 1..].iter().any(|later| later.key == record.key) {
                compacted.apply(record);
            }
        }
        let seen = |state: &State| {
            let versions: Vec<(String, i32, bool)> =
                state.matching(None).map(|one| (one.subject.clone(), one.version, one.deleted)).collect();
            (versions, state.mode_in_scope(None), state.config(Some("a")).cloned())
        };
        assert_eq!(seen(&whole), seen(&compacted));
        let expected =
            [(":.c:a".to_owned(), 1, false), ("a".to_owned(), 2, true), ("a".to_owned(), 3, false)];
        assert_eq!(seen(&whole).0, expected);
        assert_eq!((whole.last_id("."), whole.last_id(".c")), (3, 1));
        assert_eq!(whole.by_id(".", 1).count(), 0, "forgotten");
        assert_eq!(whole.contexts().collect::<Vec<_>>(), [".", ".c"]);
    }

    #[test]
    fn settings_are_inherited() {
        let mut state = State::default();
        assert_eq!(state.mode_in_scope(Some("a")), Mode::ReadWrite);
        for (place, mode) in [
            (Some(":.__GLOBAL:"), Mode::ReadOnly),
            (Some(":.c:"), Mode::Import),
            (Some(":.c:a"), Mode::ReadWrite),
        ] {
            state.apply(&Record::mode(place, Some(mode)));
        }
        assert_eq!(state.mode_in_scope(Some("a")), Mode::ReadOnly);
        assert_eq!(state.mode_in_scope(Some(":.c:b")), Mode::Import);
        assert_eq!(state.mode_in_scope(Some(":.c:a")), Mode::ReadWrite);
        state.apply(&Record::mode(None, Some(Mode::ReadOnlyOverride)));
        assert_eq!(state.mode_in_scope(Some("a")), Mode::ReadOnlyOverride);
        assert_eq!(state.mode_in_scope(Some(":.c:a")), Mode::ReadWrite, "another context");
    }
}
