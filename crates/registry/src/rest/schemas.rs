//! Schemas by their ids and GUIDs. Only looks.

use super::{Answer, At, Refusal, not_found, text, told};
use crate::formats::SchemaType;
use crate::json::{Json, Object};
use crate::model::{Schema, guid_of, guid_text};
use crate::subject::Subject;
use std::collections::BTreeSet;
use std::sync::Arc;

impl At<'_> {
    pub(super) fn schemas(&self, rest: &[&str]) -> Answer {
        match rest {
            [] => self.list_schemas(),
            ["types"] => told(SchemaType::ALL.map(SchemaType::name).to_vec()),
            ["ids", id] => {
                let (schema, mut object) = self.by_id(id)?;
                if self.request.flag("fetchMaxId") {
                    object.push("maxId", self.state.last_id(&Subject::parse(&schema.subject).context));
                }
                told(object)
            }
            ["ids", id, "schema"] => {
                let (schema, _) = self.by_id(id)?;
                text(schema.text)
            }
            ["ids", id, "subjects"] => {
                let places = self.places(id)?;
                let subjects: BTreeSet<&str> = places.iter().map(|schema| schema.subject.as_str()).collect();
                told(self.request.page(subjects.into_iter())?)
            }
            ["ids", id, "versions"] => {
                let places = self.places(id)?;
                let listed = self.request.page(places.iter())?;
                told(listed.into_iter().map(|schema| subject_version(schema)).collect::<Vec<_>>())
            }
            ["guids", guid] => self.by_guid(guid),
            ["guids", guid, "ids"] => self.ids_of_guid(guid),
            rest => Err(not_found(&[["schemas"].as_slice(), rest].concat())),
        }
    }

    /// Everything that has an id. The query's subject says in which context; a plain one that lacks there is looked for in all.
    fn all_by_id(&self, id: &str) -> Result<Vec<&Arc<Schema>>, Refusal> {
        let wrong = || Refusal::new(404, "HTTP 404 Not Found");
        let id: i32 = id.parse().map_err(|_| wrong())?;
        let subject = Subject::parse(&self.aliased(self.request.query("subject").unwrap_or("")));
        let mut found: Vec<&Arc<Schema>> = self.state.by_id(&subject.context, id).collect();
        let has = |all: &[&Arc<Schema>]| {
            all.iter()
                .any(|schema| subject.name.is_empty() || Subject::parse(&schema.subject).name == subject.name)
        };
        if !has(&found) && subject.context == crate::subject::DEFAULT_CONTEXT && !subject.name.is_empty() {
            let others =
                self.state.contexts().map(|context| self.state.by_id(context, id).collect::<Vec<_>>());
            found = others.into_iter().find(|all| has(all)).unwrap_or(found);
        }
        let all = found.len();
        found.retain(|schema| self.reads(&schema.subject));
        if found.is_empty() && all > 0 {
            return Err(Refusal::new(
                40301,
                format!("User is denied operation Read on every subject of schema {id}"),
            ));
        }
        // The subject that was named comes first.
        found.sort_by_key(|schema| Subject::parse(&schema.subject).name != subject.name);
        if found.is_empty() { Err(Refusal::schema_not_found(Some(&id.to_string()))) } else { Ok(found) }
    }

    fn by_id(&self, id: &str) -> Result<(Schema, Object), Refusal> {
        let all = self.all_by_id(id)?;
        let schema =
            self.formatted(all.first().copied().ok_or_else(|| Refusal::schema_not_found(Some(id)))?)?;
        let mut object = Object::new();
        object.push("subject", schema.subject.as_str());
        object.push("version", schema.version);
        object.push("guid", guid_text(&all[0].guid()));
        schema.push_body(&mut object);
        Ok((schema, object))
    }

    /// Where an id is registered.
    fn places(&self, id: &str) -> Result<Vec<&Arc<Schema>>, Refusal> {
        let mut all = self.all_by_id(id)?;
        all.sort_by_key(|schema| (schema.subject.clone(), schema.version));
        let deleted = self.request.flag("deleted");
        Ok(all.into_iter().filter(|schema| deleted || !schema.deleted).collect())
    }

    fn by_guid(&self, guid: &str) -> Answer {
        let (context, id) = self.ids(guid).next().ok_or_else(|| Refusal::schema_not_found(Some(guid)))?;
        let found = self.state.by_id(&context, id).find(|schema| self.reads(&schema.subject));
        let schema = self.formatted(found.ok_or_else(|| Refusal::schema_not_found(Some(guid)))?)?;
        let mut object = Object::new();
        object.push("guid", guid);
        schema.push_body(&mut object);
        told(object)
    }

    fn ids_of_guid(&self, guid: &str) -> Answer {
        let ids = self.ids(guid).map(|(context, id)| {
            let mut object = Object::new();
            object.push("context", context);
            object.push("id", id);
            Json::from(object)
        });
        told(ids.collect::<Vec<_>>())
    }

    fn ids(&self, guid: &str) -> impl Iterator<Item = (String, i32)> {
        let guid = guid_of(guid);
        self.state.contexts().filter_map(move |context| {
            let id = self.state.id_of(context, guid.as_ref()?)?;
            self.state.by_id(context, id).find(|schema| self.reads(&schema.subject))?;
            Some((context.to_owned(), id))
        })
    }
}

fn subject_version(schema: &Schema) -> Json {
    let mut object = Object::new();
    object.push("subject", schema.subject.as_str());
    object.push("version", schema.version);
    object.into()
}
