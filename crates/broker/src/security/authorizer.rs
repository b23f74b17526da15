//! Kafka's `StandardAuthorizer` (KIP-801): who may do what, by the entries of the image and two keys of the file. Owns the rules of matching;
//! never the entries, nor what an answer says of a refusal.
//!
//! A super user may do everything. Otherwise any entry that denies wins over all that allow; without any entry for the resource the file
//! says (`allow.everyone.if.no.acl.found`); else nobody may. READ, WRITE, DELETE and ALTER imply DESCRIBE, and ALTER_CONFIGS implies
//! DESCRIBE_CONFIGS, where they are allowed; denied, each is itself alone.

use core::net::IpAddr;
use std::collections::BTreeSet;
use std::sync::Arc;

use kraft::image::{AclImage, AclsImage, LITERAL, PREFIXED, WILDCARD};
use wire::ErrorCode;
use wire::address_range::AddressRange;

use super::principal::Principal;

/// The one class that is known.
pub const STANDARD_AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// Kafka's name of the cluster as a resource.
pub(crate) const CLUSTER_NAME: &str = "kafka-cluster";

/// Entries for everybody.
const EVERYBODY: &str = "User:*";

/// Kafka's number of an entry that denies.
const DENY: i8 = 2;
/// Kafka's number of an entry that allows.
const ALLOW: i8 = 3;
/// Kafka's number of every operation at once, in an entry.
const ALL: i8 = 2;

/// What somebody wants to do; the numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // each is called as Kafka calls it
pub(crate) enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
    CreateTokens = 13,
    DescribeTokens = 14,
}

impl Operation {
    /// Kafka's enum constant, which its refusals print.
    pub fn constant(self) -> &'static str {
        match self {
            Operation::Read => "READ",
            Operation::Write => "WRITE",
            Operation::Create => "CREATE",
            Operation::Delete => "DELETE",
            Operation::Alter => "ALTER",
            Operation::Describe => "DESCRIBE",
            Operation::ClusterAction => "CLUSTER_ACTION",
            Operation::DescribeConfigs => "DESCRIBE_CONFIGS",
            Operation::AlterConfigs => "ALTER_CONFIGS",
            Operation::IdempotentWrite => "IDEMPOTENT_WRITE",
            Operation::CreateTokens => "CREATE_TOKENS",
            Operation::DescribeTokens => "DESCRIBE_TOKENS",
        }
    }

    /// By Kafka's number.
    pub fn from_number(number: i8) -> Option<Operation> {
        let all = [
            Operation::Read,
            Operation::Write,
            Operation::Create,
            Operation::Delete,
            Operation::Alter,
            Operation::Describe,
            Operation::ClusterAction,
            Operation::DescribeConfigs,
            Operation::AlterConfigs,
            Operation::IdempotentWrite,
            Operation::CreateTokens,
            Operation::DescribeTokens,
        ];
        all.into_iter().find(|one| *one as i8 == number)
    }

    /// Whether an entry with the operation `granted` allows this one.
    fn is_implied_by(self, granted: i8) -> bool {
        let implying: &[Operation] = match self {
            Operation::Describe => &[Operation::Read, Operation::Write, Operation::Delete, Operation::Alter],
            Operation::DescribeConfigs => &[Operation::AlterConfigs],
            _ => &[],
        };
        self as i8 == granted || implying.iter().any(|one| *one as i8 == granted)
    }
}

/// The types of resources; the numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    /// By name.
    Topic = 2,
    /// By its id.
    Group = 3,
    /// There is one.
    Cluster = 4,
    /// By the transactional id.
    TransactionalId = 5,
    /// By its id (KIP-48).
    DelegationToken = 6,
    /// By the principal, as `User:name` (KIP-373).
    User = 7,
}

/// What somebody wants to do it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    /// By name.
    Topic(&'a str),
    /// By its id.
    Group(&'a str),
    /// There is one.
    Cluster,
    /// By the transactional id.
    TransactionalId(&'a str),
    /// By its id (KIP-48).
    DelegationToken(&'a str),
    /// By the principal, as `User:name` (KIP-373).
    User(&'a str),
}

impl Resource<'_> {
    /// Of which type.
    pub fn kind(&self) -> ResourceKind {
        match self {
            Resource::Topic(_) => ResourceKind::Topic,
            Resource::Group(_) => ResourceKind::Group,
            Resource::Cluster => ResourceKind::Cluster,
            Resource::TransactionalId(_) => ResourceKind::TransactionalId,
            Resource::DelegationToken(_) => ResourceKind::DelegationToken,
            Resource::User(_) => ResourceKind::User,
        }
    }

    /// As entries name it.
    pub fn name(&self) -> &str {
        match self {
            Resource::Topic(name)
            | Resource::Group(name)
            | Resource::TransactionalId(name)
            | Resource::DelegationToken(name)
            | Resource::User(name) => name,
            Resource::Cluster => CLUSTER_NAME,
        }
    }

    /// What whoever may not hears.
    pub fn refusal(&self) -> ErrorCode {
        match self {
            Resource::Topic(_) => ErrorCode::TopicAuthorizationFailed,
            Resource::Group(_) => ErrorCode::GroupAuthorizationFailed,
            Resource::Cluster => ErrorCode::ClusterAuthorizationFailed,
            Resource::TransactionalId(_) => ErrorCode::TransactionalIdAuthorizationFailed,
            Resource::DelegationToken(_) | Resource::User(_) => ErrorCode::DelegationTokenAuthorizationFailed,
        }
    }
}

/// Who asks, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// Authenticated by whoever accepted the connection.
    pub principal: &'a Principal,
    /// The address, as connections name it (`/127.0.0.1`).
    pub host: &'a str,
}

impl Asker<'_> {
    /// The address alone.
    pub fn address(&self) -> &str {
        self.host.trim_start_matches('/')
    }

    fn is_at(&self, host: &str) -> bool {
        host == WILDCARD || host == self.address() || (host.contains('/') && self.is_within(host))
    }

    #[cold]
    fn is_within(&self, range: &str) -> bool {
        let address = self.address().parse::<IpAddr>();
        AddressRange::parse(range).is_ok_and(|range| address.is_ok_and(|address| range.contains(address)))
    }
}

/// The rule that decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// `super.users` names the principal.
    SuperUser,
    /// The metadata has not been read yet: nobody else may anything.
    NotReady,
    /// This entry allows or denies.
    Entry(Arc<AclImage>),
    /// No entry allows, and some speak of the resource, or `allow.everyone.if.no.acl.found` says no.
    NothingAllows,
    /// No entry speaks of the resource, and `allow.everyone.if.no.acl.found` says yes.
    NothingSaid,
}

impl Rule {
    /// Whether it allows.
    pub fn allows(&self) -> bool {
        match self {
            Rule::SuperUser | Rule::NothingSaid => true,
            Rule::NotReady | Rule::NothingAllows => false,
            Rule::Entry(acl) => acl.permission_type == ALLOW,
        }
    }
}

/// The rules of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authorizer {
    super_users: BTreeSet<Principal>,
    everyone_without_entries: bool,
}

impl Authorizer {
    /// By `super.users` (separated by semicolons) and `allow.everyone.if.no.acl.found`; why not.
    pub fn new(super_users: &str, everyone_without_entries: &str) -> Result<Authorizer, String> {
        let named = super_users.split(';').map(str::trim).filter(|one| !one.is_empty());
        let parse = |one: &str| {
            let why = || {
                format!(
                    "super.users: {one} is no principal: write it as User:name, several with ; between them"
                )
            };
            Principal::parse(one).ok_or_else(why)
        };
        Ok(Authorizer {
            super_users: named.map(parse).collect::<Result<_, _>>()?,
            everyone_without_entries: everyone_without_entries.trim().eq_ignore_ascii_case("true"),
        })
    }

    /// May do everything, also before the metadata is read.
    pub fn is_super_user(&self, principal: &Principal) -> bool {
        // Whether it logged in by a token makes no other principal.
        match principal.by_token {
            false => self.super_users.contains(principal),
            true => self.super_users.contains(&Principal { by_token: false, ..principal.clone() }),
        }
    }

    /// Which rule decides. `acls` are `None` until the metadata has been read.
    pub fn rule(
        &self,
        acls: Option<&AclsImage>,
        asker: Asker<'_>,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Rule {
        if self.is_super_user(asker.principal) {
            return Rule::SuperUser;
        }
        let Some(acls) = acls else { return Rule::NotReady };
        let (kind, name) = (resource.kind() as i8, resource.name());
        let own = asker.principal.spelled();
        let mut allowing = None;
        for principal in [own.as_str(), EVERYBODY] {
            for acl in acls.of(principal, kind, name) {
                if !asker.is_at(&acl.host) {
                    continue;
                }
                match acl.permission_type {
                    ALLOW if acl.operation == ALL || operation.is_implied_by(acl.operation) => {
                        allowing = allowing.or(Some(acl));
                    }
                    DENY if acl.operation == ALL || acl.operation == operation as i8 => {
                        return Rule::Entry(Arc::clone(acl));
                    }
                    _ => {}
                }
            }
        }
        match allowing {
            Some(acl) => Rule::Entry(Arc::clone(acl)),
            None if self.everyone_without_entries && !acls.speaks_of(kind, name) => Rule::NothingSaid,
            None => Rule::NothingAllows,
        }
    }

    /// Whether there is any resource of a type that somebody may do this to (KIP-679): one that is allowed and not denied as well.
    /// Operations imply no others here, as in Kafka.
    pub fn may_any(
        &self,
        acls: Option<&AclsImage>,
        asker: Asker<'_>,
        operation: Operation,
        kind: ResourceKind,
    ) -> bool {
        // A name that nobody gives to anything: what is said of all resources is said of it.
        const NOBODYS: &str = "hardcode";
        let nobodys = match kind {
            ResourceKind::Topic => Resource::Topic(NOBODYS),
            ResourceKind::Group => Resource::Group(NOBODYS),
            ResourceKind::TransactionalId => Resource::TransactionalId(NOBODYS),
            ResourceKind::Cluster => Resource::Cluster,
            ResourceKind::DelegationToken => Resource::DelegationToken(NOBODYS),
            ResourceKind::User => Resource::User(NOBODYS),
        };
        if self.rule(acls, asker, operation, nobodys).allows() {
            return true;
        }
        let Some(acls) = acls else { return false };
        let own = asker.principal.spelled();
        let said = || {
            let entries = [own.as_str(), EVERYBODY].into_iter().flat_map(|who| acls.of_type(who, kind as i8));
            let fits = |acl: &&Arc<AclImage>| acl.operation == ALL || acl.operation == operation as i8;
            entries.filter(fits).filter(|acl| asker.is_at(&acl.host))
        };
        let is_wildcard = |acl: &AclImage| acl.pattern_type == LITERAL && acl.resource_name == WILDCARD;
        let denied = || said().filter(|acl| acl.permission_type == DENY);
        if denied().any(|acl| is_wildcard(acl)) {
            return false;
        }
        let literal: BTreeSet<&str> = denied()
            .filter(|acl| acl.pattern_type == LITERAL)
            .map(|acl| acl.resource_name.as_str())
            .collect();
        let prefixes: BTreeSet<&str> = denied()
            .filter(|acl| acl.pattern_type == PREFIXED)
            .map(|acl| acl.resource_name.as_str())
            .collect();
        let mut allowed = said().filter(|acl| acl.permission_type == ALLOW);
        allowed.any(|acl| {
            let name = acl.resource_name.as_str();
            let is_denied = acl.pattern_type == LITERAL && literal.contains(name);
            let beginnings = name.char_indices().map(|(at, one)| name.get(..at + one.len_utf8()));
            is_wildcard(acl)
                || !(is_denied || beginnings.flatten().any(|beginning| prefixes.contains(beginning)))
        })
    }
}

#[cfg(test)]
mod tests;
