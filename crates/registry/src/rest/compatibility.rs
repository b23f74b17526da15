//! Whether a schema may stand beside those of a subject: by the level, the policy and the group of its configuration.

use super::lookup::{Version, version_of};
use super::register::property;
use super::{Answer, At, Refusal, told};
use crate::access::Operation;
use crate::formats::{Level, Parsed, Policy};
use crate::json::{Json, Object};
use crate::model::Schema;
use std::sync::Arc;

impl At<'_> {
    /// Checks the body against one version, or against as many as the level asks for.
    pub(super) fn compatibility(&self, subject: &str, version: Option<&str>) -> Answer {
        let subject = self.aliased(subject);
        self.allow(Operation::Read, Some(&subject))?;
        let mut asked = self.asked(&subject)?.schema;
        let verbose = self.request.flag("verbose");
        let all: Vec<&Arc<Schema>> = self.state.versions(&subject).filter(|one| !one.deleted).collect();
        let earlier = match version.map(version_of).transpose()? {
            None => all,
            Some(Version::Latest) => all.into_iter().rev().take(1).collect(),
            Some(Version::Exact(version)) => {
                let found = all.into_iter().find(|one| one.version == version);
                vec![found.ok_or_else(|| Refusal::version_not_found(version))?]
            }
        };
        let reasons = match self.canonical(&mut asked, true) {
            Ok(parsed) => self.reasons(&asked, &parsed, &earlier),
            Err(refusal) if verbose => vec![refusal.message],
            Err(refusal) => return Err(refusal),
        };
        let mut object = Object::new();
        object.push("is_compatible", reasons.is_empty());
        if verbose && !reasons.is_empty() {
            object.push("messages", reasons);
        }
        told(object)
    }

    /// Why a schema may not come after these, the oldest of them first; nothing where it may.
    pub(super) fn reasons(&self, schema: &Schema, parsed: &Parsed, earlier: &[&Arc<Schema>]) -> Vec<String> {
        let config = self.state.config_in_scope(Some(&schema.subject));
        let set = |name: &str| config.and_then(|config| config.get(name)).and_then(Json::as_str);
        let level = set("compatibilityLevel").and_then(Level::of).unwrap_or(self.rules.level);
        let policy = match set("compatibilityPolicy") {
            Some("LENIENT") => Policy::Lenient,
            _strict => Policy::Strict,
        };
        let grouped: Vec<&Arc<Schema>> = match set("compatibilityGroup") {
            Some(group) => {
                let own = property(schema.metadata.as_ref(), group);
                earlier.iter().copied().filter(|one| property(one.metadata.as_ref(), group) == own).collect()
            }
            None => earlier.to_vec(),
        };
        let mut reasons = Vec::new();
        for old in level.relevant(&grouped).iter().rev() {
            let found = match self.parsed(old) {
                Ok(old) => level.check(parsed, &old, policy).iter().map(ToString::to_string).collect(),
                Err(why) => vec![format!("{{description:'The old schema cannot be read: {why}'}}")],
            };
            if !found.is_empty() {
                reasons.extend::<Vec<String>>(found);
                reasons.push(format!("{{oldSchemaVersion: {}}}", old.version));
                reasons.push(format!("{{oldSchema: '{}'}}", old.text));
                break;
            }
        }
        if !reasons.is_empty() {
            reasons.push(format!("{{validateFields: 'false', compatibility: '{}'}}", level.name()));
        }
        reasons
    }
}
