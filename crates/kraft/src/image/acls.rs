//! Access control entries (KIP-11, 290, 801) as they are stored. Deciding by them is the authorizer's business.

use super::CowMap;
use super::contradiction::{Contradiction, contradiction};
use std::sync::Arc;
use wire::records::metadata::{AccessControlEntryRecord, RemoveAccessControlEntryRecord};
use wire::{Str, Uuid};

/// One access control entry; the numbers are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclImage {
    /// Kafka's number of the resource type (2 topic, 3 group, 4 cluster, ...).
    pub resource_type: i8,
    /// The name, or its beginning, or `*`.
    pub resource_name: Str,
    /// 3 literal, 4 prefixed (KIP-290).
    pub pattern_type: i8,
    /// `User:name`.
    pub principal: Str,
    /// An address, or `*`.
    pub host: Str,
    /// Kafka's number of the operation.
    pub operation: i8,
    /// 2 deny, 3 allow.
    pub permission_type: i8,
}

/// All entries by their id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AclsImage {
    entries: CowMap<Uuid, Arc<AclImage>>,
}

impl AclsImage {
    /// All entries with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, &Arc<AclImage>)> {
        self.entries.iter().map(|(id, acl)| (*id, acl))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn add(&mut self, record: &AccessControlEntryRecord) -> Result<(), Contradiction> {
        let acl = AclImage {
            resource_type: record.resource_type,
            resource_name: record.resource_name.detached(),
            pattern_type: record.pattern_type,
            principal: record.principal.detached(),
            host: record.host.detached(),
            operation: record.operation,
            permission_type: record.permission_type,
        };
        self.entries.insert(record.id, Arc::new(acl));
        Ok(())
    }

    pub(super) fn remove(&mut self, record: &RemoveAccessControlEntryRecord) -> Result<(), Contradiction> {
        match self.entries.remove(&record.id) {
            Some(_) => Ok(()),
            None => contradiction(format!("there is no access control entry {}", record.id)),
        }
    }
}
