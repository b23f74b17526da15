//! What entries and credentials are written, and what is refused; in Kafka's words, which the differential holds against Kafka itself.

use crate::controller::{ControllerAnswer, ControllerCommand};
use crate::image::AclImage;
use crate::raft::SharedLog;
use crate::testing::One;
use std::sync::Arc;
use wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use wire::messages::create_acls::{AclCreation, CreateAclsRequest};
use wire::messages::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use wire::sasl::scram::Mechanism;

fn started() -> One {
    let mut one = One::open(SharedLog::default(), 1_000_000).unwrap_or_else(|error| panic!("{error}"));
    one.turn();
    one
}

fn creation(name: &str, operation: i8) -> AclCreation {
    AclCreation {
        resource_type: 2,
        resource_name: name.into(),
        resource_pattern_type: 3,
        principal: "User:a".into(),
        host: "*".into(),
        operation,
        permission_type: 3,
    }
}

fn create(one: &mut One, creations: Vec<AclCreation>) -> Vec<(i16, String)> {
    match one.ask(ControllerCommand::CreateAcls(CreateAclsRequest { creations })) {
        ControllerAnswer::CreateAcls(answer) => {
            let said =
                |text: &Option<wire::Str>| text.as_ref().map(|text| text.to_string()).unwrap_or_default();
            answer.results.iter().map(|result| (result.error_code, said(&result.error_message))).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn delete(one: &mut One, name: Option<&str>, pattern_type_filter: i8) -> usize {
    let filter = DeleteAclsFilter {
        resource_type_filter: 1,
        resource_name_filter: name.map(Into::into),
        pattern_type_filter,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
    };
    match one.ask(ControllerCommand::DeleteAcls(DeleteAclsRequest { filters: vec![filter] })) {
        ControllerAnswer::DeleteAcls(answer) => {
            answer.filter_results.iter().map(|one| one.matching_acls.len()).sum()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_is_written_once_and_goes_by_its_filter() {
    let mut one = started();
    let fine = vec![(0, String::new()); 2];
    assert_eq!(create(&mut one, vec![creation("t", 3), creation("t", 3)]), fine);
    assert_eq!(create(&mut one, vec![creation("t", 3), creation("*", 4)]), fine);
    let prefixed = AclCreation { resource_pattern_type: 4, ..creation("te", 3) };
    create(&mut one, vec![prefixed]);
    let image = one.image();
    let mut all: Vec<Arc<AclImage>> = image.acls.iter().map(|(_, acl)| Arc::clone(acl)).collect();
    all.sort();
    assert_eq!(all.iter().map(|acl| acl.resource_name.as_str()).collect::<Vec<_>>(), ["*", "t", "te"]);
    assert_eq!(delete(&mut one, Some("t"), 3), 1, "the name alone");
    assert_eq!(delete(&mut one, Some("test"), 2), 2, "whatever speaks of it");
    assert!(one.image().acls.is_empty());
    assert_eq!(delete(&mut one, None, 1), 0);
}

#[test]
fn what_is_no_entry_is_refused() {
    let good = || creation("t", 3);
    let cases = [
        (AclCreation { resource_name: "".into(), ..good() }, 42, "Invalid empty resource name"),
        (AclCreation { resource_type: 8, ..good() }, 42, "Invalid resourceType UNKNOWN"),
        (AclCreation { resource_pattern_type: 5, ..good() }, 42, "Invalid patternType UNKNOWN"),
        (AclCreation { operation: 16, ..good() }, 42, "Invalid operation UNKNOWN"),
        (AclCreation { permission_type: 4, ..good() }, 42, "Invalid permissionType UNKNOWN"),
        (AclCreation { host: "".into(), ..good() }, 42, "Host pattern cannot be null or empty"),
        (
            AclCreation { host: "1.2.3.4/33".into(), ..good() },
            42,
            "Invalid CIDR notation '1.2.3.4/33': Value [33] not in range [0,32]",
        ),
        (
            AclCreation { resource_type: 4, ..good() },
            42,
            "The only valid name for the CLUSTER resource is kafka-cluster",
        ),
        (
            AclCreation { principal: "a".into(), ..good() },
            42,
            "Could not parse principal from `a` (no colon is present separating the principal type from the principal name)",
        ),
        (AclCreation { operation: 1, ..good() }, -1, ""),
        (AclCreation { resource_pattern_type: 2, ..good() }, -1, ""),
    ];
    let mut one = started();
    for (creation, code, words) in cases {
        assert_eq!(create(&mut one, vec![creation.clone()]), [(code, words.to_owned())], "{creation:?}");
    }
    assert!(one.image().acls.is_empty());
    let ranged = AclCreation { host: "10.0.0.0/8".into(), ..good() };
    assert_eq!(create(&mut one, vec![ranged]), [(0, String::new())]);
}

fn alter(one: &mut One, deletions: &[(&str, i8)], upsertions: &[(&str, i8, i32)]) -> Vec<(String, i16)> {
    let deletion = |(name, mechanism): &(&str, i8)| ScramCredentialDeletion {
        name: (*name).into(),
        mechanism: *mechanism,
    };
    let upsertion = |(name, mechanism, iterations): &(&str, i8, i32)| ScramCredentialUpsertion {
        name: (*name).into(),
        mechanism: *mechanism,
        iterations: *iterations,
        salt: b"salt".to_vec().into(),
        salted_password: b"salted".to_vec().into(),
    };
    let request = AlterUserScramCredentialsRequest {
        deletions: deletions.iter().map(deletion).collect(),
        upsertions: upsertions.iter().map(upsertion).collect(),
    };
    match one.ask(ControllerCommand::AlterUserScramCredentials(request)) {
        ControllerAnswer::AlterUserScramCredentials(answer) => {
            answer.results.iter().map(|result| (result.user.to_string(), result.error_code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn credentials_come_and_go_and_keep_no_password() {
    let mut one = started();
    let fine = |name: &str| (name.to_owned(), 0);
    assert_eq!(alter(&mut one, &[], &[("a", 1, 4096), ("b", 2, 8192)]), [fine("a"), fine("b")]);
    let image = one.image();
    let credential = image.scram.get(1, &"a".into()).expect("a credential");
    let keys = Mechanism::Sha256.keys(b"salted");
    assert_eq!(
        (&credential.stored_key[..], &credential.server_key[..]),
        (&keys.stored[..], &keys.server[..])
    );
    assert_eq!(alter(&mut one, &[("a", 1)], &[("a", 1, 4096)]), [("a".to_owned(), 92)], "named twice");
    let odd = [("", 1, 4096), ("c", 9, 4096), ("d", 1, 4095), ("e", 2, 16_385)];
    let codes: Vec<i16> = alter(&mut one, &[], &odd).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, [93, 33, 93, 93]);
    assert_eq!(alter(&mut one, &[("b", 1)], &[]), [("b".to_owned(), 91)], "the other mechanism");
    assert_eq!(alter(&mut one, &[("a", 1), ("b", 2)], &[]), [fine("a"), fine("b")]);
    assert_eq!(one.image().scram.iter().count(), 0);
}
