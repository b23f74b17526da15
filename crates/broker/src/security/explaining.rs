//! A decision of the authorizer replayed outside of a node, by the very rules that decide inside, for whoever asks why.

use kraft::image::MetadataImage;
use wire::Uuid;
use wire::records::metadata::AccessControlEntryRecord;

use super::authorizer::{Asker, Authorizer, Operation, Resource, Rule};
use super::principal::Principal;

/// What is asked; the numbers are Kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub principal: Principal,
    /// From which address.
    pub host: String,
    /// Which operation (3 read, ...).
    pub operation: i8,
    /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    pub resource_type: i8,
    /// The name of the resource; none of the cluster.
    pub resource_name: String,
    /// `super.users`, as the node has it.
    pub super_users: String,
    /// `allow.everyone.if.no.acl.found`
    pub everyone_without_entries: bool,
}

/// What decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// `super.users` names the principal.
    SuperUser,
    /// This entry, by its place among those that were given.
    Entry(usize),
    /// No entry allows it.
    NothingAllows,
    /// No entry speaks of the resource, which is enough.
    NothingSaid,
}

/// The rules of a file, and entries, outside of a node.
pub struct Replay {
    image: MetadataImage,
    authorizer: Authorizer,
}

impl Replay {
    /// Of these entries, `super.users` and `allow.everyone.if.no.acl.found`; `None` if they are none.
    pub fn new(
        entries: &[AccessControlEntryRecord],
        super_users: &str,
        everyone_without_entries: bool,
    ) -> Option<Replay> {
        let mut image = MetadataImage::default();
        for (at, entry) in entries.iter().enumerate() {
            let id = Uuid::from_halves(0, at as u64 + 1);
            let record = AccessControlEntryRecord { id, ..entry.clone() };
            image.apply(&record.into()).ok()?;
        }
        let everyone = if everyone_without_entries { "true" } else { "false" };
        Some(Replay { image, authorizer: Authorizer::new(super_users, everyone).ok()? })
    }

    /// Whether it is allowed; `None` for an operation or a type of resource that no entry can speak of.
    pub fn allows(
        &self,
        principal: &Principal,
        host: &str,
        operation: i8,
        resource: (i8, &str),
    ) -> Option<bool> {
        Some(self.rule(principal, host, operation, resource)?.allows())
    }

    fn rule(
        &self,
        principal: &Principal,
        host: &str,
        operation: i8,
        (kind, name): (i8, &str),
    ) -> Option<Rule> {
        let operation = Operation::from_number(operation)?;
        let resource = match kind {
            2 => Resource::Topic(name),
            3 => Resource::Group(name),
            4 => Resource::Cluster,
            5 => Resource::TransactionalId(name),
            6 => Resource::DelegationToken(name),
            7 => Resource::User(name),
            _ => return None,
        };
        Some(self.authorizer.rule(Some(&self.image.acls), Asker { principal, host }, operation, resource))
    }
}

/// Whether it is allowed and what decides; `None` for an operation or a type of resource that no entry can speak of.
pub fn explain(entries: &[AccessControlEntryRecord], question: &Question) -> Option<(bool, Because)> {
    let replay = Replay::new(entries, &question.super_users, question.everyone_without_entries)?;
    let resource = (question.resource_type, question.resource_name.as_str());
    let rule = replay.rule(&question.principal, &question.host, question.operation, resource)?;
    let because = match &rule {
        Rule::Entry(acl) => {
            let (id, _) = replay.image.acls.iter().find(|(_, one)| *one == acl)?;
            let at = (0..entries.len()).find(|at| Uuid::from_halves(0, *at as u64 + 1) == id)?;
            Because::Entry(at)
        }
        Rule::SuperUser => Because::SuperUser,
        Rule::NothingSaid => Because::NothingSaid,
        Rule::NotReady | Rule::NothingAllows => Because::NothingAllows,
    };
    Some((rule.allows(), because))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_that_decides_is_named() {
        let entry = |operation, permission_type| AccessControlEntryRecord {
            resource_type: 2,
            resource_name: "t".into(),
            pattern_type: 3,
            principal: "User:a".into(),
            host: "*".into(),
            operation,
            permission_type,
            ..AccessControlEntryRecord::default()
        };
        let question = |operation, name: &str| Question {
            principal: Principal::user("a"),
            host: "10.0.0.1".to_owned(),
            operation,
            resource_type: 2,
            resource_name: name.to_owned(),
            super_users: "User:root".to_owned(),
            everyone_without_entries: false,
        };
        let entries = [entry(4, 3), entry(3, 3), entry(3, 2)];
        assert_eq!(explain(&entries, &question(3, "t")), Some((false, Because::Entry(2))));
        assert_eq!(explain(&entries, &question(4, "t")), Some((true, Because::Entry(0))));
        assert_eq!(explain(&entries, &question(4, "u")), Some((false, Because::NothingAllows)));
        let open = Question { everyone_without_entries: true, ..question(4, "u") };
        assert_eq!(explain(&entries, &open), Some((true, Because::NothingSaid)));
        assert_eq!(explain(&entries, &question(99, "t")), None);
        let root = Question { principal: Principal::user("root"), ..question(3, "t") };
        assert_eq!(explain(&entries, &root), Some((true, Because::SuperUser)));
        let open_but_spoken_of = Question { everyone_without_entries: true, ..question(7, "t") };
        assert_eq!(explain(&entries, &open_but_spoken_of), Some((false, Because::NothingAllows)));
    }
}
