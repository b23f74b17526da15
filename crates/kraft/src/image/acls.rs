//! Access control entries (KIP-11, 290, 801) as they are stored, and where to find those that speak of a principal and a resource.
//! Deciding by them is the authorizer's business.

use super::CowMap;
use super::contradiction::{Contradiction, contradiction};
use std::sync::Arc;
use wire::records::metadata::{AccessControlEntryRecord, RemoveAccessControlEntryRecord};
use wire::{Str, Uuid};

/// The name of a literal entry that speaks of every resource of its type.
pub const WILDCARD: &str = "*";

/// Kafka's number of a literal pattern.
pub const LITERAL: i8 = 3;

/// Kafka's number of a prefixed pattern (KIP-290).
pub const PREFIXED: i8 = 4;

/// One access control entry; the numbers are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// What entries are looked for by (KIP-290); `None` and Kafka's number 1 (ANY) say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclFilter {
    /// Of the resource.
    pub resource_type: i8,
    /// The pattern's name, or with [`AclFilter::MATCH`] the resource's.
    pub resource_name: Option<Str>,
    /// 1 any, 2 whatever speaks of the name, 3 literal, 4 prefixed.
    pub pattern_type: i8,
    /// `User:name`.
    pub principal: Option<Str>,
    /// As it stands in the entry.
    pub host: Option<Str>,
    /// Kafka's number of the operation.
    pub operation: i8,
    /// 2 deny, 3 allow.
    pub permission_type: i8,
}

impl AclFilter {
    /// Kafka's number for anything.
    pub const ANY: i8 = 1;
    /// Kafka's number for patterns that speak of a resource of the name.
    pub const MATCH: i8 = 2;

    /// Whether an entry is looked for.
    pub fn matches(&self, acl: &AclImage) -> bool {
        let is = |wanted: i8, there: i8| wanted == Self::ANY || wanted == there;
        let says = |wanted: &Option<Str>, there: &Str| wanted.as_ref().is_none_or(|wanted| wanted == there);
        is(self.resource_type, acl.resource_type)
            && (self.pattern_type == Self::MATCH || is(self.pattern_type, acl.pattern_type))
            && self.resource_name.as_ref().is_none_or(|name| self.names(name, acl))
            && says(&self.principal, &acl.principal)
            && says(&self.host, &acl.host)
            && is(self.operation, acl.operation)
            && is(self.permission_type, acl.permission_type)
    }

    fn names(&self, name: &Str, acl: &AclImage) -> bool {
        match acl.pattern_type {
            _ if self.pattern_type != Self::MATCH => *name == acl.resource_name,
            PREFIXED => name.starts_with(acl.resource_name.as_str()),
            _ => *name == acl.resource_name || acl.resource_name == WILDCARD,
        }
    }
}

/// All entries by their id.
///
/// Invariant ([`AclsImage::check`]): the index names each entry as often as the entries hold it.
#[derive(Clone, Debug, Default)]
pub struct AclsImage {
    entries: CowMap<Uuid, Arc<AclImage>>,
    index: Arc<Index>,
}

/// Ten thousand entries are not looked through for a request: they are found by principal, type and name. Shared between images, and
/// each change copies only its own way.
#[derive(Clone, Debug, Default)]
struct Index {
    by_principal: CowMap<Str, Arc<Patterns>>,
    /// The same for all principals together, without their entries: whether any speaks of a resource.
    anybody: Patterns,
    /// How often each entry stands there.
    twins: CowMap<Arc<AclImage>, u32>,
}

/// The patterns of one principal by the type of the resource.
#[derive(Clone, Debug, Default)]
struct Patterns {
    of_type: CowMap<i8, Arc<OfType>>,
}

/// The patterns for one type of resource.
#[derive(Clone, Debug, Default)]
struct OfType {
    literal: CowMap<Str, Bucket>,
    prefixed: CowMap<Str, Bucket>,
    /// Bytes of the names in `prefixed`, and how many of them there are: so many beginnings of a name are looked up.
    prefix_lengths: CowMap<usize, usize>,
}

/// What is said of one pattern.
#[derive(Clone, Debug, Default)]
struct Bucket {
    /// Empty where only the count matters.
    entries: Arc<Vec<Arc<AclImage>>>,
    count: usize,
}

impl Bucket {
    fn add(&mut self, acl: Option<&Arc<AclImage>>) {
        self.count += 1;
        self.entries = match acl {
            Some(acl) => Arc::new(self.entries.iter().chain([acl]).cloned().collect()),
            None => return,
        };
    }

    fn remove(&mut self, acl: Option<&Arc<AclImage>>) {
        self.count -= 1;
        let Some(acl) = acl else { return };
        let at = self.entries.iter().position(|one| one == acl);
        let others = self.entries.iter().enumerate().filter(|(index, _)| Some(*index) != at);
        self.entries = Arc::new(others.map(|(_, one)| Arc::clone(one)).collect());
    }
}

impl OfType {
    /// What is said of `name`: by its own pattern, by the wildcard, by each of its beginnings.
    fn matching(&self, name: &str) -> impl Iterator<Item = &Bucket> {
        let own = self.literal.get(name).filter(|_| name != WILDCARD);
        let wildcard = self.literal.get(WILDCARD);
        let beginnings = self.prefix_lengths.keys().take_while(|length| **length <= name.len());
        let beginning = |length: &usize| self.prefixed.get(name.get(..*length)?);
        [own, wildcard].into_iter().flatten().chain(beginnings.filter_map(beginning))
    }

    fn change(&mut self, acl: &AclImage, change: impl FnOnce(&mut Bucket)) {
        let is_prefixed = acl.pattern_type == PREFIXED;
        let names = if is_prefixed { &mut self.prefixed } else { &mut self.literal };
        let mut bucket = names.get(&acl.resource_name).cloned().unwrap_or_default();
        let was_there = bucket.count > 0;
        change(&mut bucket);
        let is_there = bucket.count > 0;
        if is_there {
            names.insert(acl.resource_name.clone(), bucket);
        } else {
            names.remove(&acl.resource_name);
        }
        if is_prefixed && was_there != is_there {
            let length = acl.resource_name.len();
            let others = self.prefix_lengths.get(&length).copied().unwrap_or_default();
            match if is_there { others + 1 } else { others.saturating_sub(1) } {
                0 => self.prefix_lengths.remove(&length),
                names => self.prefix_lengths.insert(length, names),
            };
        }
    }
}

impl Patterns {
    fn change(&mut self, acl: &AclImage, change: impl FnOnce(&mut Bucket)) {
        let mut of_type =
            self.of_type.get(&acl.resource_type).map(|known| (**known).clone()).unwrap_or_default();
        of_type.change(acl, change);
        if of_type.literal.is_empty() && of_type.prefixed.is_empty() {
            self.of_type.remove(&acl.resource_type);
        } else {
            self.of_type.insert(acl.resource_type, Arc::new(of_type));
        }
    }
}

impl Index {
    fn add(&mut self, acl: &Arc<AclImage>) {
        let twins = self.twins.get(acl).copied().unwrap_or_default();
        self.twins.insert(Arc::clone(acl), twins + 1);
        let mut own =
            self.by_principal.get(&acl.principal).map(|known| (**known).clone()).unwrap_or_default();
        own.change(acl, |bucket| bucket.add(Some(acl)));
        self.by_principal.insert(acl.principal.clone(), Arc::new(own));
        self.anybody.change(acl, |bucket| bucket.add(None));
    }

    fn remove(&mut self, acl: &Arc<AclImage>) {
        match self.twins.get(acl).copied().unwrap_or_default() {
            0 | 1 => self.twins.remove(acl),
            twins => self.twins.insert(Arc::clone(acl), twins - 1),
        };
        let Some(own) = self.by_principal.get(&acl.principal) else { return };
        let mut own = (**own).clone();
        own.change(acl, |bucket| bucket.remove(Some(acl)));
        if own.of_type.is_empty() {
            self.by_principal.remove(&acl.principal);
        } else {
            self.by_principal.insert(acl.principal.clone(), Arc::new(own));
        }
        self.anybody.change(acl, |bucket| bucket.remove(None));
    }
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

    /// An entry that says exactly this is there.
    pub fn contains(&self, acl: &AclImage) -> bool {
        self.index.twins.contains_key(acl)
    }

    /// What is said to exactly this principal (`User:alice`, `User:*`) of a resource: by its name, by `*`, by a beginning of its name.
    pub fn of<'a>(
        &'a self,
        principal: &str,
        resource_type: i8,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Arc<AclImage>> {
        let own = self.index.by_principal.get(principal);
        let of_type = own.and_then(|own| own.of_type.get(&resource_type));
        let buckets = of_type.map(|of_type| of_type.matching(name)).into_iter().flatten();
        buckets.flat_map(|bucket| bucket.entries.iter())
    }

    /// All that is said to exactly this principal of any resource of a type.
    pub fn of_type<'a>(
        &'a self,
        principal: &str,
        resource_type: i8,
    ) -> impl Iterator<Item = &'a Arc<AclImage>> {
        let own = self.index.by_principal.get(principal);
        let of_type = own.and_then(|own| own.of_type.get(&resource_type));
        let buckets = of_type.into_iter().flat_map(|of| of.literal.values().chain(of.prefixed.values()));
        buckets.flat_map(|bucket| bucket.entries.iter())
    }

    /// Whether anything is said to anybody of a resource.
    pub fn speaks_of(&self, resource_type: i8, name: &str) -> bool {
        let of_type = self.index.anybody.of_type.get(&resource_type);
        of_type.is_some_and(|of_type| of_type.matching(name).next().is_some())
    }

    /// True of two images between which no entry came or went.
    pub fn is_same(&self, other: &AclsImage) -> bool {
        Arc::ptr_eq(&self.index, &other.index)
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
        let acl = Arc::new(acl);
        let replaced = self.entries.insert(record.id, Arc::clone(&acl));
        let index = Arc::make_mut(&mut self.index);
        if let Some(replaced) = replaced {
            index.remove(&replaced);
        }
        index.add(&acl);
        Ok(())
    }

    pub(super) fn remove(&mut self, record: &RemoveAccessControlEntryRecord) -> Result<(), Contradiction> {
        match self.entries.remove(&record.id) {
            Some(acl) => {
                Arc::make_mut(&mut self.index).remove(&acl);
                Ok(())
            }
            None => contradiction(format!("there is no access control entry {}", record.id)),
        }
    }

    /// The invariant of the type.
    pub(super) fn check(&self) {
        let indexed: usize = self.index.twins.values().map(|twins| *twins as usize).sum();
        assert_eq!(indexed, self.entries.len(), "the index of ACLs and the ACLs are not the same");
    }
}

impl PartialEq for AclsImage {
    fn eq(&self, other: &AclsImage) -> bool {
        self.entries == other.entries
    }
}

#[cfg(test)]
mod tests;
