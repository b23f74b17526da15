//! What is registered under a subject: lists, versions, who refers to them. Only looks.

use super::{Answer, At, Refusal, text, told};
use crate::access::Operation;
use crate::formats::{Parsed, Referred};
use crate::json::Json;
use crate::model::{Reference, Schema};
use crate::subject::{ALL_CONTEXTS, DEFAULT_CONTEXT, Subject};
use std::collections::BTreeSet;
use std::sync::Arc;

/// References of references and so on that one schema may need.
const REFERENCES_MAX: usize = 1_000;

/// A version as a path names it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Latest,
    Exact(i32),
}

pub(super) fn version_of(text: &str) -> Result<Version, Refusal> {
    let wrong = || {
        let why = format!(
            "The specified version '{text}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
        );
        Refusal::new(42202, why)
    };
    match text {
        "latest" | "-1" => Ok(Version::Latest),
        digits => digits.parse().ok().filter(|version| *version > 0).map(Version::Exact).ok_or_else(wrong),
    }
}

impl At<'_> {
    /// Subjects whose names begin so, of all contexts where `:*:` stands in front.
    fn with_prefix(&self) -> impl Fn(&str) -> bool + use<> {
        let wanted = match (&self.prefix, self.request.query("subjectPrefix")) {
            (Some(prefix), name) => format!("{prefix}{}", name.unwrap_or("")),
            (None, name) => name.unwrap_or(ALL_CONTEXTS).to_owned(),
        };
        move |subject: &str| match wanted.strip_prefix(ALL_CONTEXTS) {
            Some(rest) => Subject::parse(subject).name.starts_with(rest),
            None => subject.starts_with(&wanted),
        }
    }

    pub(super) fn list_subjects(&self) -> Answer {
        let (deleted, only) = (self.request.flag("deleted"), self.request.flag("deletedOnly"));
        let fits = self.with_prefix();
        let listed = self.state.subjects().filter(|(subject, versions)| {
            let alive = versions.values().any(|schema| !schema.deleted);
            fits(subject) && self.sees(subject) && if only { !alive } else { alive || deleted }
        });
        let names = self.request.page(listed.map(|(subject, _)| subject.as_str()))?;
        told(names)
    }

    /// All versions of all subjects.
    pub(super) fn list_schemas(&self) -> Answer {
        let (deleted, latest) = (self.request.flag("deleted"), self.request.flag("latestOnly"));
        let fits = self.with_prefix();
        let matching = self
            .state
            .subjects()
            .filter(|(subject, _)| fits(subject) && self.reads(subject))
            .flat_map(|(_, versions)| {
                let alive = versions.values().filter(move |schema| deleted || !schema.deleted);
                alive.rev().take(if latest { 1 } else { usize::MAX }).collect::<Vec<_>>().into_iter().rev()
            });
        let page = self.request.page(matching)?;
        told(page.into_iter().map(|schema| Json::from(schema.json())).collect::<Vec<_>>())
    }

    pub(super) fn list_versions(&self, subject: &str) -> Answer {
        self.allow(Operation::Read, Some(subject))?;
        let flag = |name| self.request.flag(name);
        let (deleted, only, negative) = (flag("deleted"), flag("deletedOnly"), flag("deletedAsNegative"));
        if !self.state.has_subject(subject, deleted || only || negative) {
            return Err(Refusal::subject_not_found(subject));
        }
        let listed = self.state.versions(subject).filter_map(|schema| match schema.deleted {
            true if negative => Some(-schema.version),
            true => (deleted || only).then_some(schema.version),
            false => (negative || !only).then_some(schema.version),
        });
        told(self.request.page(listed)?)
    }

    /// A version of a subject; a plain name is looked for in all contexts.
    pub(super) fn find(
        &self,
        subject: &str,
        version: Version,
        deleted: bool,
    ) -> Result<&Arc<Schema>, Refusal> {
        let in_one = |subject: &str| match version {
            Version::Latest => {
                let newest = self.state.versions(subject).next_back();
                self.state.latest(subject).or(newest.filter(|_| deleted))
            }
            Version::Exact(version) => {
                self.state.version(subject, version).filter(|schema| deleted || !schema.deleted)
            }
        };
        let plain = Subject::parse(subject);
        let elsewhere = || {
            let others = self.state.contexts().filter(|_| plain.context == DEFAULT_CONTEXT);
            others
                .map(|context| Subject { context: context.to_owned(), name: plain.name.clone() }.qualified())
        };
        self.allow(Operation::Read, Some(subject))?;
        let found = in_one(subject).or_else(|| {
            elsewhere().filter(|subject| self.reads(subject)).find_map(|subject| in_one(&subject))
        });
        found.ok_or_else(|| match version {
            _ if !self.state.has_subject(subject, deleted) => Refusal::subject_not_found(subject),
            Version::Latest => Refusal::version_not_found(-1),
            Version::Exact(version) => Refusal::version_not_found(version),
        })
    }

    pub(super) fn get_version(&self, subject: &str, version: &str) -> Answer {
        let schema = self.find(subject, version_of(version)?, self.request.flag("deleted"))?;
        let schema = self.formatted(schema)?;
        told(schema.json())
    }

    pub(super) fn get_version_text(&self, subject: &str, version: &str) -> Answer {
        let schema = self.find(subject, version_of(version)?, self.request.flag("deleted"))?;
        text(self.formatted(schema)?.text)
    }

    /// The ids of the schemas that refer to this version.
    pub(super) fn referenced_by(&self, subject: &str, version: &str) -> Answer {
        let schema = self.find(subject, version_of(version)?, true)?;
        let referrers = self.state.referrers(&schema.subject, schema.version, self.request.flag("deleted"));
        let ids: BTreeSet<i32> = referrers.map(|schema| schema.id).collect();
        told(self.request.page(ids.into_iter())?)
    }

    /// The newest version whose metadata have these properties.
    pub(super) fn latest_with_metadata(&self, subject: &str) -> Answer {
        self.allow(Operation::Read, Some(subject))?;
        let values = |name: &str| -> Vec<&str> {
            self.request
                .query
                .iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
                .collect()
        };
        let wanted: Vec<(&str, &str)> = values("key").into_iter().zip(values("value")).collect();
        let deleted = self.request.flag("deleted");
        if !self.state.has_subject(subject, deleted) {
            return Err(Refusal::subject_not_found(subject));
        }
        let fits = |schema: &Schema| {
            let properties = schema.metadata.as_ref().and_then(|metadata| metadata.get("properties"));
            let has = |name: &str, value: &str| {
                properties.and_then(|all| all.get(name)).and_then(Json::as_str) == Some(value)
            };
            wanted.iter().all(|(name, value)| has(name, value))
        };
        let found =
            self.state.versions(subject).rev().find(|schema| (deleted || !schema.deleted) && fits(schema));
        let schema = found.ok_or_else(|| Refusal::schema_not_found(None))?;
        told(self.formatted(schema)?.json())
    }

    /// Whether whoever asks may see the schemas of a subject.
    pub(super) fn reads(&self, subject: &str) -> bool {
        self.request.rights.may(Operation::Read, Some(subject))
    }

    /// A copy with its text in the form that the request asks for, its references qualified if it asks for that.
    pub(super) fn formatted(&self, schema: &Schema) -> Result<Schema, Refusal> {
        let mut copy = schema.clone();
        if let Some(format) = self.request.query("format").filter(|format| !format.trim().is_empty()) {
            let parsed = self.parsed(schema).map_err(Refusal::invalid_schema)?;
            copy.text = parsed.formatted(format).map_err(Refusal::invalid_schema)?;
        }
        if self.request.query("referenceFormat") == Some("qualified") {
            let parent = Subject::parse(&schema.subject);
            for reference in &mut copy.references {
                reference.subject = parent.beside(&reference.subject).qualified();
            }
        }
        Ok(copy)
    }

    /// A registered schema, parsed.
    pub(super) fn parsed(&self, schema: &Schema) -> Result<Arc<Parsed>, String> {
        let parse = || {
            let referred = self.referred(&schema.subject, &schema.references)?;
            Parsed::parse(schema.schema_type, &schema.text, &referred, false).map(Arc::new)
        };
        // What a reference leads to may change where ids are imported.
        if schema.references.is_empty() { schema.parsed.get_or_init(parse).clone() } else { parse() }
    }

    /// All schemas that these references need, each after those that it needs itself.
    pub(super) fn referred(&self, subject: &str, references: &[Reference]) -> Result<Vec<Referred>, String> {
        let mut all = Vec::new();
        let mut seen = BTreeSet::new();
        // Each reference is looked at twice: to put those before it that it needs, then to put it there itself.
        let mut waiting: Vec<(Subject, Reference, bool)> =
            references.iter().rev().map(|one| (Subject::parse(subject), one.clone(), false)).collect();
        while let Some((parent, reference, ready)) = waiting.pop() {
            let at = parent.beside(&reference.subject).qualified();
            let found = match reference.version {
                -1 => self.state.latest(&at),
                version => self.state.version(&at, version),
            };
            let schema = found.ok_or_else(|| {
                format!(
                    "No schema reference found for subject \"{}\" and version {}",
                    reference.subject, reference.version
                )
            })?;
            if ready {
                all.push(Referred { name: reference.name, text: schema.text.clone() });
                continue;
            }
            if !seen.insert((schema.subject.clone(), schema.version, reference.name.clone())) {
                continue;
            }
            if seen.len() > REFERENCES_MAX {
                return Err(format!("it needs more than {REFERENCES_MAX} other schemas"));
            }
            let inner = Subject::parse(&schema.subject);
            waiting.push((parent, reference, true));
            waiting.extend(schema.references.iter().rev().map(|one| (inner.clone(), one.clone(), false)));
        }
        Ok(unique(all))
    }
}

/// A schema that is reached by two ways stands once: Avro would find its types defined twice.
fn unique(all: Vec<Referred>) -> Vec<Referred> {
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|one| seen.insert((one.name.clone(), one.text.clone()))).collect()
}
