//! Who may do what to a subject, by the cluster's own access control entries (decision 0039). A subject is asked for as the topic
//! `_schemas:SUBJECT`, the registry as a whole as the cluster; no entry means no. Pure; who somebody is, and where entries
//! come from, is `guard.rs`'s.

use client::admin::AccessControlEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use wire::address_range::AddressRange;

// Kafka's numbers in entries.
const TOPIC: i8 = 2;
const CLUSTER: i8 = 4;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const ALL: i8 = 2;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

/// What is asked for; the numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// To see a schema.
    Read = 3,
    /// To register one.
    Write = 4,
    /// To delete one.
    Delete = 6,
    /// To see that a subject is there.
    Describe = 8,
    /// To see its configuration and mode.
    DescribeConfigs = 10,
    /// To change them.
    AlterConfigs = 11,
}

impl Operation {
    fn is_granted_by(self, granted: i8) -> bool {
        let implying: &[i8] = match self {
            // READ, WRITE, DELETE, ALTER
            Operation::Describe => &[3, 4, 6, 7],
            Operation::DescribeConfigs => &[Operation::AlterConfigs as i8],
            Operation::Read | Operation::Write | Operation::Delete | Operation::AlterConfigs => &[],
        };
        granted == ALL || granted == self as i8 || implying.contains(&granted)
    }
}

/// The entries of a cluster that speak of subjects.
#[derive(Debug, Default)]
pub struct Entries {
    /// Of the topic that keeps schemas, with a colon: what stands before a subject's name.
    prefix: String,
    by_pattern: BTreeMap<(i8, i8, String), Vec<AccessControlEntry>>,
    /// `User:name`, who may everything.
    superusers: BTreeSet<String>,
}

impl Entries {
    /// Of everything that the cluster has.
    pub fn new(topic: &str, superusers: &[String], all: Vec<AccessControlEntry>) -> Entries {
        let mut by_pattern: BTreeMap<(i8, i8, String), Vec<AccessControlEntry>> = BTreeMap::new();
        for entry in all {
            let pattern = (entry.resource_type, entry.pattern_type, entry.resource_name.to_string());
            by_pattern.entry(pattern).or_default().push(entry);
        }
        Entries { prefix: format!("{topic}:"), by_pattern, superusers: superusers.iter().cloned().collect() }
    }

    /// Every entry whose pattern speaks of a resource.
    fn about<'a>(&'a self, kind: i8, name: &'a str) -> impl Iterator<Item = &'a AccessControlEntry> {
        let ends = (1..=name.len()).filter(|end| name.is_char_boundary(*end));
        let prefixes = ends.map(|end| (PREFIXED, &name[..end]));
        let patterns = [(LITERAL, name), (LITERAL, "*")].into_iter().chain(prefixes);
        patterns
            .filter_map(move |(pattern, name)| self.by_pattern.get(&(kind, pattern, name.to_owned())))
            .flatten()
    }

    fn may(&self, caller: &Caller, operation: Operation, kind: i8, name: &str) -> bool {
        if self.superusers.contains(&caller.principal) {
            return true;
        }
        let mut allowed = false;
        for entry in self.about(kind, name) {
            if entry.principal != "User:*" && *entry.principal != *caller.principal {
                continue;
            }
            let here = entry.host == "*" || caller.host.is_some_and(|host| is_at(host, &entry.host));
            let denies = entry.operation == ALL || entry.operation == operation as i8;
            match entry.permission_type {
                // Where the address is not known, whoever is denied anywhere is denied.
                DENY if denies && (here || caller.host.is_none()) => return false,
                ALLOW if here => allowed |= operation.is_granted_by(entry.operation),
                _elsewhere => {}
            }
        }
        allowed
    }
}

/// Whether an entry for these hosts, an address or a range of them, is one for this one.
fn is_at(host: IpAddr, hosts: &str) -> bool {
    hosts.parse() == Ok(host) || AddressRange::parse(hosts).is_ok_and(|range| range.contains(host))
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `User:name`.
    pub principal: String,
    /// From where; `None` if another registry forwarded it.
    pub host: Option<IpAddr>,
}

/// What somebody may do.
#[derive(Debug, Clone, Default)]
pub struct Rights(Option<(Caller, Arc<Entries>)>);

impl Rights {
    /// By the entries.
    pub fn of(caller: Caller, entries: Arc<Entries>) -> Rights {
        Rights(Some((caller, entries)))
    }

    /// Whether an operation is allowed on a subject, a context (`:.ctx:`) or, without one, on the registry as a whole.
    pub fn may(&self, operation: Operation, place: Option<&str>) -> bool {
        let Some((caller, entries)) = &self.0 else { return true };
        match place.filter(|place| !place.is_empty()) {
            Some(place) => entries.may(caller, operation, TOPIC, &format!("{}{place}", entries.prefix)),
            None => entries.may(caller, operation, CLUSTER, "kafka-cluster"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::Str;

    fn entry(
        name: &str,
        pattern: i8,
        principal: &str,
        host: &str,
        operation: i8,
        permission: i8,
    ) -> AccessControlEntry {
        AccessControlEntry {
            resource_type: if name == "kafka-cluster" { CLUSTER } else { TOPIC },
            resource_name: Str::from(name),
            pattern_type: pattern,
            principal: Str::from(principal),
            host: Str::from(host),
            operation,
            permission_type: permission,
        }
    }

    #[test]
    fn no_entry_means_no_and_a_denial_wins() {
        let entries = Arc::new(Entries::new(
            "_schemas",
            &["User:root".to_owned()],
            vec![
                entry("_schemas:orders-", PREFIXED, "User:ann", "*", 3, ALLOW),
                entry("_schemas:orders-value", LITERAL, "User:ann", "*", 4, ALLOW),
                entry("_schemas:orders-secret", LITERAL, "User:*", "*", 3, DENY),
                entry("_schemas:here", LITERAL, "User:ann", "10.0.0.1", 3, ALLOW),
                entry("_schemas:there", LITERAL, "User:ann", "*", ALL, ALLOW),
                entry("_schemas:there", LITERAL, "User:ann", "10.0.0.2", ALL, DENY),
                entry("_schemas:range", LITERAL, "User:ann", "10.0.0.0/24", ALL, ALLOW),
                entry("_schemas:range", LITERAL, "User:*", "10.0.0.0/30", 4, DENY),
                entry("_schemas::.ctx:", PREFIXED, "User:bob", "*", ALL, ALLOW),
                entry("kafka-cluster", LITERAL, "User:bob", "*", 11, ALLOW),
            ],
        ));
        use Operation::*;
        let at = |name: &str, host: Option<[u8; 4]>| {
            Rights::of(
                Caller { principal: format!("User:{name}"), host: host.map(IpAddr::from) },
                entries.clone(),
            )
        };
        let home = Some([10, 0, 0, 1]);
        let cases = [
            ("ann", home, Read, "orders-value", true),
            ("ann", home, Describe, "orders-value", true),
            ("ann", home, Write, "orders-value", true),
            ("ann", home, Write, "orders-key", false),
            ("ann", home, Delete, "orders-value", false),
            ("ann", home, Read, "orders-secret", false),
            ("ann", home, Read, "payments", false),
            ("ann", home, Read, "here", true),
            ("ann", None, Read, "here", false),
            ("ann", home, Delete, "there", true),
            ("ann", Some([10, 0, 0, 2]), Delete, "there", false),
            ("ann", None, Delete, "there", false),
            ("ann", home, Read, "range", true),
            ("ann", home, Write, "range", false),
            ("ann", Some([10, 0, 0, 9]), Write, "range", true),
            ("ann", Some([10, 0, 1, 9]), Read, "range", false),
            ("ann", home, DescribeConfigs, "", false),
            ("bob", home, Delete, ":.ctx:a", true),
            ("bob", home, AlterConfigs, ":.ctx:", true),
            ("bob", home, Read, "a", false),
            ("bob", home, DescribeConfigs, "", true),
            ("root", None, Delete, "anything", true),
            ("ANONYMOUS", home, Read, "orders-value", false),
        ];
        for (name, host, operation, subject, expected) in cases {
            let found = at(name, host).may(operation, Some(subject));
            assert_eq!(found, expected, "{name} {operation:?} {subject}");
        }
        assert!(Rights::default().may(Delete, None), "nobody asks for rights");
    }
}
