//! Deletion: softly, which keeps ids readable, then for good.

use super::lookup::{Version, version_of};
use super::{Answer, At, Refusal, written};
use crate::access::Operation;
use crate::records::Record;

impl At<'_> {
    pub(super) fn delete_version(&self, subject: &str, version: &str) -> Answer {
        self.allow(Operation::Delete, Some(subject))?;
        let permanent = self.request.flag("permanent");
        let wanted = version_of(version)?;
        let found = match wanted {
            Version::Latest => {
                self.state.latest(subject).or_else(|| self.state.versions(subject).next_back())
            }
            Version::Exact(version) => self.state.version(subject, version),
        };
        let schema = found.ok_or_else(|| match wanted {
            _ if !self.state.has_subject(subject, true) => Refusal::subject_not_found(subject),
            Version::Latest => Refusal::version_not_found(-1),
            Version::Exact(version) => Refusal::version_not_found(version),
        })?;
        let version = schema.version;
        if schema.deleted && !permanent {
            let why = format!(
                "Subject '{subject}' Version {version} was soft deleted. Set permanent=true to delete permanently"
            );
            return Err(Refusal::new(40406, why));
        }
        self.may_write(subject)?;
        if self.state.referrers(subject, version, permanent).next().is_some() {
            return Err(Refusal::reference_exists(subject, version));
        }
        if !permanent {
            let deleted = crate::model::Schema { deleted: true, ..(**schema).clone() };
            return written(vec![Record::schema(&deleted)], version);
        }
        if !schema.deleted {
            let why = format!(
                "Subject '{subject}' Version {version} was not deleted first before being permanently deleted"
            );
            return Err(Refusal::new(40407, why));
        }
        let mut records = vec![Record::forget(subject, version)];
        if self.state.versions(subject).count() == 1 {
            records.extend(self.settings_of(subject));
        }
        written(records, version)
    }

    pub(super) fn delete_subject(&self, subject: &str) -> Answer {
        self.allow(Operation::Delete, Some(subject))?;
        let permanent = self.request.flag("permanent");
        if !self.state.has_subject(subject, true) {
            return Err(Refusal::subject_not_found(subject));
        }
        if !permanent && !self.state.has_subject(subject, false) {
            let why =
                format!("Subject '{subject}' was soft deleted. Set permanent=true to delete permanently");
            return Err(Refusal::new(40404, why));
        }
        self.may_write(subject)?;
        let mut versions = Vec::new();
        for schema in self.state.versions(subject).filter(|schema| permanent || !schema.deleted) {
            let by_others = |one: &&std::sync::Arc<crate::model::Schema>| one.subject != subject;
            if self.state.referrers(subject, schema.version, permanent).any(|one| by_others(&one)) {
                return Err(Refusal::reference_exists(subject, schema.version));
            }
            if permanent && !schema.deleted {
                let why =
                    format!("Subject '{subject}' was not deleted first before being permanently deleted");
                return Err(Refusal::new(40405, why));
            }
            versions.push(schema.version);
        }
        let records = if permanent {
            let mut records: Vec<Record> =
                versions.iter().rev().map(|version| Record::forget(subject, *version)).collect();
            records.extend(self.settings_of(subject));
            records
        } else {
            vec![Record::delete_subject(subject, versions.last().copied().unwrap_or(0))]
        };
        written(records, versions)
    }

    /// What is set for a subject goes with its last version.
    fn settings_of(&self, subject: &str) -> Vec<Record> {
        let mode = self.state.mode(Some(subject)).map(|_| Record::mode(Some(subject), None));
        let config = self.state.config(Some(subject)).map(|_| Record::config(Some(subject), None));
        mode.into_iter().chain(config).collect()
    }
}
