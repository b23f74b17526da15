//! Who may do what and who is who: access control entries (KIP-140, 290) and SCRAM credentials (KIP-554). A password is salted and hashed
//! here and goes nowhere.

use super::{Admin, Each, Whom, item};
use crate::error::{Error, Result};
use wire::Str;
use wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use wire::messages::create_acls::{AclCreation, CreateAclsRequest};
use wire::messages::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use wire::messages::describe_acls::DescribeAclsRequest;
use wire::messages::describe_user_scram_credentials::{DescribeUserScramCredentialsRequest, UserName};
use wire::sasl::scram::Mechanism;

/// One access control entry; the numbers are Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessControlEntry {
    /// Of the resource: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    pub resource_type: i8,
    /// The name, its beginning, or `*`.
    pub resource_name: Str,
    /// 3 literal, 4 prefixed.
    pub pattern_type: i8,
    /// `User:name`.
    pub principal: Str,
    /// An address, a range of them, or `*`.
    pub host: Str,
    /// 2 all, 3 read, 4 write, ...
    pub operation: i8,
    /// 2 deny, 3 allow.
    pub permission_type: i8,
}

/// What entries are looked for by; `None` says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryFilter {
    /// Of the resource.
    pub resource_type: Option<i8>,
    /// The pattern's name; with `matching` the resource's.
    pub resource_name: Option<Str>,
    /// 3 literal, 4 prefixed.
    pub pattern_type: Option<i8>,
    /// Every pattern that speaks of the name, whatever its type.
    pub matching: bool,
    /// `User:name`.
    pub principal: Option<Str>,
    /// As it stands in the entry.
    pub host: Option<Str>,
    /// The operation.
    pub operation: Option<i8>,
    /// 2 deny, 3 allow.
    pub permission_type: Option<i8>,
}

/// Kafka's numbers in filters.
const ANY: i8 = 1;
const MATCH: i8 = 2;

impl EntryFilter {
    fn pattern(&self) -> i8 {
        if self.matching { MATCH } else { self.pattern_type.unwrap_or(ANY) }
    }
}

/// A user's credential for one mechanism: never more than this is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialDescription {
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: &'static str,
    /// How often the password is hashed.
    pub iterations: i32,
}

/// What becomes of a user's credential.
#[derive(Clone, PartialEq, Eq)]
pub enum CredentialChange {
    /// It is made, or another takes its place.
    Set {
        /// Of the credential.
        mechanism: Mechanism,
        /// How often the password is hashed.
        iterations: i32,
        /// Drawn for this credential.
        salt: Vec<u8>,
        /// `Hi(password, salt, iterations)`.
        salted_password: Vec<u8>,
    },
    /// It goes.
    Delete {
        /// Of the credential.
        mechanism: Mechanism,
    },
}

impl std::fmt::Debug for CredentialChange {
    /// What logs somebody in never reaches a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CredentialChange::Set { mechanism, iterations, .. } => {
                write!(f, "Set({mechanism:?}, iterations={iterations}, [hidden])")
            }
            CredentialChange::Delete { mechanism } => write!(f, "Delete({mechanism:?})"),
        }
    }
}

impl Admin {
    /// The entries that fit. Cancel-safe.
    pub async fn describe_acls(&self, filter: &EntryFilter) -> Result<Vec<AccessControlEntry>> {
        let request = DescribeAclsRequest {
            resource_type_filter: filter.resource_type.unwrap_or(ANY),
            resource_name_filter: filter.resource_name.clone(),
            pattern_type_filter: filter.pattern(),
            principal_filter: filter.principal.clone(),
            host_filter: filter.host.clone(),
            operation: filter.operation.unwrap_or(ANY),
            permission_type: filter.permission_type.unwrap_or(ANY),
        };
        self.ask(Whom::Anybody, &request, "list ACLs", |answer| {
            Error::check(answer.error_code, answer.error_message.as_deref(), || "list ACLs".to_owned())?;
            let entries = answer.resources.iter().flat_map(|resource| {
                resource.acls.iter().map(|acl| AccessControlEntry {
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.detached(),
                    pattern_type: resource.pattern_type,
                    principal: acl.principal.detached(),
                    host: acl.host.detached(),
                    operation: acl.operation,
                    permission_type: acl.permission_type,
                })
            });
            let mut entries: Vec<AccessControlEntry> = entries.collect();
            entries.sort();
            Ok(entries)
        })
        .await
    }

    /// Creates entries; one that is there already is there. Cancel-safe: a dropped call may still be carried out.
    pub async fn create_acls(
        &self,
        entries: &[AccessControlEntry],
    ) -> Result<Vec<(AccessControlEntry, Result<()>)>> {
        let creation = |entry: &AccessControlEntry| AclCreation {
            resource_type: entry.resource_type,
            resource_name: entry.resource_name.clone(),
            resource_pattern_type: entry.pattern_type,
            principal: entry.principal.clone(),
            host: entry.host.clone(),
            operation: entry.operation,
            permission_type: entry.permission_type,
        };
        let request = CreateAclsRequest { creations: entries.iter().map(creation).collect() };
        self.ask(Whom::Controller, &request, "create ACLs", |answer| {
            let mut each = Vec::with_capacity(entries.len());
            for (entry, result) in entries.iter().zip(&answer.results) {
                let doing = || "create an ACL".to_owned();
                match Error::check(result.error_code, result.error_message.as_deref(), doing) {
                    Err(error) if error.is_retriable() => return Err(error),
                    outcome => each.push((entry.clone(), outcome)),
                }
            }
            Ok(each)
        })
        .await
    }

    /// Deletes the entries that fit and says which. Cancel-safe: a dropped call may still be carried out.
    pub async fn delete_acls(&self, filter: &EntryFilter) -> Result<Vec<AccessControlEntry>> {
        let filter = DeleteAclsFilter {
            resource_type_filter: filter.resource_type.unwrap_or(ANY),
            resource_name_filter: filter.resource_name.clone(),
            pattern_type_filter: filter.pattern(),
            principal_filter: filter.principal.clone(),
            host_filter: filter.host.clone(),
            operation: filter.operation.unwrap_or(ANY),
            permission_type: filter.permission_type.unwrap_or(ANY),
        };
        self.ask(Whom::Controller, &DeleteAclsRequest { filters: vec![filter] }, "delete ACLs", |answer| {
            let mut gone = Vec::new();
            for result in &answer.filter_results {
                let doing = || "delete ACLs".to_owned();
                Error::check(result.error_code, result.error_message.as_deref(), doing)?;
                gone.extend(result.matching_acls.iter().map(|acl| AccessControlEntry {
                    resource_type: acl.resource_type,
                    resource_name: acl.resource_name.detached(),
                    pattern_type: acl.pattern_type,
                    principal: acl.principal.detached(),
                    host: acl.host.detached(),
                    operation: acl.operation,
                    permission_type: acl.permission_type,
                }));
            }
            gone.sort();
            Ok(gone)
        })
        .await
    }

    /// Which credentials users have; without names, of all who have any. Cancel-safe.
    pub async fn describe_credentials(&self, users: &[Str]) -> Result<Each<Str, Vec<CredentialDescription>>> {
        let named = |user: &Str| UserName { name: user.clone() };
        let users = (!users.is_empty()).then(|| users.iter().map(named).collect());
        let request = DescribeUserScramCredentialsRequest { users };
        self.ask(Whom::Anybody, &request, "describe users", |answer| {
            let doing = || "describe users".to_owned();
            Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
            let mut each = Each::new();
            for user in &answer.results {
                let name = user.user.detached();
                let doing = || format!("describe user {name:?}");
                let outcome = Error::check(user.error_code, user.error_message.as_deref(), doing).map(|()| {
                    let infos = user.credential_infos.iter();
                    let description =
                        |info: &wire::messages::describe_user_scram_credentials::CredentialInfo| {
                            let mechanism =
                                if info.mechanism == 2 { "SCRAM-SHA-512" } else { "SCRAM-SHA-256" };
                            CredentialDescription { mechanism, iterations: info.iterations }
                        };
                    infos.map(description).collect()
                });
                item(&mut each, user.user.detached(), outcome)?;
            }
            Ok(each)
        })
        .await
    }

    /// Sets or deletes one credential of a user. Cancel-safe: a dropped call may still be carried out.
    pub async fn change_credential(&self, user: &Str, change: &CredentialChange) -> Result<()> {
        let mut request = AlterUserScramCredentialsRequest { deletions: Vec::new(), upsertions: Vec::new() };
        let name = user.clone();
        match change {
            CredentialChange::Set { mechanism, iterations, salt, salted_password } => {
                request.upsertions.push(ScramCredentialUpsertion {
                    name,
                    mechanism: mechanism.id(),
                    iterations: *iterations,
                    salt: salt.clone().into(),
                    salted_password: salted_password.clone().into(),
                });
            }
            CredentialChange::Delete { mechanism } => {
                request.deletions.push(ScramCredentialDeletion { name, mechanism: mechanism.id() });
            }
        }
        self.ask(Whom::Controller, &request, "change a user", |answer| {
            answer.results.iter().try_for_each(|result| {
                let doing = || format!("change user {user:?}");
                Error::check(result.error_code, result.error_message.as_deref(), doing)
            })
        })
        .await
    }
}
